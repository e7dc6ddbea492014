"""Fixtures for tests with the official clients against a server process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from ..one_at_a_time import one_at_a_time
from .script import run_script
from .server import Server
from .typescript import Check, compile_uses, write_app

FOLDER = Path(__file__).parent
INSTALL_S_MAX = 300


class RunScript(Protocol):
    """Runs a script by its name and returns its result.  `steps` are what it may ask us to do."""

    def __call__(self, name: str, steps: Mapping[str, Callable[[], None]] | None = None) -> Any: ...


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A fresh database with the test app."""
    server = Server(FOLDER / "app", tmp_path / "data")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node, with the packages of the scripts installed."""
    folder = FOLDER / "node"
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.fail("Node or npm was not found. Install Node 20 or later: the client tests need it.")
    needed = json.loads((folder / "package.json").read_text())["dependencies"]
    with one_at_a_time(folder):
        if not all((folder / "node_modules" / name).exists() for name in needed):
            subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, timeout=INSTALL_S_MAX)
    return found


@pytest.fixture
def run_node(node: str, server: Server) -> RunScript:
    """Runs `node/<name>.mjs`."""
    folder = FOLDER / "node"
    return lambda name, steps=None: run_script([node, f"{name}.mjs"], server, steps, cwd=folder)


@pytest.fixture
def run_python(server: Server) -> RunScript:
    """Runs `python/<name>.py`."""
    command = [sys.executable, "-m"]
    return lambda name, steps=None: run_script([*command, f"python.{name}"], server, steps, cwd=FOLDER)


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Compiles a module against the types that are generated for an app."""
    return lambda sources, uses: compile_uses(tmp_path, write_app(tmp_path / "typed_app", sources), uses)
