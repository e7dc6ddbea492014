"""Another version of the app while clients are connected."""

from __future__ import annotations

from pathlib import Path

import pytest
from relive.actors.errors import CommitterFailed, WritesRefused
from relive.engine.application.app import App, load_app
from relive.engine.errors import AppInvalid, SchemaMismatch
from relive.log.entry import FIRST_LSN, Kind
from relive.log.memory import MemoryStorage

from .harness import add, eventually, serve

SCHEMA = """
from __future__ import annotations
from relive import Document, field, index

class Item(Document):
    name: str = field()
    {fields}
    by_name = index(name)
{more}
"""
ITEMS = """
from __future__ import annotations
from relive import MutationCtx, QueryCtx, mutation, query
from .schema import Item

@query
async def names(ctx: QueryCtx) -> list[str]:
    return [{shown} for item in await ctx.db.query(Item).collect()]

@mutation
async def put(ctx: MutationCtx, name: str) -> str:
    return await ctx.db.insert(Item(name=name))
{more}
"""
COUNT = """
@query
async def count(ctx: QueryCtx) -> int:
    return len(await ctx.db.query(Item).collect())
"""


def version(folder: Path, *, fields: str = "", shown: str = "item.name", more: str = "", more_tables: str = "") -> App:
    """An app of one folder, as its source says now."""
    folder.mkdir(exist_ok=True)
    (folder / "schema.py").write_text(SCHEMA.format(fields=fields, more=more_tables))
    (folder / "items.py").write_text(ITEMS.format(shown=shown, more=more))
    return load_app(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deployed"


async def test_live_queries_run_again_with_the_new_code(folder: Path) -> None:
    async with serve(version(folder)) as running, running.client() as client:
        await client.connect()
        await client.modify(add(0, "items:names"), add(1, "items:count"))
        await client.answered(0, "items:put", name="a")
        await client.until(lambda: client.value(0) == ["a"])
        assert "Could not find public function" in client.results[1]["errorMessage"]
        await running.database.deploy(version(folder, shown="item.name.upper()", more=COUNT))
        await client.transition()

        assert client.value(0) == ["A"]
        assert client.value(1) == 1.0
        await client.answered(1, "items:put", name="b")
        await client.until(lambda: client.value(0) == ["A", "B"])
        kinds = [entry.kind for entry in running.database.log.reader.entries(FIRST_LSN)]
        assert kinds == [Kind.DEPLOY, Kind.MUTATION, Kind.DEPLOY, Kind.MUTATION]


async def test_a_result_that_the_new_code_does_not_change_is_not_sent_again(folder: Path) -> None:
    async with serve(version(folder)) as running, running.client() as client:
        await client.modify(add(0, "items:names"))
        await client.answered(0, "items:put", name="a")
        await client.until(lambda: client.value(0) == ["a"])
        evaluations = running.database.live.evaluations
        await running.database.deploy(version(folder, more=COUNT))
        await eventually(lambda: running.database.live.evaluations == evaluations + 1)
        await client.mutate(1, "items:put", name="b")
        assert (await client.response())["success"]

        modifications = (await client.transition())["modifications"]
        assert [modification["value"] for modification in modifications] == [["a", "b"]]


async def test_new_fields_with_a_default_are_there_for_old_documents(folder: Path) -> None:
    storage = MemoryStorage()
    async with serve(version(folder), storage) as running, running.client() as client:
        await client.modify(add(0, "items:names"))
        await client.answered(0, "items:put", name="a")
        new = version(folder, fields="size: int = 7", shown='f"{item.name}{item.size}"')
        await running.database.deploy(new)
        await client.until(lambda: client.value(0) == ["a7"])
        await client.answered(1, "items:put", name="b")
        await client.until(lambda: client.value(0) == ["a7", "b7"])
    async with serve(new, storage) as running, running.client() as client:
        await client.modify(add(0, "items:names"))
        await client.transition()

        assert client.value(0) == ["a7", "b7"]


async def test_new_tables_come_with_the_code(folder: Path) -> None:
    async with serve(version(folder)) as running, running.client() as client:
        await client.answered(0, "items:put", name="a")
        await running.database.deploy(
            version(
                folder,
                more_tables="\nclass Other(Document):\n    name: str\n",
                more="\nfrom .schema import Other\n\n@mutation\nasync def put_other(ctx: MutationCtx) -> str:\n"
                "    return await ctx.db.insert(Other(name='x'))\n",
            )
        )

        assert (await client.answered(1, "items:put_other"))["success"]


async def test_a_version_that_does_not_fit_the_documents_changes_nothing(folder: Path) -> None:
    async with serve(version(folder)) as running, running.client() as client:
        await client.modify(add(0, "items:names"))
        await client.answered(0, "items:put", name="a")
        await client.until(lambda: client.value(0) == ["a"])
        head = running.database.runtime.tail.head
        with pytest.raises(SchemaMismatch, match="size"):
            await running.database.deploy(version(folder, fields="size: int", shown="str(item.size)"))

        assert running.database.runtime.tail.head == head
        await client.answered(1, "items:put", name="b")
        await client.until(lambda: client.value(0) == ["a", "b"])


async def test_a_version_that_does_not_load_changes_nothing(folder: Path) -> None:
    async with serve(version(folder)) as running, running.client() as client:
        await client.modify(add(0, "items:names"))
        with pytest.raises(AppInvalid, match=r"items\.py"):
            version(folder, more="import nonsense_that_nobody_has\n")

        await client.answered(0, "items:put", name="a")
        await client.until(lambda: client.value(0) == ["a"])


async def test_the_same_version_again_is_no_entry(folder: Path) -> None:
    async with serve(version(folder)) as running:
        head = running.database.runtime.tail.head
        await running.database.deploy(version(folder))

        assert running.database.runtime.tail.head == head


async def test_results_of_the_new_code_wait_until_the_deployment_is_durable(folder: Path) -> None:
    async with serve(version(folder)) as running, running.client() as client:
        await client.modify(add(0, "items:names"))
        await client.answered(0, "items:put", name="a")
        await client.until(lambda: client.value(0) == ["a"])
        running.disk.close()
        evaluations = running.database.live.evaluations
        await running.database.deploy(version(folder, shown="item.name.upper()"))
        await eventually(lambda: running.database.live.evaluations > evaluations)
        await client.websocket.ping()
        assert client.value(0) == ["a"]
        running.disk.open()
        await client.transition()

        assert client.value(0) == ["A"]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_deployment_while_commits_are_on_their_way_to_the_disk(folder: Path, when: str) -> None:
    async with serve(version(folder)) as running, running.client() as client:
        await client.modify(add(0, "items:names"))
        await client.transition()
        running.disk.close()
        if when == "before":
            await client.mutate(0, "items:put", name="a")
            await eventually(lambda: running.disk.waiting == 1)
        await running.database.deploy(version(folder, fields="size: int = 7", shown='f"{item.name}{item.size}"'))
        if when == "after":
            await client.mutate(0, "items:put", name="a")
        async with running.http() as http:
            running.disk.open()
            ts = (await http.post("/api/query_ts")).json()["ts"]
            await client.until(lambda: client.value(0) == ["a7"])
            await client.answered(1, "items:put", name="b")
            answer = await http.post("/api/query_at_ts", json={"path": "items:names", "args": {}, "ts": ts})

            assert answer.json()["value"] == ["a7"]


async def test_a_deployment_for_which_there_is_no_space_is_refused_and_the_old_code_goes_on(folder: Path) -> None:
    storage = MemoryStorage()
    new = version(folder, fields="size: int = 7", shown='f"{item.name}{item.size}"')
    async with serve(version(folder), storage) as running, running.client() as client:
        await client.answered(0, "items:put", name="kept")
        storage.space = sum(map(storage.size, storage.names()))
        with pytest.raises(WritesRefused, match="no space left"):
            await running.database.deploy(new)
        async with running.http() as http:
            answer = await http.post("/api/query", json={"path": "items:names", "args": {}})
        assert answer.json()["value"] == ["kept"]

        storage.space = None
        await running.database.deploy(new)
        async with running.http() as http:
            answer = await http.post("/api/query", json={"path": "items:names", "args": {}})
        assert answer.json()["value"] == ["kept7"]


async def test_a_deployment_that_the_disk_refuses_stops_the_server_and_loses_nothing_durable(folder: Path) -> None:
    storage = MemoryStorage()
    new = version(folder, fields="size: int = 7", shown='f"{item.name}{item.size}"')
    with pytest.RaisesGroup(pytest.RaisesExc(CommitterFailed, match="a deploy could not be written")):
        async with serve(version(folder), storage) as running, running.client() as client:
            await client.answered(0, "items:put", name="kept")
            running.disk.close()
            await client.mutate(1, "items:put", name="lost")
            await eventually(lambda: running.disk.waiting == 1)
            await running.database.deploy(new)
            storage.space = 0
            running.disk.open()
            await running.ended.wait()
    storage.space = None
    async with serve(new, storage) as running, running.http() as http:
        answer = await http.post("/api/query", json={"path": "items:names", "args": {}})

        assert answer.json()["value"] == ["kept7"]
