"""A client in a process of its own: a Node or Python script that speaks line by line.

The script writes JSON lines to stdout and waits for a line on stdin after each `step`:

    {"step": "kill the server"}      do this, then answer with a line
    {"result": ...}                  the last line: what the test asserts on

A process of its own keeps a client that blocks (the Python one holds the interpreter lock while it
waits) from blocking the tests, and lets a timeout end it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .server import Server

SCRIPT_S_MAX = 40.0


def run_script(
    command: Sequence[str],
    server: Server,
    steps: Mapping[str, Callable[[], None]] | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Any:
    """Run a script to its end, carry out its steps, and return its result."""
    remaining = dict(steps or {})
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**os.environ, "RELIVE_URL": server.url, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
        )
        timer = threading.Timer(SCRIPT_S_MAX, process.kill)
        timer.start()
        try:
            result, other = converse(process, remaining)
            process.wait()
        finally:
            timer_fired = not timer.is_alive()
            timer.cancel()
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()
        errors.seek(0)
        problem = failure(process.returncode, timer_fired, result, remaining)
        if problem is not None:
            said = "\n".join([*other, errors.read()]).strip() or "(nothing)"
            raise AssertionError(server.explain(f"{' '.join(command[-2:])}: {problem}\nthe script's output:\n{said}\n"))
        return result[0]


def converse(process: subprocess.Popen[str], steps: dict[str, Callable[[], None]]) -> tuple[list[Any], list[str]]:
    """Read until the script closes its output.  Returns its results and the lines we did not understand."""
    assert process.stdin is not None
    assert process.stdout is not None
    results, other = list[Any](), list[str]()
    for line in process.stdout:
        try:
            message = json.loads(line)
        except ValueError:
            other.append(line.rstrip())
            continue
        match message:
            case {"result": result}:
                results.append(result)
            case {"step": step} if step in steps:
                steps.pop(step)()
                process.stdin.write("\n")
                process.stdin.flush()
            case _:
                other.append(line.rstrip())
    return results, other


def failure(code: int, timed_out: bool, results: list[Any], steps: Mapping[str, object]) -> str | None:
    if timed_out:
        return f"not done after {SCRIPT_S_MAX:.0f} s: it waits for something that the server never sent"
    if code != 0:
        return f"exit code {code}"
    if steps:
        return f"it never asked for {sorted(steps)}"
    if len(results) != 1:
        return f"it gave {len(results)} results instead of one"
    return None
