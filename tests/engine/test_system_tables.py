"""Tables of the system: functions read them as their own, and cannot write them."""

from __future__ import annotations

from typing import Any

import pytest
from relive.actors.tables import Tables
from relive.engine.application.codecs import codecs_of, definer
from relive.engine.application.functions import query
from relive.engine.data.catalog import Catalog
from relive.engine.data.schema import Document
from relive.engine.data.system_tables import CLASSES, CODECS, NUMBERS, EnvironmentVariable, TableRow
from relive.engine.data.table_codec import TableCodec
from relive.engine.errors import DocumentInvalid
from relive.engine.execution.calls import Call
from relive.engine.execution.system_writes import SystemCtx
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.log.entry import Kind
from relive.protocol import cbor, ids

from .bench import Bench, app_of, bench_of, open_bench, value_of


class Note(Document):
    text: str


@query
async def tables(ctx: QueryCtx) -> list[str]:
    return [row["name"] for row in await ctx.db.system.query("_tables").collect()]


def set_variable(bench: Bench, name: str, value: str) -> str:
    async def insert(ctx: SystemCtx) -> str:
        return await ctx.db.insert(EnvironmentVariable(name=name, value=value))

    return bench.executor.write("tests", "cli", insert).value


def test_the_numbers_of_system_tables_are_fixed_for_ever() -> None:
    assert NUMBERS == {
        "_tables": 1,
        "_environment_variables": 2,
        "_migrations": 3,
        "_pauses": 4,
        "_transfers": 5,
        "_durable_actions": 6,
        "_steps": 7,
        "_scheduled_functions": 8,
        "_rate_limits": 9,
        "_sessions": 10,
        "_cron_jobs": 11,
        "_storage": 12,
        "_origins": 13,
        "_presence": 14,
    }
    assert all(number < 10_001 for number in CLASSES)


def test_a_row_is_an_object_and_a_mapping() -> None:
    bench = bench_of(Note)

    async def read(ctx: QueryCtx) -> list[Any]:
        return list(await ctx.db.system.query("_tables").collect())

    (row,) = bench.read(read)

    assert isinstance(row, TableRow)
    assert (row.name, row.number) == ("notes", 10_001)
    assert dict(row) == {"_id": row.id, "_creationTime": row.creation_time, "name": "notes", "number": 10_001}
    assert [*row] == [*row.keys()]
    assert (len(row), "name" in row, "text" in row, row.get("text", "none")) == (4, True, False, "none")
    with pytest.raises(KeyError):
        row["text"]
    with pytest.raises(AttributeError):
        row.name = "other"  # type: ignore[misc]


def test_functions_read_them_by_name_by_class_by_index_and_by_id() -> None:
    bench = bench_of(Note)

    async def read(ctx: QueryCtx) -> list[Any]:
        row = await ctx.db.system.query("_tables").first()
        by_index = ctx.db.system.query(TableRow).index(TableRow.by_name, "notes")
        assert row is not None
        return [row, await by_index.unique(), await ctx.db.system.get(row.id)]

    found = bench.read(read)
    assert [row.number for row in found] == [10_001] * 3
    assert ids.table_number(found[0].id) == 1


def test_ids_of_system_tables_are_known_as_theirs() -> None:
    bench = bench_of(Note)
    id = set_variable(bench, "LEVEL", "debug")

    async def normalize(ctx: QueryCtx) -> list[str | None]:
        return [ctx.db.normalize_id(name, id) for name in ("_environment_variables", "_tables", "notes")]

    assert bench.read(normalize) == [id, None, None]


def test_a_query_that_returns_rows_sends_them_as_stored() -> None:
    @query
    async def rows(ctx: QueryCtx) -> Any:
        return await ctx.db.system.query("_tables").collect()

    (row,) = value_of(bench_of(Note, rows=rows).query("app:rows"))
    assert row.keys() == {"_id", "_creationTime", "name", "number"}
    assert (row["name"], row["number"]) == ("notes", 10_001)


@pytest.mark.parametrize("operation", ["insert", "insert by name", "patch", "replace", "delete"])
def test_functions_cannot_write_them(operation: str) -> None:
    bench = bench_of(Note)
    id: Any = set_variable(bench, "LEVEL", "debug")

    async def write(ctx: MutationCtx) -> None:
        match operation:
            case "insert":
                await ctx.db.insert(EnvironmentVariable(name="A", value="b"))
            case "insert by name":
                await ctx.db.insert("_environment_variables", {"name": "A", "value": "b"})
            case "patch":
                await ctx.db.patch(id, value="b")
            case "replace":
                await ctx.db.replace(id, {"name": "A", "value": "b"})
            case _:
                await ctx.db.delete(id)

    with pytest.raises(DocumentInvalid, match=r"belong to the system.*`relive env set NAME VALUE`"):
        bench.write(write)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert("_mine", {})

    with pytest.raises(DocumentInvalid, match="belong to the system"):
        bench.write(insert)


def test_a_transaction_of_the_system_is_an_entry_of_its_own_kind() -> None:
    bench = bench_of(Note)

    async def insert(ctx: SystemCtx) -> str:
        await ctx.db.insert(Note(text="one"))
        return await ctx.db.insert(EnvironmentVariable(name="A", value="b"))

    written = bench.executor.write("made up", "cli", insert, {"because": "test"})
    entry = bench.entry()
    bench.check()

    assert (entry.lsn, entry.kind, entry.function, entry.cause.kind) == (written.lsn, Kind.SYSTEM, "made up", "cli")
    assert cbor.decode(entry.args) == {"because": "test"}
    assert [(write.table, write.id) for write in entry.writes][1] == ("_environment_variables", written.value)


def test_a_transaction_of_the_system_that_writes_nothing_or_raises_is_no_entry() -> None:
    bench = bench_of(Note)
    head = bench.database.runtime.tail.head

    async def look(ctx: SystemCtx) -> int:
        return len(await ctx.db.system.query("_tables").collect())

    async def fail(ctx: SystemCtx) -> None:
        await ctx.db.insert(EnvironmentVariable(name="A", value="b"))
        raise ValueError("no")

    async def write(ctx: SystemCtx) -> str:
        return await ctx.db.insert(EnvironmentVariable(name="A", value="b"))

    written = bench.executor.write("look", "cli", look)
    assert (written.value, written.lsn) == (1, head)
    with pytest.raises(ValueError, match="no"):
        bench.executor.write("fail", "cli", fail)
    assert ids.table_number(bench.executor.rehearse("rehearsal", write)) == 2
    assert bench.database.runtime.tail.head == head


def test_system_tables_are_there_after_a_restart_and_after_a_deploy() -> None:
    bench = bench_of(Note, tables=tables)
    set_variable(bench, "A", "b")
    bench.deploy(app_of(Note, version=2, functions={"app:tables": tables}))
    set_variable(bench, "C", "d")
    again = bench.reopen()
    again.check()

    async def variables(ctx: QueryCtx) -> dict[str, str]:
        return {name: ctx.env[name] for name in ("A", "C")}

    assert value_of(again.query("app:tables")) == ["notes"]
    assert again.read(variables) == {"A": "b", "C": "d"}


def test_a_database_without_any_table_knows_those_of_the_system() -> None:
    codecs: dict[str, TableCodec] = {}
    catalog = Catalog(Tables.empty(definer(codecs)))
    bench = open_bench(app_of(functions={"app:tables": tables}))

    assert (catalog.number_of("_migrations"), catalog.name_of(3)) == (3, "_migrations")
    assert codecs_of(app_of(), catalog).keys() == CODECS.keys()
    assert value_of(bench.query("app:tables")) == []


def test_live_queries_of_a_system_table_run_again_when_it_changes() -> None:
    bench = bench_of(Note, tables=tables)
    live = bench.database.live
    key = live.watch(Call("app:tables", [{}]), "watcher")
    live.follow()
    live.result(key)
    set_variable(bench, "A", "b")
    assert live.follow() == ()

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert("others", {"x": 1})

    bench.write(insert)
    assert live.follow() == ("watcher",)
    assert value_of(live.result(key)) == ["notes", "others"]
