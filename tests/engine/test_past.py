"""Reading the recent past: the overlay of the past equals the database as it was."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.engine.errors import TooLongAgo
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.overlay import Overlay
from relive.log.entry import LSN

from .bench import START_NS, bench_of
from .model import Change, Range, Row, changes, ranges, some_values


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.lists(changes(some_values), max_size=3), st.booleans()), max_size=8),
    st.lists(ranges(some_values), min_size=1, max_size=3),
)
def test_the_past_equals_the_database_as_it_was(
    transactions: list[tuple[list[Change], bool]], reads: list[Range]
) -> None:
    bench, ids = bench_of(Row), list[str]()
    tail = bench.database.runtime.tail

    async def read_all(ctx: QueryCtx) -> list[list[Row]]:
        return [await read.query(ctx).collect() for read in reads]

    as_it_was = {tail.head: bench.read(read_all)}
    for wanted, durable in transactions:

        async def handler(ctx: MutationCtx, wanted: list[Change] = wanted) -> None:
            for change in wanted:
                await change.make(ctx, ids)

        bench.write(handler)
        as_it_was[tail.head] = bench.read(read_all)
        if durable:
            bench.flush()

    for lsn, seen in as_it_was.items():
        overlay = Overlay.of_the_past(bench.database.runtime.tables, tail, lsn)
        overlay.check()
        assert bench.read(read_all, past=(overlay, lsn)) == seen
        by_time, found = bench.database.past(bench.entry(lsn).ts)
        assert found == lsn
        assert bench.read(read_all, past=(by_time, found)) == seen


def test_a_moment_between_two_entries_shows_the_older_one() -> None:
    bench = bench_of(Row)
    for _ in range(3):

        async def insert(ctx: MutationCtx) -> None:
            await ctx.db.insert(Row())

        bench.write(insert)
    between = bench.entry(LSN(3)).ts - 1

    assert bench.database.past(between)[1] == 2
    assert bench.database.past(bench.entry().ts + 10**9)[1] == 4


def test_before_the_first_entry_nothing_was_there() -> None:
    bench = bench_of(Row)

    async def count(ctx: QueryCtx) -> int:
        return len(await ctx.db.query(Row).collect())

    past = bench.database.past(START_NS - 1)

    assert past[1] == 0
    assert bench.read(count, past=past) == 0


def test_a_moment_stays_readable_however_long_nothing_had_happened_before_it() -> None:
    bench = bench_of(Row)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert(Row())

    async def count(ctx: QueryCtx) -> int:
        return len(await ctx.db.query(Row).collect())

    bench.write(insert)
    bench.flush()
    bench.clock.now_ns += 3600 * 10**9
    asked = bench.database.runtime.tail.head_ts
    for _ in range(2):
        bench.write(insert)
        bench.flush()

    assert bench.read(count, past=bench.database.past(asked)) == 1
    with pytest.raises(TooLongAgo):
        bench.database.past(asked - 1)


def test_a_moment_before_a_restart_that_nothing_followed_stays_readable() -> None:
    bench = bench_of(Row)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert(Row())

    bench.write(insert)
    again = bench.reopen()
    asked = again.database.runtime.tail.head_ts
    again.write(insert)

    assert again.database.past(asked)[1] == again.database.runtime.tail.head - 1
