"""The read set holds what the function could have noticed, and nothing else.

One truth, seen three times: a commit changes what a read scanned; it wrote into the recorded ranges; it refuses the
commit of whoever read that, and makes the live query stale.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.definition import BY_CREATION_TIME, BY_ID
from relive.actors.errors import Conflict
from relive.actors.subscriptions import Subscriptions
from relive.actors.validation import overlap
from relive.engine.data.schema import Document
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.log.entry import IndexName, KeyRange
from relive.protocol import ids
from relive.protocol.order import sort_key

from .bench import Bench, bench_of
from .model import Change, Range, Row, changes, ranges, some_values


class Log(Document):
    line: str = ""


def rows_of(*fields: dict[str, Any]) -> tuple[Bench, list[Any]]:
    """A table with these rows, and their ids."""
    bench = bench_of(Row, Log)

    async def insert(ctx: MutationCtx) -> list[Any]:
        return [await ctx.db.insert(Row(**row)) for row in fields]

    return bench, bench.write(insert)


def reads_of(bench: Bench, handler: Any) -> tuple[KeyRange, ...]:
    return bench.run(handler).reads


def by_a(start: bytes, stop: bytes | None) -> KeyRange:
    return KeyRange(IndexName("rows", "by_a"), start, stop)


def key_of(bench: Bench, id: str) -> bytes:
    """Where a document stands in ``by_a``."""
    table = bench.database.runtime.tables.table("rows")
    (key,) = [key for key, version in table.indexes["by_a"].entries.items() if version.id == id]
    assert isinstance(key, bytes)
    return key


@settings(max_examples=250, deadline=None)
@given(
    st.lists(changes(some_values), max_size=8),
    ranges(some_values),
    st.integers(0, 3),
    st.booleans(),
    changes(some_values),
)
def test_a_commit_hits_the_ranges_exactly_if_the_scan_would_differ(
    committed: list[Change], read: Range, count: int, picky: bool, other: Change
) -> None:
    bench, ids = bench_of(Row, Log), list[str]()

    async def before(ctx: MutationCtx) -> None:
        for change in committed:
            await change.make(ctx, ids)

    async def meanwhile(ctx: MutationCtx) -> None:
        await other.make(ctx, ids)

    async def read_and_write(ctx: MutationCtx) -> list[Row]:
        scanned: list[Row] = []

        def test(row: Row) -> bool:
            scanned.append(row)
            return row.c == 1 or not picky

        query = read.query(ctx).filter(test)
        if count:
            async for _ in query:
                if len(scanned) >= count:
                    break
        else:
            await query.collect()
        await ctx.db.insert(Log())
        return scanned

    bench.write(before)
    ran = bench.run(read_and_write)
    commit = bench.commit_of(ran)
    live: Subscriptions[str, str, str] = Subscriptions(bench.database.runtime.tail.head)
    live.watch("query", "watcher")
    live.evaluated("query", live.position, ran.reads, "result")
    head = bench.database.runtime.tail.head
    bench.write(meanwhile)
    scans_differ = ran.result != bench.run(read_and_write).result
    hits = [overlap(ran.reads, done) for done in bench.database.runtime.tail.after(head)]

    assert any(hits) is scans_differ
    assert list(live.follow(bench.database.runtime.tail)) == (["watcher"] if scans_differ else [])
    if scans_differ:
        with pytest.raises(Conflict):
            bench.database.runtime.commit(commit)
    else:
        bench.database.runtime.commit(commit)
        bench.check()


def test_a_full_read_records_the_whole_range() -> None:
    bench, _ = rows_of({"a": 1}, {"a": 2})

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.query(Row).index(Row.by_a, gte=1, lt=3).collect()

    assert reads_of(bench, handler) == (by_a(sort_key(1), sort_key(3)),)


def test_an_empty_range_is_recorded() -> None:
    bench, _ = rows_of()

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.query(Row).index(Row.by_a, gte=1, lt=3).first()

    assert reads_of(bench, handler) == (by_a(sort_key(1), sort_key(3)),)


def test_an_impossible_range_is_not() -> None:
    bench, _ = rows_of({"a": 1})

    async def handler(ctx: MutationCtx) -> None:
        assert await ctx.db.query(Row).index(Row.by_a, gte=3, lt=1).collect() == []

    assert reads_of(bench, handler) == ()


def test_an_early_stop_records_up_to_the_last_key_consumed() -> None:
    bench, (_, second, _) = rows_of({"a": 1}, {"a": 2}, {"a": 3})

    async def take(ctx: MutationCtx) -> None:
        await ctx.db.query(Row).index(Row.by_a).take(2)

    async def stop(ctx: MutationCtx) -> None:
        async for row in ctx.db.query(Row).index(Row.by_a):
            if row.a == 2:
                break

    expected = (by_a(b"", key_of(bench, second) + b"\0"),)
    assert reads_of(bench, take) == expected
    assert reads_of(bench, stop) == expected


def test_backwards_it_records_down_to_the_last_key_consumed() -> None:
    bench, (_, second, _) = rows_of({"a": 1}, {"a": 2}, {"a": 3})

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.query(Row).index(Row.by_a, lt=9).order("desc").take(2)

    assert reads_of(bench, handler) == (by_a(key_of(bench, second), sort_key(9)),)


def test_a_filter_does_not_narrow_what_was_read() -> None:
    bench, (_, _, third) = rows_of({"a": 1}, {"a": 2}, {"a": 3, "c": 1})

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.query(Row).index(Row.by_a).filter(lambda row: row.c == 1).first()

    assert reads_of(bench, handler) == (by_a(b"", key_of(bench, third) + b"\0"),)


def test_taking_none_reads_nothing() -> None:
    bench, _ = rows_of({"a": 1})

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.query(Row).take(0)
        ctx.db.query(Row)

    assert reads_of(bench, handler) == ()


def test_unique_reads_one_more_than_it_gives() -> None:
    bench, _ = rows_of({"a": 1})

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.query(Row).index(Row.by_a, 1).unique()

    assert reads_of(bench, handler) == (by_a(sort_key(1), sort_key(1) + b"\xff"),)


def test_a_document_is_read_by_its_id_whether_it_is_there_or_not() -> None:
    bench, (there, gone) = rows_of({}, {})

    async def delete(ctx: MutationCtx) -> None:
        await ctx.db.delete(gone)

    async def handler(ctx: QueryCtx) -> None:
        await ctx.db.get(there)
        await ctx.db.get(gone)
        await ctx.db.get(there)

    bench.write(delete)
    by_id = IndexName("rows", BY_ID)

    assert reads_of(bench, handler) == tuple(KeyRange(by_id, id.encode(), id.encode() + b"\0") for id in (there, gone))


def test_inserting_reads_nothing_and_patching_reads_the_document() -> None:
    bench, (id,) = rows_of({"a": 1})

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert(Row())

    async def patch(ctx: MutationCtx) -> None:
        database: Any = ctx.db
        await database.patch(id, a=2)

    assert reads_of(bench, insert) == ()
    assert [read.index.index for read in reads_of(bench, patch)] == [BY_ID]


def test_a_whole_table_is_read_by_creation_time() -> None:
    bench, _ = rows_of({})

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.query(Row).collect()

    assert reads_of(bench, handler) == (KeyRange(IndexName("rows", BY_CREATION_TIME), b"", None),)


def test_reading_a_table_that_is_not_there_depends_on_its_first_document_and_on_no_other_table() -> None:
    bench, _ = rows_of()

    async def handler(ctx: MutationCtx) -> None:
        assert await ctx.db.query("imports").collect() == []

    async def create_others(ctx: MutationCtx) -> None:
        await ctx.db.insert("others", {})

    async def create_imports(ctx: MutationCtx) -> None:
        await ctx.db.insert("imports", {})

    reads = reads_of(bench, handler)
    head = bench.database.runtime.tail.head
    bench.write(create_others)
    bench.write(create_imports)

    others, imports = bench.database.runtime.tail.after(head)
    assert overlap(reads, others) is None
    assert overlap(reads, imports) is not None


def test_an_id_of_no_table_is_looked_for_in_the_list_of_all_tables() -> None:
    bench, _ = rows_of()
    id: Any = ids.encode(bench.database.catalog.next_number(), bytes(16))

    async def handler(ctx: MutationCtx) -> None:
        assert await ctx.db.get(id) is None

    async def create(ctx: MutationCtx) -> None:
        await ctx.db.insert("imports", {})

    reads = reads_of(bench, handler)
    head = bench.database.runtime.tail.head
    bench.write(create)

    (created,) = bench.database.runtime.tail.after(head)
    assert overlap(reads, created) is not None


def test_what_was_read_before_an_error_is_recorded() -> None:
    bench, (id,) = rows_of({})

    async def handler(ctx: MutationCtx) -> None:
        try:
            await ctx.db.get(id)
            raise KeyError
        except KeyError:
            pass

    assert [read.start for read in reads_of(bench, handler)] == [id.encode()]
