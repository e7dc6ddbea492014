"""The canary: a report that says nothing, or something else, is told from one that is right."""

from __future__ import annotations

import json
from pathlib import Path

from relive.simulations.command import PASSED, VIOLATION

from .canary import EXPECTED, problem


def told(folder: Path, kind: str = EXPECTED, operations: int = 1) -> str:
    file = folder / "subscriptions-1.plan"
    return json.dumps({"finding": {"kind": kind, "plan": {"clients": [[0] * operations]}, "file": str(file)}})


def test_a_report_that_is_right_is_right(tmp_path: Path) -> None:
    (tmp_path / "subscriptions-1.plan").touch()

    assert problem(VIOLATION, told(tmp_path), tmp_path) == ""


def test_what_is_wrong_with_a_report_is_told(tmp_path: Path) -> None:
    assert problem(PASSED, "", tmp_path) == "the exit code is 0, not 1"
    assert "found is 'shape: x'" in problem(VIOLATION, told(tmp_path, "shape: x"), tmp_path)
    assert problem(VIOLATION, told(tmp_path, operations=9), tmp_path) == "the plan was not made smaller"
    assert problem(VIOLATION, told(tmp_path), tmp_path) == "the plan was not kept"
