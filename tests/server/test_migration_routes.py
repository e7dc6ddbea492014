"""Migrations in a server that runs: beside its clients, over restarts, on a disk that fills up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from relive.engine.application.app import App, load_app
from relive.log.memory import MemoryStorage

from .harness import ADMIN_KEY, Json, Running, eventually, serve

KEY = {"Authorization": f"Convex {ADMIN_KEY}"}
PREFIX = "/api/relive/migrations"
SOURCE = """
from relive import Document, MutationCtx, QueryCtx, field, migration, mutation, query

class Item(Document):
    number: int
    touched: int = field(default=0)

@mutation
async def add(ctx: MutationCtx, count: int) -> None:
    for number in range(count):
        await ctx.db.insert(Item(number=number))

@query
async def touched(ctx: QueryCtx) -> list[int]:
    return [item.touched for item in await ctx.db.query(Item).collect()]

@query
async def progress(ctx: QueryCtx) -> list[int]:
    return [row["processed"] for row in await ctx.db.system.query("_migrations").collect()]

@migration(Item, batch=5)
async def touch(ctx: MutationCtx, item: Item) -> None:
    await ctx.db.patch(item.id, touched=item.touched + 1)

@migration(Item, batch=5)
async def fails(ctx: MutationCtx, item: Item) -> None:
    if item.number == 7:
        raise ValueError("seven")
    await ctx.db.patch(item.id, touched=1)
"""


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> App:
    folder = Path(tmp_path_factory.mktemp("items"))
    (folder / "items.py").write_text(SOURCE)
    return load_app(folder)


async def post(running: Running, route: str, body: object, **headers: str) -> httpx.Response:
    async with running.http(**(headers or KEY)) as http:
        return await http.post(f"{PREFIX}{route}", json=body)


async def listed(running: Running) -> dict[str, Json]:
    async with running.http(**KEY) as http:
        return {each["name"]: each for each in (await http.get(PREFIX)).json()["migrations"]}


async def add(running: Running, count: int) -> None:
    async with running.http() as http:
        await http.post("/api/mutation", json={"path": "items:add", "args": {"count": count}})


async def values(running: Running, path: str) -> Any:
    async with running.http() as http:
        return (await http.post("/api/query", json={"path": path, "args": {}})).json()["value"]


async def ended(running: Running, name: str = "items:touch") -> Json:
    migrations = running.database.migrations
    await eventually(lambda: name not in migrations.running())
    return (await listed(running))[name]


async def test_a_migration_runs_while_its_progress_is_watched(items: App) -> None:
    async with serve(items) as running, running.client() as client:
        await add(running, 23)
        fresh = (await listed(running))["items:touch"]
        assert (fresh["state"], fresh["table"], fresh["total"], fresh["deployed"]) == ("new", "items", 23, True)
        await client.connect()
        await client.watch(0, "items:progress")
        await client.transition()
        answer = await post(running, "/run", {"name": "touch"})
        assert (answer.status_code, answer.json()["state"]) == (200, "running")
        await client.until(lambda: client.value(0) == [23.0])
        done = await ended(running)

        assert (done["state"], done["processed"], done["changed"], done["error"]) == ("done", 23, 23, None)
        assert await values(running, "items:touched") == [1] * 23


async def test_clients_are_served_between_batches(items: App) -> None:
    async with serve(items) as running:
        await add(running, 300)
        running.disk.close()  # So that the first batch is not done before we ask.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(post, running, "/run", {"name": "items:touch", "batch": 1})
            await eventually(lambda: running.disk.waiting > 0)
            running.disk.open()
        seen = set()
        while "items:touch" in running.database.migrations.running():
            seen.add(sum(await values(running, "items:touched")))

        assert len(seen) > 3
        assert await values(running, "items:touched") == [1] * 300


async def test_it_goes_on_after_a_restart(items: App) -> None:
    storage = MemoryStorage()
    async with serve(items, storage) as running:
        await add(running, 20)
        running.database.migrations.started = lambda: None  # Nobody drives it.
        await post(running, "/run", {"name": "items:touch"})
        running.database.migrations.step("items:touch")
    async with serve(items, storage) as running:
        done = await ended(running)

        assert (done["state"], done["processed"]) == ("done", 20)
        assert await values(running, "items:touched") == [1] * 20


async def test_one_that_fails_says_where_and_leaves_the_server_alone(items: App) -> None:
    async with serve(items) as running:
        await add(running, 10)
        await post(running, "/run", {"name": "fails"})
        failed = await ended(running, "items:fails")

        assert (failed["state"], failed["processed"]) == ("failed", 5)
        assert failed["error"].startswith("Uncaught ValueError: seven")
        assert failed["document"]
        assert await values(running, "items:touched") == [1] * 5 + [0] * 5


async def test_a_full_disk_only_holds_it_up(items: App) -> None:
    storage = MemoryStorage()
    async with serve(items, storage) as running:
        await add(running, 40)
        await post(running, "/run", {"name": "touch", "batch": 1})
        storage.space = 0
        with trio.fail_after(20):
            while not running.database.runtime.committer.refused:  # noqa: ASYNC110
                await trio.sleep(0.005)
        storage.space = None
        done = await ended(running)

        assert (done["state"], done["processed"]) == ("done", 40)
        assert await values(running, "items:touched") == [1] * 40


async def test_it_can_be_cancelled(items: App) -> None:
    async with serve(items) as running:
        await add(running, 10)
        running.database.migrations.started = lambda: None
        await post(running, "/run", {"name": "touch"})
        answer = await post(running, "/cancel", {"name": "touch"})

        assert (answer.json()["state"], answer.json()["processed"]) == ("cancelled", 0)


async def test_a_rehearsal_comes_line_by_line(items: App) -> None:
    async with serve(items) as running:
        await add(running, 12)
        answer = await post(running, "/rehearse", {"name": "fails"})
        lines = [json.loads(line) for line in answer.text.splitlines()]

        assert [line["processed"] for line in lines[:-1]] == sorted({line["processed"] for line in lines[:-1]})
        assert len(lines) >= 4
        assert lines[-2] == {"processed": 12, "total": 12}
        assert (lines[-1]["done"], lines[-1]["processed"], lines[-1]["changed"]) == (True, 12, 11)
        assert (lines[-1]["failed"], len(lines[-1]["failures"]), len(lines[-1]["samples"])) == (1, 1, 3)
        write = lines[-1]["samples"][0]["writes"][0]
        assert (write["before"]["touched"], write["after"]["touched"]) == (0, 1)
        assert await values(running, "items:touched") == [0] * 12


@pytest.mark.parametrize(
    ("route", "body", "status", "code"),
    [
        ("/run", {"name": "absent"}, 404, "MigrationUnknown"),
        ("/run", {"name": "items:add"}, 404, "MigrationUnknown"),
        ("/run", {"name": "not a:path"}, 400, "BadConvexFunctionIdentifier"),
        ("/run", {}, 400, "BadJsonBody"),
        ("/run", {"name": "touch", "batch": 0}, 400, "BadJsonBody"),
        ("/run", {"name": "touch", "batch": True}, 400, "BadJsonBody"),
        ("/run", {"name": "touch", "restart": 1}, 400, "BadJsonBody"),
        ("/cancel", {"name": "touch"}, 400, "MigrationRefused"),
        ("/rehearse", {"name": "absent"}, 404, "MigrationUnknown"),
    ],
)
async def test_what_cannot_be_done_is_refused(items: App, route: str, body: object, status: int, code: str) -> None:
    async with serve(items) as running:
        answer = await post(running, route, body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_only_holders_of_the_admin_key_may_ask(items: App) -> None:
    async with serve(items) as running, running.http() as http:
        assert (await http.get(PREFIX)).status_code == 403
        for route in ("/run", "/cancel", "/rehearse"):
            answer = await http.post(PREFIX + route, json={"name": "touch"})
            assert (answer.status_code, answer.json()["code"]) == (403, "BadDeployKey")
