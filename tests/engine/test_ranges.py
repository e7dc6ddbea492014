"""Range reads equal filtering and sorting all documents, whatever the transaction has written before or meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.engine.data.schema import UNSET, Document, field, index
from relive.engine.errors import IndexUnknown, NotUnique, TableUnknown
from relive.engine.transactions.context import MutationCtx, QueryCtx

from .bench import Bench, bench_of
from .model import Change, Range, Row, all_rows, changes, key_of, palettes, ranges, some_values


def table_of(committed: list[Change]) -> tuple[Bench, list[str]]:
    """A table after some changes, each committed, and the ids in it."""
    bench, ids = bench_of(Row), list[str]()
    for change in committed:

        async def handler(ctx: MutationCtx, change: Change = change) -> None:
            await change.make(ctx, ids)

        bench.write(handler)
    return bench, ids


@settings(max_examples=120, deadline=None)
@given(palettes, st.integers(0, 4), st.data())
def test_a_read_equals_filtering_and_sorting_everything(
    palette: st.SearchStrategy[Any], count: int, data: st.DataObject
) -> None:
    some_changes = st.lists(changes(palette), max_size=8)
    bench, ids = table_of(data.draw(some_changes))
    own, reads = data.draw(some_changes), data.draw(st.lists(ranges(palette), min_size=3, max_size=5))

    async def handler(ctx: MutationCtx) -> None:
        for change in own:
            await change.make(ctx, ids)
        for read in reads:
            await compare(ctx, read)

    async def compare(ctx: MutationCtx, read: Range) -> None:
        rows = read.sorted(await all_rows(ctx, ids))
        query = read.query(ctx)

        assert await query.collect() == rows
        assert await query.take(count) == rows[:count]
        assert await query.first() == (rows[0] if rows else None)
        assert [row async for row in query] == rows
        assert await query.filter(lambda row: row.c == 1).collect() == [row for row in rows if row.c == 1]
        if len(rows) > 1:
            with pytest.raises(NotUnique) as caught:
                await query.unique()
            assert (caught.value.first, caught.value.second) == (rows[0].id, rows[1].id)
        else:
            assert await query.unique() == (rows[0] if rows else None)

    bench.write(handler)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(changes(some_values), max_size=8),
    ranges(some_values),
    st.lists(st.lists(changes(some_values), max_size=2), max_size=6),
)
def test_writes_during_a_read_are_seen_from_where_it_is(
    committed: list[Change], read: Range, meanwhile: list[list[Change]]
) -> None:
    bench, ids = table_of(committed)

    async def handler(ctx: MutationCtx) -> None:
        pending, last = list(meanwhile), None
        async for row in read.query(ctx):
            expected = read.next(await all_rows(ctx, ids), last)
            assert row is expected
            last = key_of(read.index, row)
            for change in pending.pop(0) if pending else ():
                await change.make(ctx, ids)
        assert read.next(await all_rows(ctx, ids), last) is None

    bench.write(handler)


class Other(Document):
    x: int = field(default=0)
    by_x = index(x)


def test_an_index_of_another_table_is_refused() -> None:
    bench = bench_of(Row, Other)

    async def handler(ctx: QueryCtx) -> object:
        return ctx.db.query(Row).index(Other.by_x, 1)

    with pytest.raises(IndexUnknown, match=r"table `rows` has no index 'Other\.by_x'"):
        bench.read(handler)


def test_more_values_than_fields_are_refused() -> None:
    bench = bench_of(Other)

    async def handler(ctx: QueryCtx) -> object:
        return ctx.db.query(Other).index(Other.by_x, 1, 2)  # type: ignore[call-overload]

    with pytest.raises(TypeError, match=r"Other\.by_x has 1 fields, 2 values were given"):
        bench.read(handler)


@pytest.mark.parametrize("bounds", [{"gt": 1, "gte": 1}, {"lt": 1, "lte": 1}])
def test_two_bounds_on_one_side_are_refused(bounds: dict[str, int]) -> None:
    bench = bench_of(Other)

    async def handler(ctx: QueryCtx) -> object:
        return ctx.db.query(Other).index(Other.by_x, **bounds)

    with pytest.raises(TypeError, match="one lower bound"):
        bench.read(handler)


def test_a_bound_of_another_name_is_refused() -> None:
    bench = bench_of(Other)

    async def handler(ctx: QueryCtx) -> object:
        return ctx.db.query("others").index("by_x", more_than=3)

    with pytest.raises(TypeError, match="bounds are gt, gte, lt and lte, not more_than"):
        bench.read(handler)


@pytest.mark.parametrize("count", [-1, True, 1.0, None])
def test_take_needs_a_count(count: Any) -> None:
    bench = bench_of(Other)

    async def handler(ctx: QueryCtx) -> object:
        return await ctx.db.query(Other).take(count)

    with pytest.raises(ValueError, match="a count of 0 or more"):
        bench.read(handler)


def test_an_order_is_asc_or_desc() -> None:
    bench = bench_of(Other)
    order: Any = "down"

    async def handler(ctx: QueryCtx) -> object:
        return ctx.db.query(Other).order(order)

    with pytest.raises(ValueError, match='"asc" or "desc"'):
        bench.read(handler)


def test_missing_is_before_null_and_below_every_upper_bound() -> None:
    bench = bench_of(Row)

    async def handler(ctx: MutationCtx) -> list[list[Any]]:
        for a in (1, None, UNSET):
            await ctx.db.insert(Row(a=a))
        queries = [
            ctx.db.query(Row).index(Row.by_a),
            ctx.db.query(Row).index(Row.by_a, UNSET),
            ctx.db.query(Row).index(Row.by_a, gt=UNSET),
            ctx.db.query(Row).index(Row.by_a, lt=1),
        ]
        return [[row.a async for row in query] for query in queries]

    assert bench.write(handler) == [[UNSET, None, 1], [UNSET], [None, 1], [UNSET, None]]


@pytest.mark.parametrize(("one", "longer"), [("a", "a\0"), (b"a", b"a\0b"), ({}, {"": 1}), (["a"], ["a\0"])])
def test_a_value_is_not_taken_for_one_that_begins_like_it(one: Any, longer: Any) -> None:
    bench = bench_of(Row)

    async def handler(ctx: MutationCtx) -> list[list[Any]]:
        for a in (one, longer):
            await ctx.db.insert(Row(a=a))
        queries = [
            ctx.db.query(Row).index(Row.by_a, one),
            ctx.db.query(Row).index(Row.by_a, gt=one),
            ctx.db.query(Row).index(Row.by_a, lte=one),
            ctx.db.query(Row).index(Row.by_a, longer),
        ]
        return [[row.a async for row in query] for query in queries]

    assert bench.write(handler) == [[one], [longer], [one], [longer]]


def test_a_table_without_a_class_is_read_by_its_name() -> None:
    bench = bench_of(Other)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert("imports", {"a": [1], "b": {"c": None}})

    async def names(ctx: QueryCtx) -> list[tuple[Any, Any]]:
        return [(row["a"], row["b"]) for row in await ctx.db.query("imports").collect()]

    bench.write(insert)

    assert bench.read(names) == [([1], {"c": None})]
    assert bench.reopen().read(names) == [([1], {"c": None})]


@pytest.mark.parametrize("name", ["no such table", "", "1st", "x" * 65, "tëble"])
def test_a_name_that_no_table_can_have_is_refused(name: str) -> None:
    bench = bench_of(Other)

    async def handler(ctx: QueryCtx) -> object:
        return await ctx.db.query(name).collect()

    with pytest.raises(TableUnknown, match="letters, digits and _ name a table"):
        bench.read(handler)
