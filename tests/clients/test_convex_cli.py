"""Convex's own command line, unmodified, against a server process: environment variables, logs."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import httpx
import pytest
from attrs import frozen
from relive.engine.data_folder import DataFolder

from .conftest import FOLDER
from .server import Server

RUN_S_MAX = 60.0
Npx = Callable[..., tuple[str, str]]


@frozen
class Tool:
    """How ``npx convex`` is started."""

    command: list[str]
    cwd: Path
    env: dict[str, str]


@pytest.fixture
def tool(node: str, server: Server, tmp_path: Path) -> Tool:
    """In a project of its own, for the server."""
    project = tmp_path / "project"
    (project / "convex").mkdir(parents=True)
    (project / "package.json").write_text('{"name": "project", "dependencies": {"convex": "1.48.0"}}')
    packages = FOLDER / "node" / "node_modules"
    (project / "node_modules").symlink_to(packages)
    key = str(DataFolder.read(server.data).local_key)
    # "CI" keeps it from reporting to its makers.
    environment = {"CONVEX_SELF_HOSTED_URL": server.url, "CONVEX_SELF_HOSTED_ADMIN_KEY": key, "CI": "1"}
    command = [node, str(packages / "convex" / "bin" / "main.js")]
    return Tool(command, project, {**os.environ, **environment})


@pytest.fixture
def convex(tool: Tool) -> Npx:
    """Runs ``npx convex ...``; what it wrote to stdout and stderr."""

    def run(*arguments: str, stdin: str = "") -> tuple[str, str]:
        done = subprocess.run(
            [*tool.command, *arguments],
            cwd=tool.cwd,
            env=tool.env,
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


def test_a_snapshot_is_exported_and_imported(convex: Npx, server: Server, tool: Tool) -> None:
    def add(amount: int) -> None:
        body = {"path": "counters:add", "args": {"name": "a", "amount": amount}}
        httpx.post(f"{server.url}/api/mutation", json=body).raise_for_status()

    def value() -> object:
        body = {"path": "counters:get", "args": {"name": "a"}}
        return httpx.post(f"{server.url}/api/query", json=body).json()["value"]

    add(5)
    assert "Downloaded snapshot export" in convex("export", "--path", "all.zip")[1]
    add(1)
    assert "holds documents already" in convex("import", "all.zip")[1]
    assert value() == 6
    assert "Added 1 documents" in convex("import", "--replace", "--yes", "all.zip")[1]
    assert value() == 5
    (tool.cwd / "more.csv").write_text("name,value\nb,7\n")
    assert "Added 1 documents" in convex("import", "--append", "--table", "counters", "more.csv")[1]
    (tool.cwd / "more.csv").write_text("name,value\nb,many\n")
    assert "row 2" in convex("import", "--append", "--table", "counters", "more.csv")[1]


@pytest.mark.parametrize("options", [(), ("--jsonl",)])
def test_logs_are_followed(tool: Tool, server: Server, options: tuple[str, ...]) -> None:
    def call(kind: str, path: str, **args: object) -> None:
        httpx.post(f"{server.url}/api/{kind}", json={"path": path, "args": args}).raise_for_status()

    call("query", "failures:query_plain")
    command = [*tool.command, "logs", "--history", "5", "--success", *options]
    process = subprocess.Popen(command, cwd=tool.cwd, env=tool.env, stdout=subprocess.PIPE, text=True)
    timer = threading.Timer(RUN_S_MAX, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        with process.stdout as lines:
            past = read_until(lines, "ValueError")
            call("mutation", "messages:announce", text="it's live")
            live = read_until(lines, "it's live")
    finally:
        timer.cancel()
        process.kill()
        process.wait()

    assert "Uncaught ValueError: the query broke" in past
    if options:
        entry = json.loads(live)
        assert (entry["identifier"], entry["udfType"], entry["logLines"][0]["level"]) == (
            "messages:announce",
            "Mutation",
            "LOG",
        )
    else:
        assert live.endswith("[CONVEX M(messages:announce)] [LOG] it's live\n")


def read_until(lines: IO[str], text: str) -> str:
    """The first line that has it."""
    for line in lines:
        if text in line:
            return line
    raise AssertionError(f"it ended without {text!r}")
