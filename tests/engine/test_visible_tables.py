"""``ctx.db.system``: what functions see of the tables of the system, and what they do not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from relive.engine.application.functions import internal_mutation, mutation, query
from relive.engine.data.schema import UNSET, Document, Id
from relive.engine.data.system_tables import (
    CLASSES,
    DurableAction,
    EnvironmentVariable,
    ScheduledFunction,
    TableRow,
)
from relive.engine.data.visible_tables import VISIBLE
from relive.engine.errors import IndexUnknown, TableHidden, TableUnknown
from relive.engine.execution.calls import Call
from relive.engine.execution.system_writes import SystemCtx
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.pagination import Page, PaginationOptions

from .bench import Bench, bench_of, value_of


class Note(Document):
    text: str
    job: Id[ScheduledFunction] | None = None


@internal_mutation
async def remind(ctx: MutationCtx) -> None:
    pass


@mutation
async def later(ctx: MutationCtx) -> Id[ScheduledFunction]:
    job = await ctx.scheduler.run_after(3_600, remind)
    await ctx.db.insert(Note(text="one", job=job))
    return job


@mutation
async def forget(ctx: MutationCtx, job: Id[ScheduledFunction]) -> None:
    await ctx.scheduler.cancel(job)


@query
async def state(ctx: QueryCtx, job: Id[ScheduledFunction]) -> str | None:
    row = await ctx.db.system.get(job)
    return row.state.kind if row is not None else None


@query
async def jobs(ctx: QueryCtx) -> list[ScheduledFunction]:
    return await ctx.db.system.query("_scheduled_functions").collect()


@query
async def page(ctx: QueryCtx, paginationOpts: PaginationOptions) -> Page[DurableAction]:
    return await ctx.db.system.query(DurableAction).paginate(paginationOpts)


@query
async def actions(ctx: QueryCtx) -> Any:
    return await ctx.db.system.query("_durable_actions").collect()


def bench_with_jobs() -> Bench:
    return bench_of(Note, remind=remind, later=later, forget=forget, state=state, jobs=jobs, page=page, actions=actions)


def with_secrets(bench: Bench) -> str:
    """An action that somebody asked for, and whose name is known only to them; its id."""

    async def insert(ctx: SystemCtx) -> str:
        return await ctx.db.insert(
            DurableAction(
                function="app:act", args="{}", identity=b"whoever", request="bearer", origin="", state="running",
                until=None, result=None, error=None, error_data=None, runs=1, started=0.0, finished=None,
            )
        )  # fmt: skip

    return bench.executor.write("tests", "cli", insert).value


def test_a_query_reads_a_job_by_its_id_and_follows_it() -> None:
    bench = bench_with_jobs()
    job = value_of(bench.mutate("app:later"))
    key = bench.database.live.watch(Call("app:state", [{"job": job}]), "watcher")
    bench.database.live.follow()
    assert value_of(bench.database.live.result(key)) == "pending"

    bench.mutate("app:forget", job=job)
    assert bench.database.live.follow() == ("watcher",)
    assert value_of(bench.database.live.result(key)) == "canceled"
    assert [row["name"] for row in value_of(bench.query("app:jobs"))] == ["app:remind"]


def test_what_was_read_there_is_part_of_the_read_set() -> None:
    bench = bench_with_jobs()
    job = value_of(bench.mutate("app:later"))

    async def get(ctx: MutationCtx) -> None:
        await ctx.db.system.get(job)
        await ctx.db.insert(Note(text="got"))

    async def scan(ctx: MutationCtx) -> None:
        await ctx.db.system.query("_scheduled_functions").collect()
        await ctx.db.insert(Note(text="scanned"))

    for handler in (get, scan):
        bench.write(handler)
        assert "_scheduled_functions" in {read.index.table for read in bench.entry().reads}


def test_an_id_of_another_table_is_no_argument_and_no_field_for_a_job() -> None:
    bench = bench_with_jobs()
    job = value_of(bench.mutate("app:later"))

    async def note(ctx: QueryCtx) -> Any:
        return await ctx.db.query(Note).first()

    stored = bench.read(note)
    assert stored.job == job
    assert "expected an id of table `_scheduled_functions`" in str(bench.query("app:state", job=stored.id))

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert(Note(text="two", job=stored.id))

    with pytest.raises(Exception, match="expected an id of table `_scheduled_functions`"):
        bench.write(insert)


def test_an_id_of_a_job_that_is_gone_or_of_no_table_finds_nothing() -> None:
    bench = bench_with_jobs()
    job = value_of(bench.mutate("app:later"))

    async def remove(ctx: SystemCtx) -> None:
        await ctx.db.delete(job)

    async def read(ctx: QueryCtx) -> list[Any]:
        return [
            await ctx.db.system.get(job),
            await ctx.db.system.get("no id"),  # type: ignore[arg-type]
            ctx.db.system.normalize_id("_scheduled_functions", job),
            ctx.db.system.normalize_id(ScheduledFunction, "no id"),
            ctx.db.system.normalize_id(TableRow, job),
        ]

    bench.executor.write("tests", "cli", remove)
    assert bench.read(read) == [None, None, job, None, None]


async def query_it(ctx: QueryCtx, id: Any) -> None:
    await ctx.db.query(ScheduledFunction).collect()


async def query_by_name(ctx: QueryCtx, id: Any) -> None:
    await ctx.db.query("_scheduled_functions").collect()


async def get_it(ctx: QueryCtx, id: Any) -> None:
    await ctx.db.get(id)


async def look_back(ctx: QueryCtx, id: Any) -> None:
    await ctx.db.history(id)


@pytest.mark.parametrize("read", [query_it, query_by_name, get_it, look_back])
def test_a_table_of_the_system_is_read_in_one_way_only(read: Callable[[QueryCtx, Any], Awaitable[None]]) -> None:
    bench = bench_with_jobs()
    job = value_of(bench.mutate("app:later"))

    async def handler(ctx: QueryCtx) -> None:
        await read(ctx, job)

    with pytest.raises(TableHidden, match=r"ctx\.db\.system\.query\(\"_scheduled_functions\"\)"):
        bench.read(handler)


def test_tables_that_are_not_listed_are_not_seen() -> None:
    bench = bench_with_jobs()

    async def insert(ctx: SystemCtx) -> str:
        return await ctx.db.insert(EnvironmentVariable(name="KEY", value="secret"))

    id: Any = bench.executor.write("tests", "cli", insert).value

    async def query_class(ctx: QueryCtx) -> None:
        ctx.db.system.query(EnvironmentVariable)

    async def query_name(ctx: QueryCtx) -> None:
        ctx.db.system.query("_environment_variables")

    async def get(ctx: QueryCtx) -> None:
        await ctx.db.system.get(id)

    async def get_as_app(ctx: QueryCtx) -> None:
        await ctx.db.get(id)

    async def normalize(ctx: QueryCtx) -> None:
        ctx.db.system.normalize_id("_environment_variables", id)

    for handler in (query_class, query_name, get, get_as_app, normalize):
        with pytest.raises(TableHidden, match=r"functions do not see it; `ctx\.db\.system` reads _scheduled_functions"):
            bench.read(handler)
    assert {cls.__table__ for cls in CLASSES.values()} - VISIBLE.keys() == {
        "_environment_variables",
        "_origins",
        "_presence",
        "_transfers",
        "_rate_limits",
        "_sessions",
    }


def test_tables_of_the_app_are_none_of_the_system() -> None:
    bench = bench_with_jobs()
    bench.mutate("app:later")

    async def by_class(ctx: QueryCtx) -> None:
        ctx.db.system.query(Note)

    async def by_id(ctx: QueryCtx) -> None:
        note = await ctx.db.query(Note).first()
        assert note is not None
        await ctx.db.system.get(note.id)

    for handler in (by_class, by_id):
        with pytest.raises(TableHidden, match=r"it is a table of the app: read it with `ctx\.db`"):
            bench.read(handler)

    class Impostor(Document, table="notes"):
        text: str

    async def impostor(ctx: QueryCtx) -> None:
        table: Any = type("Other", (), {"__table__": "_tables", "__module__": "app"})
        ctx.db.system.query(table)

    with pytest.raises(TableUnknown):
        bench.read(impostor)


def test_hidden_fields_show_in_no_row_and_no_page_and_no_result() -> None:
    bench = bench_with_jobs()
    id: Any = with_secrets(bench)

    async def rows(ctx: QueryCtx) -> list[Any]:
        query = ctx.db.system.query(DurableAction)
        return [
            await ctx.db.system.get(id),
            await query.first(),
            *await query.collect(),
            *await query.filter(lambda row: row.request == "bearer").collect(),
            *[row async for row in query],
        ]

    seen = bench.read(rows)
    paged = value_of(bench.query("app:page", paginationOpts={"numItems": 5.0, "cursor": None}))["page"]

    assert [(row.function, row.identity, row.request) for row in seen] == [("app:act", UNSET, UNSET)] * 4
    assert all("request" not in row and "identity" not in row for row in seen)
    for sent in (*paged, *value_of(bench.query("app:actions"))):
        assert sent["function"] == "app:act"
        assert not {"identity", "request"} & sent.keys()


def test_no_index_tells_what_a_hidden_field_holds() -> None:
    bench = bench_with_jobs()
    with_secrets(bench)

    async def by_class(ctx: QueryCtx) -> Any:
        return await ctx.db.system.query(DurableAction).index(DurableAction.by_request, "bearer").count()

    async def by_name(ctx: QueryCtx) -> Any:
        return await ctx.db.system.query("_durable_actions").index("by_request", "bearer").exists()

    async def by_state(ctx: QueryCtx) -> Any:
        return await ctx.db.system.query(DurableAction).index(DurableAction.by_state, "running").count()

    for handler in (by_class, by_name):
        with pytest.raises(IndexUnknown, match="by_state"):
            bench.read(handler)
    assert bench.read(by_state) == 1


def test_the_system_itself_sees_all_of_it() -> None:
    bench = bench_with_jobs()
    with_secrets(bench)

    async def look(ctx: SystemCtx) -> Any:
        rows = ctx.db.query(DurableAction).index(DurableAction.by_request, "bearer")
        return (await rows.first()).identity  # type: ignore[union-attr]

    assert bench.executor.rehearse("look", look) == b"whoever"
