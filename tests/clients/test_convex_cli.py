"""Convex's own command line, unmodified, against a server process: environment variables."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from relive.engine.data_folder import DataFolder

from .conftest import FOLDER
from .server import Server

RUN_S_MAX = 60.0
Npx = Callable[..., tuple[str, str]]


@pytest.fixture
def convex(node: str, server: Server, tmp_path: Path) -> Npx:
    """Runs ``npx convex ...`` in a project of its own; what it wrote to stdout and stderr."""
    project = tmp_path / "project"
    (project / "convex").mkdir(parents=True)
    (project / "package.json").write_text('{"name": "project", "dependencies": {"convex": "1.48.0"}}')
    packages = FOLDER / "node" / "node_modules"
    (project / "node_modules").symlink_to(packages)
    key = DataFolder.read(server.data).admin_key.key
    environment = {"CONVEX_SELF_HOSTED_URL": server.url, "CONVEX_SELF_HOSTED_ADMIN_KEY": key}

    def run(*arguments: str, stdin: str = "") -> tuple[str, str]:
        done = subprocess.run(
            [node, str(packages / "convex" / "bin" / "main.js"), *arguments],
            cwd=project,
            env={**os.environ, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=RUN_S_MAX,
            check=False,
        )
        return done.stdout, done.stderr

    return run


def test_environment_variables_are_set_listed_and_removed(convex: Npx) -> None:
    assert "Successfully set A" in convex("env", "set", "A", "one")[1]
    convex("env", "set", "B", stdin="two three\nfour")

    assert convex("env", "get", "A")[0] == "one\n"
    assert convex("env", "list")[0] == "A=one\nB='two three\nfour'\n"
    convex("env", "remove", "A")
    assert convex("env", "list")[0] == "B='two three\nfour'\n"
    assert 'Environment variable "A" not found' in convex("env", "get", "A")[1]
