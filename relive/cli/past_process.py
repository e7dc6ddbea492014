"""The past as a server reads it: with the very commands that people use, each in a process of its own.

So nothing of it holds up those who are served, its memory is gone when it ends, and code of then never
meets that of now.
"""

from __future__ import annotations

import json as plain_json
import subprocess
import sys
from pathlib import Path
from typing import Any

import trio

from ..engine.server.history_routes import AskPast, PastRefused, Question
from .exit_codes import FAILED


def ask_past_of(data: Path) -> AskPast:
    """Asks about the log of a data folder."""

    async def ask(question: Question) -> dict[str, Any]:
        done = await trio.run_process(
            [sys.executable, "-m", "relive", *arguments_of(question, data)],
            stdin=plain_json.dumps(question.args).encode(),
            check=False,
            capture_stdout=True,
            capture_stderr=True,
        )
        # A query that failed has an answer that says how.
        if done.returncode not in (0, FAILED) or not done.stdout:
            raise PastRefused(problem_of(done))
        tree: dict[str, Any] = plain_json.loads(done.stdout)
        return tree

    return ask


def arguments_of(question: Question, data: Path) -> list[str]:
    command = ["why"] if question.why else ["run", "--code", question.code]
    return [*command, "--data", str(data), "--at", question.at, "--json", "--", question.path, "-"]


def problem_of(done: subprocess.CompletedProcess[bytes]) -> str:
    """The remark of the command."""
    text = done.stderr.decode(errors="replace").strip()
    return text.removeprefix("relive: ") or f"the past could not be read: its process ended with {done.returncode}"
