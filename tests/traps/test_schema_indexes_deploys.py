"""Other code on stored documents: what is checked, what is built, and the one step in which everything changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from relive.engine.application.app import App
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, Id, field, index
from relive.engine.deployment import rebuild
from relive.engine.deployment.deploy import Deploy
from relive.engine.errors import DocumentInvalid, IndexStaged, IndexUnknown, SchemaMismatch
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.pagination import Page, PaginationOptions
from relive.log.entry import Kind
from relive.protocol.results import QuerySuccess

from ..engine.bench import Bench, app_of, open_bench, text_of, value_of
from .wire import Server


class Task(Document):
    """As the code before has it."""

    text: str | int
    rank: int = field(default=0)
    room: str = field(default="a")
    by_rank = index(rank)
    by_room = index(room, rank)


class TextTask(Document, table="tasks"):
    """Only texts fit, and they have an index; the one by room is in another order."""

    text: str = field()
    rank: int = field(default=0)
    room: str = field(default="a")
    by_text = index(text)
    by_room = index(rank, room)


class StagedTask(Document, table="tasks"):
    text: str | int = field()
    rank: int = 0
    room: str = "a"
    by_text = index(text, staged=True)


@mutation
async def add(ctx: MutationCtx, text: Any, rank: int = 0, room: str = "a") -> str:
    return await ctx.db.insert("tasks", {"text": text, "rank": rank, "room": room})


@query
async def tasks(ctx: QueryCtx) -> list[Any]:
    found: Any = ctx.db.query("tasks").index("by_rank", gte=0)
    return [task.text async for task in found]


@query
async def page(ctx: QueryCtx, paginationOpts: PaginationOptions) -> Page[Any]:
    return await ctx.db.query("tasks").index("by_room").paginate(paginationOpts)


@query
async def version(ctx: QueryCtx) -> str:
    return "old"


@query
async def new_version(ctx: QueryCtx) -> str:
    return "new"


@query
async def by_text(ctx: QueryCtx) -> list[str]:
    return [task.text async for task in ctx.db.query(TextTask).index(TextTask.by_text)]


SHARED: dict[str, Any] = {"app:add": add, "app:tasks": tasks, "app:page": page}
OLD = app_of(Task, functions={**SHARED, "app:version": version})
NEW = app_of(TextTask, version=2, functions={**SHARED, "app:version": new_version, "app:by_text": by_text})


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Ten tasks, all of them texts, on the disk; a deploy checks two of them at a time."""
    monkeypatch.setattr(rebuild, "WORK_PER_SLICE", 2)
    bench = open_bench(OLD)
    for number in range(10):
        bench.mutate("app:add", text=f"task {number}", rank=number)
    bench.flush()
    return bench


@contextmanager
def deploying(bench: Bench, app: App) -> Iterator[Deploy]:
    deploy = bench.database.begin_deploy(app)
    try:
        yield deploy
    finally:
        bench.database.end_deploy(deploy)


def finish(bench: Bench, deploy: Deploy) -> None:
    """Go on to the end.  Raises SchemaMismatch."""
    while not deploy.slice():
        pass
    bench.flush()
    bench.database.activate(deploy)
    bench.check()


def changing(bench: Bench, rank: int, **changes: Any) -> Any:
    """A transaction of the code before, that changes the task of that rank, or deletes it."""

    async def change(ctx: MutationCtx) -> Id[Task]:
        task = await ctx.db.query(Task).index(Task.by_rank, rank).unique()
        assert task is not None
        if changes:
            await ctx.db.patch(task.id, **changes)
        else:
            await ctx.db.delete(task.id)
        return task.id

    return bench.write(change)


# Two schemas at once.


def test_until_the_switch_writes_are_checked_by_the_schema_that_serves(bench: Bench) -> None:
    """Checked by the new one already, the code that still serves breaks; checked by none, nobody can read them."""
    with deploying(bench, NEW) as deploy:
        deploy.slice()
        assert "DocumentInvalid" in text_of(bench.mutate("app:add", text=1.5))
        with pytest.raises(DocumentInvalid):
            changing(bench, 1, text=None)

        finish(bench, deploy)
    assert value_of(bench.query("app:version")) == "new"


@pytest.mark.parametrize("moment", [0, 2, 5])
def test_a_write_that_the_new_schema_would_refuse_fails_the_deploy_and_not_the_write(bench: Bench, moment: int) -> None:
    """A scan that has passed the place never sees it, and the new code meets a document that it cannot read."""
    head = bench.database.runtime.tail.head
    with deploying(bench, NEW) as deploy:
        for _ in range(moment):
            deploy.slice()
        changing(bench, 1, text=1)

        with pytest.raises(SchemaMismatch):
            finish(bench, deploy)
    assert bench.database.runtime.tail.head == head + 1, "the write"
    assert value_of(bench.query("app:version")) == "old"
    assert value_of(bench.query("app:tasks"))[1] == 1


def test_a_document_that_is_mended_in_time_does_not_fail_the_deploy(bench: Bench) -> None:
    """What the scan found at its snapshot may be right again by the time that it ends."""
    changing(bench, 1, text=1)
    with deploying(bench, NEW) as deploy:
        for _ in range(3):
            deploy.slice()
        changing(bench, 1, text="mended")
        finish(bench, deploy)

    assert "mended" in value_of(bench.query("app:by_text"))


# Indexes under construction.


@pytest.mark.parametrize("moment", range(7))
def test_an_index_is_built_of_what_is_stored_and_of_what_is_written_meanwhile(bench: Bench, moment: int) -> None:
    """Built of a snapshot alone, it lacks what came since; built of both carelessly, it has what was deleted."""
    with deploying(bench, NEW) as deploy:
        for _ in range(moment):
            deploy.slice()
        changing(bench, 0)
        changing(bench, 9)
        changing(bench, 1, text="z")
        bench.mutate("app:add", text="a")
        finish(bench, deploy)

    expected = ["a", *(f"task {number}" for number in range(2, 9)), "z"]
    assert value_of(bench.query("app:by_text")) == expected
    assert value_of(bench.reopen().query("app:by_text")) == expected


def test_nobody_reads_an_index_before_it_is_complete_and_the_old_ones_serve_until_then(bench: Bench) -> None:
    """New code over a half-built index gives half of the answer, and old code over removed ones none."""
    whole = value_of(bench.query("app:tasks"))

    async def half(ctx: QueryCtx) -> Any:
        return await ctx.db.query("tasks").index("by_text").collect()

    with deploying(bench, NEW) as deploy:
        while not deploy.slice():
            assert value_of(bench.query("app:tasks")) == whole
            assert value_of(bench.query("app:version")) == "old"
            with pytest.raises(IndexUnknown):
                bench.read(half)
        finish(bench, deploy)

    assert (value_of(bench.query("app:version")), value_of(bench.query("app:by_text"))) == ("new", whole)


def test_code_schema_and_indexes_change_in_one_entry_which_a_crash_takes_back_as_one(bench: Bench) -> None:
    """In several steps there is a moment, or a crash, between them."""
    head = bench.database.runtime.tail.head
    with deploying(bench, NEW) as deploy:
        finish(bench, deploy)
    assert [bench.database.runtime.tail.head, bench.entry().kind] == [head + 1, Kind.DEPLOY]
    bench.storage.crash()
    again = open_bench(OLD, bench.storage, bench.clock, bench.entropy)

    assert again.database.runtime.tail.head == head, "the code before is what the log says"
    assert len(value_of(again.query("app:tasks"))) == 10


def test_a_staged_index_is_maintained_and_cannot_be_read(bench: Bench) -> None:
    """Read as soon as it is declared, a large one holds up the deploy that it was staged to spare."""
    bench.deploy(app_of(StagedTask, version=3, functions={"app:add": add}))
    bench.mutate("app:add", text=5)

    async def read(ctx: QueryCtx) -> Any:
        return await ctx.db.query(StagedTask).index(StagedTask.by_text).collect()

    with pytest.raises(IndexStaged):
        bench.read(read)
    assert len(bench.database.runtime.tables.table("tasks").index("by_text").entries) == 11


# What used to be there.


def test_who_watches_over_an_index_that_is_removed_is_told(bench: Bench) -> None:
    """Left alone, the client shows for ever what the index gave last."""
    server = Server(bench)
    client = server.client()
    watched = client.watch("app:tasks")
    server.settle()
    assert len(client.shown(watched)) == 10
    bench.deploy(NEW)
    server.settle()

    assert "by_rank" in client.shown(watched)
    assert "IndexUnknown" in client.shown(watched)


def test_an_index_with_its_fields_in_another_order_is_another_index(bench: Bench) -> None:
    """Taken for the same by its name, it keeps its old keys, and cursors point to nowhere."""
    bench.mutate("app:add", text="first by room", rank=5, room="A")
    bench.flush()
    first = value_of(bench.query("app:page", paginationOpts={"numItems": 3, "cursor": None}))
    assert first["page"][0]["text"] == "first by room"
    changes = bench.deploy(NEW).changes
    again = value_of(bench.query("app:page", paginationOpts={"numItems": 3, "cursor": None}))
    stale = bench.query("app:page", paginationOpts={"numItems": 3, "cursor": first["continueCursor"]})

    assert changes.indexes.changed.keys() == {"tasks.by_room"}
    assert [task["text"] for task in again["page"]] == ["task 0", "task 1", "task 2"]
    assert "InvalidCursor" in str(stale)


def test_a_cursor_survives_a_deploy_that_leaves_its_index_alone(bench: Bench) -> None:
    """Bound to the version of the code, every deploy sends every reader back to page one."""
    first = value_of(bench.query("app:page", paginationOpts={"numItems": 3, "cursor": None}))
    bench.deploy(app_of(Task, version=4, functions=SHARED))
    second = value_of(bench.query("app:page", paginationOpts={"numItems": 3, "cursor": first["continueCursor"]}))

    assert [task["text"] for task in second["page"]] == ["task 3", "task 4", "task 5"]


# What depends on the code.


def test_a_deploy_runs_live_queries_again_without_any_write(bench: Bench) -> None:
    """Code is something that every result has read."""
    server = Server(bench)
    client = server.client()
    watched = client.watch("app:version")
    missing = client.watch("app:by_text")
    server.settle()
    assert client.shown(watched) == "old"
    assert "Could not find public function" in client.shown(missing)
    client.heard.clear()
    bench.deploy(NEW)
    server.settle()

    assert client.shown(watched) == "new"
    assert len(client.shown(missing)) == 10
    (transition,) = client.transitions()
    assert len(transition.modifications) == 2, "both as of one moment"


def test_what_is_in_flight_during_a_deploy_is_answered_as_it_happened(bench: Bench) -> None:
    """Run again by the new code, a request would happen twice, and differently."""
    first = bench.mutate("app:add", text="once", request=77)
    with deploying(bench, NEW) as deploy:
        finish(bench, deploy)
    again = bench.mutate("app:add", text="once", request=77)

    assert (again.lsn, again.outcome) == (first.lsn, first.outcome)
    result = bench.query("app:by_text")
    assert isinstance(result, QuerySuccess)
    assert value_of(result).count("once") == 1
