"""A bug that must be reported: if it is not, the pipeline that reports is broken, and so is every pass.

    python -m tests.simulations.canary

The server is changed in every worker process; the command must find it, make it smaller, keep it and exit with 1.
Exit code 0 if it does.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from relive.simulations.command import VIOLATION, Settings, execute
from relive.simulations.subject import Subject, shipped

from .planted import BUGS

BUG = "who gets a document is not told"
EXPECTED = "subscriptions: what is shown is true"
SEEDS = 60
OPERATIONS_MAX = 4


def planted() -> Subject:
    """As it ships, but for the bug; for good, so it is for processes that do nothing else."""
    BUGS[BUG].plant(pytest.MonkeyPatch())
    return shipped()


def problem(code: int, told: str, folder: Path) -> str:
    """What is wrong with the report; empty if nothing is."""
    if code != VIOLATION:
        return f"the exit code is {code}, not {VIOLATION}"
    report = json.loads(told)
    if report["finding"]["kind"] != EXPECTED:
        return f"found is {report['finding']['kind']!r}, not {EXPECTED!r}"
    if sum(map(len, report["finding"]["plan"]["clients"])) > OPERATIONS_MAX:
        return "the plan was not made smaller"
    if [file.name for file in folder.iterdir()] != [Path(report["finding"]["file"]).name]:
        return "the plan was not kept"
    return ""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", __spec__.name, folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        wrong = problem(done.returncode, done.stdout, Path(folder))
    print(f"the canary was not reported: {wrong}" if wrong else "the canary was reported")
    return bool(wrong)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(main())
    logging.disable()
    sys.exit(execute(planted, Settings(seeds=SEEDS, keep=Path(sys.argv[1]), jobs=2, as_json=True)))
