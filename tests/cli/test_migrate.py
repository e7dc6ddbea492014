"""`relive migrate`, against a server that runs, stops and is killed."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from .conftest import Relive, Serve, Start

MIGRATIONS = """
from relive import Document, MutationCtx, QueryCtx, field, migration, mutation, query

class Item(Document):
    name: str
    touched: int = field(default=0)

@mutation
async def add(ctx: MutationCtx, count: int) -> None:
    for number in range(count):
        await ctx.db.insert(Item(name=str(number)))

@mutation
async def rename(ctx: MutationCtx, old: str, new: str) -> None:
    for item in await ctx.db.query(Item).collect():
        if item.name == old:
            await ctx.db.patch(item.id, name=new)

@query
async def touched(ctx: QueryCtx) -> dict[str, int]:
    items = await ctx.db.query(Item).collect()
    return {"items": len(items), "once": sum(item.touched == 1 for item in items)}

@migration(Item)
async def touch(ctx: MutationCtx, item: Item) -> None:
    await ctx.db.patch(item.id, touched=item.touched + 1)

@migration(Item)
async def check(ctx: MutationCtx, item: Item) -> None:
    if not item.name.isdigit():
        raise ValueError(f"{item.name} is no number")
    await ctx.db.patch(item.id, touched=1)
"""


@pytest.fixture
def items(app: Path) -> Path:
    (app / "items.py").write_text(MIGRATIONS)
    return app


def add(relive: Relive, count: int) -> None:
    assert relive("run", "items:add", json.dumps({"count": count})).returncode == 0


def touched(relive: Relive) -> Any:
    return json.loads(relive("run", "items:touched").stdout)


def test_a_migration_is_rehearsed_run_and_listed(items: Path, serve: Serve, relive: Relive) -> None:
    serve(items)
    add(relive, 12)

    dry = relive("migrate", "run", "touch", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.startswith("items:touch: 12 of 12 documents would be changed\nitems/")
    assert "  - touched: 0.0\n  + touched: 1.0\n" in dry.stdout.replace(": 0\n", ": 0.0\n").replace(": 1\n", ": 1.0\n")
    assert touched(relive) == {"items": 12, "once": 0}
    assert json.loads(relive("migrate", "run", "touch", "--dry-run", "--json").stdout)["changed"] == 12

    done = relive("migrate", "run", "items:touch", "--batch", "5")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "relive: items:touch is done: 12 of 12 documents of `items`, 12 changed\n"
    assert touched(relive) == {"items": 12, "once": 12}

    lines = [line.split() for line in relive("migrate", "list").stdout.splitlines()]
    assert lines[0] == ["migration", "table", "state", "documents", "changed"]
    assert lines[1] == ["items:check", "items", "new", "0", "of", "12", "0"]
    assert lines[2] == ["items:touch", "items", "done", "12", "of", "12", "12"]
    assert [each["state"] for each in json.loads(relive("migrate", "list", "--json").stdout)] == ["new", "done"]
    assert relive("migrate", "status").stderr == "relive: no migration is running\n"
    assert relive("migrate", "status", "touch").stdout.startswith("items:touch is done")
    again = relive("migrate", "run", "touch")
    assert (again.returncode, "--restart runs it again" in again.stderr) == (1, True)
    restarted = json.loads(relive("migrate", "run", "touch", "--restart", "--json").stdout)
    assert (restarted["state"], restarted["processed"]) == ("done", 12)


def test_one_that_fails_names_the_document_and_goes_on_once_it_is_fixed(
    items: Path, serve: Serve, relive: Relive
) -> None:
    serve(items)
    add(relive, 30)
    relive("run", "items:rename", '{"old": "20", "new": "twenty"}')

    dry = relive("migrate", "run", "check", "--dry-run")
    assert dry.returncode == 1
    assert "twenty is no number" in dry.stdout
    assert "items:check would fail at 1 document(s)" in dry.stderr
    failed = relive("migrate", "run", "check", "--batch", "10")
    assert failed.returncode == 1
    assert "items:check failed at items/" in failed.stderr
    assert "after 20 documents: Uncaught ValueError: twenty is no number" in failed.stderr
    assert "go on with `relive migrate run items:check`" in failed.stderr
    assert "twenty is no number" in relive("migrate", "list").stderr
    assert "twenty is no number" in relive("migrate", "status", "check").stdout

    relive("run", "items:rename", '{"old": "twenty", "new": "20"}')
    assert relive("migrate", "run", "check").returncode == 0
    assert touched(relive) == {"items": 30, "once": 30}


def test_a_killed_server_goes_on_where_the_last_durable_batch_ended(items: Path, serve: Serve, relive: Relive) -> None:
    running = serve(items)
    add(relive, 1_500)
    begun = relive("migrate", "run", "touch", "--batch", "1", "--detach", "--json")
    assert json.loads(begun.stdout)["state"] == "running"
    running.wait(lambda: processed(relive) > 50)
    assert relive("migrate", "status").stdout.startswith("items:touch is running")
    running.end(signal.SIGKILL)

    running = serve(items)
    running.wait(lambda: not json.loads(relive("migrate", "status", "--json").stdout))
    assert "going on with migration items:touch" in "\n".join(running.err)
    assert touched(relive) == {"items": 1_500, "once": 1_500}
    assert processed(relive) == 1_500


def processed(relive: Relive) -> int:
    (found,) = json.loads(relive("migrate", "status", "touch", "--json").stdout)
    count: int = found["processed"]
    return count


def test_one_that_runs_can_be_cancelled_and_followed_again(
    items: Path, serve: Serve, relive: Relive, start: Start
) -> None:
    serve(items)
    add(relive, 4_000)
    following = start("migrate", "run", "touch", "--batch", "1")
    following.wait(lambda: processed(relive) > 50)
    following.end(signal.SIGINT)
    assert "items:touch goes on in the server" in "\n".join(following.err)

    cancelled = relive("migrate", "cancel", "touch")
    assert "items:touch is cancelled" in cancelled.stderr
    assert relive("migrate", "cancel", "touch").returncode == 1
    assert relive("migrate", "run", "touch").returncode == 0
    assert touched(relive) == {"items": 4_000, "once": 4_000}


def test_wrong_usage_is_told(items: Path, serve: Serve, relive: Relive) -> None:
    serve(items)
    unknown = relive("migrate", "run", "absent")
    assert (unknown.returncode, "it has items:check, items:touch" in unknown.stderr) == (1, True)
    assert relive("migrate", "status", "absent").returncode == 2
    assert relive("migrate", "run", "touch", "--batch", "0").returncode == 2
