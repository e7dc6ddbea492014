"""`relive export` and `relive import`, with and without a server."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from .conftest import Relive, Serve

TABLES = """
from relive import Document, field, index

class Task(Document):
    title: str = field()
    by_title = index(title)
"""
LIST = """
from relive import MutationCtx, QueryCtx, mutation, query

from .schema import Task

@query
async def titles(ctx: QueryCtx) -> list[str]:
    return [task.title for task in await ctx.db.query(Task).index(Task.by_title).collect()]

@mutation
async def add(ctx: MutationCtx, title: str) -> None:
    await ctx.db.insert(Task(title=title))
"""


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "schema.py").write_text(TABLES)
    (folder / "tasks.py").write_text(LIST)
    return folder


def rows(*titles: str) -> str:
    return "".join(json.dumps({"title": title}) + "\n" for title in titles)


def test_data_goes_out_and_in_with_a_server_and_without(
    tmp_path: Path, tasks: Path, serve: Serve, relive: Relive, relive_process: Relive
) -> None:
    (tmp_path / "tasks.jsonl").write_text(rows("a", "b"))
    running = serve(tasks)
    done = relive("import", "tasks.jsonl", "--table", "tasks")
    assert done.stdout == "  tasks: 2 rows: 2 inserted\nimported as entry 2\n", done.stderr
    assert relive("run", "tasks:titles").stdout == '["a", "b"]\n'
    assert relive("export", "all.zip").stdout.startswith("all.zip: 2 documents as of entry 2, ")
    assert json.loads(relive("export", "all.csv", "--table", "tasks", "--json").stdout)["documents"] == 2

    again = relive("import", "tasks.jsonl", "--table", "tasks")
    assert (again.returncode, again.stdout) == (1, "")
    assert "holds documents already: use --append" in again.stderr
    asked = relive("import", "tasks.jsonl", "--table", "tasks", "--replace")
    assert (asked.returncode, "add --yes" in asked.stderr) == (2, True)
    assert "every row fits" in relive("import", "tasks.jsonl", "--table", "tasks", "--replace", "--dry-run").stdout
    (tmp_path / "bad.csv").write_text("title,x\na,1\n")
    bad = relive("import", "bad.csv", "--table", "tasks", "--append")
    assert (bad.returncode, "bad.csv, row 2" in bad.stderr) == (1, True)
    assert running.end() == 0

    stopped = relive_process("import", "all.zip", "--replace", "--yes", "--json")
    assert json.loads(stopped.stdout)["entry"] is None, stopped.stderr
    more = relive_process("import", "tasks.jsonl", "--table", "tasks", "--append")
    assert "imported as entry 3" in more.stdout, more.stderr
    assert relive_process("export", "later.zip").stdout.startswith("later.zip: 4 documents as of entry 3")
    before = relive_process("export", "before.zip", "--at", "2")
    assert before.stdout.startswith("before.zip: 2 documents as of entry 2"), before.stderr
    assert (tmp_path / "before.zip").read_bytes() == (tmp_path / "all.zip").read_bytes()


def test_an_export_is_never_half_a_file(tmp_path: Path, tasks: Path, serve: Serve, relive: Relive) -> None:
    running = serve(tasks)
    relive("run", "tasks:add", '{"title": "a"}')
    assert relive("export", "all.zip").returncode == 0
    before = (tmp_path / "all.zip").read_bytes()
    taken = relive("export", "all.zip")
    assert (taken.returncode, "all.zip exists" in taken.stderr) == (2, True)
    relive("run", "tasks:add", '{"title": "b"}')
    assert relive("export", "all.zip", "--force").returncode == 0

    assert (tmp_path / "all.zip").read_bytes() != before
    assert zipfile.ZipFile(tmp_path / "all.zip").testzip() is None
    assert relive("export", "no/such/folder.zip").returncode == 1
    assert [path.name for path in tmp_path.iterdir() if "unfinished" in path.name] == []
    running.end()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["export", "x.jsonl"], "name it with --table"),
        (["export", "x.json", "--table", "tasks"], "can only be imported"),
        (["export", "x.zip", "--table", "tasks"], "leave out --table"),
        (["import", "file"], "add --format"),
        (["import", "file.csv"], "with --table"),
        (["import", "no.zip"], "does not exist"),
    ],
)
def test_what_cannot_be_asked_for_is_wrong_usage(
    tmp_path: Path, relive: Relive, arguments: list[str], problem: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "file.csv").write_text("")
    done = relive(*arguments, "--admin-key", "name|key")

    assert (done.returncode, problem in done.stderr) == (2, True), done.stderr


def test_a_system_is_backed_up_while_it_serves_and_restored_to_any_entry(
    tmp_path: Path, tasks: Path, serve: Serve, relive: Relive, port: int
) -> None:
    running = serve(tasks)
    relive("run", "tasks:add", '{"title": "a"}')
    first = json.loads(relive("backup", "kept", "--json").stdout)
    relive("run", "tasks:add", '{"title": "b"}')
    second = relive("backup", "kept")
    assert (first["entry"], first["before"]) == (2, None)
    assert second.stdout.startswith("kept: 3 entries of relive-"), second.stderr
    assert relive("backup", "kept", "--verify").stdout.startswith("kept: good; 3 entries")
    assert relive("backup", ".relive/inside").returncode == 2
    assert relive("restore", "kept", ".relive").returncode == 2
    assert relive("restore", "kept", "earlier", "--at", "2").returncode == 0
    assert relive("restore", "kept", "never", "--at", "4").returncode == 2
    assert relive("restore", "nowhere", "never").returncode == 5
    assert not (tmp_path / "never").exists()
    running.process.kill()
    running.ended()

    restored = serve(tasks, "--data", "earlier")
    assert relive("run", "tasks:titles", "--data", "earlier").stdout == '["a"]\n'
    assert restored.end() == 0
    assert relive("log", "verify", "--data", "earlier").returncode == 0
