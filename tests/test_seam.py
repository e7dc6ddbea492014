"""The seam: nothing that ships looks at a clock, draws randomness, opens a file or a socket, or starts a thread.

All of that comes through `engine/env.py` and `log/storage.py`, which a simulation replaces.  The exceptions are few,
by name, and each has its reason; a door that nobody uses any more must leave the list.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
LAYERS = ("protocol", "log", "actors", "engine")
FILES = {path.relative_to(CHECKOUT).as_posix(): path for layer in LAYERS for path in (CHECKOUT / layer).rglob("*.py")}

MODULES = frozenset(
    {
        "_thread",
        "asyncio",
        "concurrent",
        "ctypes",
        "faulthandler",
        "fcntl",
        "httpx",
        "multiprocessing",
        "os",
        "queue",
        "random",
        "resource",
        "secrets",
        "select",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib.request",
        "watchfiles",
    }
)
"""Whoever imports one of these may do what a simulation does not decide."""
CALLS = frozenset(
    {
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "dt.datetime.now",
        "uuid.uuid1",
        "uuid.uuid4",
        "trio.open_tcp_listeners",
        "trio.open_tcp_stream",
        "trio.serve_tcp",
        "trio.open_file",
        "trio.run_process",
        "trio.run",
        "trio.to_thread.run_sync",
        "trio.from_thread.run",
        "trio.lowlevel.open_process",
        "real_clock_ns",
        "real_monotonic_ns",
        "real_perf_counter_ns",
        "real_thread_time_ns",
        "real_entropy",
        "real_write",
        "open",
    }
)
READS = frozenset(
    {
        "read_bytes",
        "read_text",
        "write_bytes",
        "write_text",
        "mkdir",
        "unlink",
        "iterdir",
        "rglob",
        "glob",
    }
)
"""What paths do to a disk."""

DOORS = {
    "log/storage.py": "the real disk",
    "engine/env.py": "the real environment",
    "engine/log_thread.py": "the real thread of a log",
    "engine/data_folder.py": "a folder's lock, keys and names, before there is a database",
    "engine/determinism/": "guards handlers against all of this, and keeps the real ones for the environment",
    "engine/actions/": "actions are there to touch the outside; what queries and mutations see of them is recorded",
    "engine/application/": "reads the source of an app when it is loaded, before it is served",
    "engine/codegen/": "writes the files of a client; a command, no server",
    "engine/files/folder_copy.py": "copies files to another place; for commands, no server",
    "engine/files/folder_files.py": "the real disk of files; simulations keep them in memory",
    "engine/files/in_thread.py": "threads for what keeps files outside of a simulation",
    "engine/forks.py": "makes another data folder; a command, no server",
    "engine/portability/backup.py": "copies a data folder to another place; a command, no server",
    "engine/portability/backup_view.py": "reads what was copied; a command, no server",
    "engine/server/received.py": "keeps an import that is too large for memory in a file, until it is read",
    "engine/server/key_fetching.py": "asks identity providers, of which a simulation has none",
    "engine/testing.py": "runs the actions of an app under test, which are there to touch the outside",
    "engine/transactions/context.py": "names the class of the seeded randomness that handlers are given",
}
"""Who may, and why.  A name that ends in a slash is a room."""


def door_of(file: str) -> str | None:
    return next((door for door in DOORS if file == door or (door.endswith("/") and file.startswith(door))), None)


def named(node: ast.expr) -> str:
    """``a.b.c`` of a call, as far as it is made of names."""
    if isinstance(node, ast.Attribute):
        return f"{named(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def uses(tree: ast.AST) -> Iterator[str]:
    """Everything in a module that may be of the outside."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            modules = []
        yield from (f"import {name}" for name in modules if name in MODULES or name.split(".")[0] in MODULES)
        if isinstance(node, ast.Call):
            name, last = named(node.func), getattr(node.func, "attr", "")
            if last in READS or any(name == call or name.endswith(f".{call}") for call in CALLS - {"open"}):
                yield f"{name}()"
            elif name == "open":
                yield "open()"
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield from (alias.name for alias in node.names if alias.name in CALLS)


def test_whatever_is_not_deterministic_comes_through_the_environment() -> None:
    offenders = [
        f"{file}: {use}"
        for file, path in sorted(FILES.items())
        if door_of(file) is None
        for use in uses(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert offenders == []


def test_every_door_is_used() -> None:
    used = {
        door_of(file)
        for file, path in FILES.items()
        if door_of(file) is not None and any(uses(ast.parse(path.read_text(encoding="utf-8"))))
    }

    assert set(DOORS) - used == set()


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from time import monotonic",
        "import os.path",
        "from socket import socket",
        "import trio\nawait trio.to_thread.run_sync(work)",
        "import trio\nawait trio.serve_tcp(handler, 0)",
        "now = datetime.now()",
        "id = uuid.uuid4()",
        "text = open('file').read()",
        "folder.joinpath('a').read_text()",
        "from ..determinism.real import real_monotonic_ns",
    ],
)
def test_each_way_around_the_environment_is_seen(source: str) -> None:
    assert list(uses(ast.parse(source)))
