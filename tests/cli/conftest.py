"""Fixtures: the command line as real processes, in a folder of its own."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import IO, Protocol

import pytest
from attrs import Factory, define, frozen

from relive.cli import main

from ..ports import free_port

RUN_S_MAX = 30.0
WAIT_S_MAX = 20.0
STOP_S_MAX = 15.0
COMMAND = (sys.executable, "-m", "relive")


@frozen
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


class Relive(Protocol):
    """Runs a command to its end, in the test's folder."""

    def __call__(self, *arguments: str | Path, **environment: str) -> Done: ...


@pytest.fixture
def relive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relive:
    """In this process: for commands that leave nothing behind in it."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, **environment: str) -> Done:
        assert not environment, "this process has its environment"
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main.run(list(map(str, arguments)))
        return Done(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def relive_process(tmp_path: Path) -> Relive:
    """In a process of its own, as users start it."""

    def run(*arguments: str | Path, **environment: str) -> Done:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_S_MAX,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@define(eq=False)
class Running:
    """A command that goes on until it is stopped.  What it prints is kept, line by line."""

    process: subprocess.Popen[str]
    out: list[str] = Factory(list[str])
    err: list[str] = Factory(list[str])
    threads: list[threading.Thread] = Factory(list[threading.Thread])

    def __attrs_post_init__(self) -> None:
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            assert stream is not None
            thread = threading.Thread(target=keep_lines, args=(stream, lines), daemon=True)
            thread.start()
            self.threads.append(thread)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds.  Fails, with what was printed, if the process ends or takes too long."""
        deadline = time.monotonic() + WAIT_S_MAX
        while not condition():
            code = self.process.poll()
            if code is not None and not condition():
                raise AssertionError(f"ended with {code}\nstdout: {self.out}\nstderr: {self.err}")
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain\nstdout: {self.out}\nstderr: {self.err}")
            time.sleep(0.02)

    def wait_remark(self, text: str) -> None:
        """Until stderr holds it."""
        self.wait(lambda: text in "\n".join(self.err))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(STOP_S_MAX)
        for thread in self.threads:
            thread.join(STOP_S_MAX)
        return code

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.ended()


def begin(folder: Path, *arguments: str | Path) -> Running:
    """Start a command in ``folder``."""
    command = [*COMMAND, *map(str, arguments)]
    return Running(subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))


def keep_lines(stream: IO[str], lines: list[str]) -> None:
    with stream:
        for line in stream:
            lines.append(line.rstrip("\n"))


class Start(Protocol):
    """Starts a command in the test's folder; it is killed at the end if it still runs."""

    def __call__(self, *arguments: str | Path) -> Running: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Running] = []

    def start(*arguments: str | Path) -> Running:
        started.append(begin(tmp_path, *arguments))
        return started[-1]

    yield start
    for running in started:
        running.kill()


class Serve(Protocol):
    """Starts `serve` or `dev` and waits until connections are accepted."""

    def __call__(self, app: Path, *options: str | Path, command: str = "serve") -> Running: ...


@pytest.fixture
def serve(start: Start, port: int) -> Serve:
    def serve(app: Path, *options: str | Path, command: str = "serve") -> Running:
        running = start(command, app, "--port", str(port), *options)
        running.wait(lambda: bool(running.out))
        return running

    return serve


@pytest.fixture
def port() -> int:
    return free_port()


SCHEMA = """
from relive import Document, field, index

class Note(Document):
    text: str = field()
    by_text = index(text)
"""

NOTES = """
from relive import ApplicationError, Id, MutationCtx, QueryCtx, internal_query, mutation, query

from .schema import Note

@query
async def all(ctx: QueryCtx) -> list[str]:
    return [note.text for note in await ctx.db.query(Note).collect()]

@mutation
async def add(ctx: MutationCtx, text: str) -> Id[Note]:
    print("adding", text)
    if not text:
        raise ApplicationError({"code": "empty"})
    return await ctx.db.insert(Note(text=text))

@mutation
async def clear(ctx: MutationCtx) -> int:
    notes = await ctx.db.query(Note).collect()
    for note in notes:
        await ctx.db.delete(note.id)
    return len(notes)

@internal_query
async def secret(ctx: QueryCtx) -> str:
    return "internal"

@query
async def spin(ctx: QueryCtx) -> None:
    while True:
        pass
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app of notes."""
    return make_app(tmp_path / "notes_app")


def make_app(folder: Path) -> Path:
    folder.mkdir()
    (folder / "schema.py").write_text(SCHEMA)
    (folder / "notes.py").write_text(NOTES)
    return folder
