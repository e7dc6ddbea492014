"""Counting without reading: `count` and `exists` over a range, and what they depend on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.index import Index
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, Id, field, index
from relive.engine.execution.calls import Call
from relive.engine.execution.live_queries import LiveQueries
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.usage import TransactionLimits
from relive.log.entry import IndexName

from .bench import Bench, bench_of, value_of
from .model import Change, Range, Row, changes, ranges, some_values


class Task(Document):
    owner: str = field()
    done: bool = False
    by_owner = index(owner)


@mutation
async def add(ctx: MutationCtx, owner: str) -> Id[Task]:
    return await ctx.db.insert(Task(owner=owner))


@mutation
async def finish(ctx: MutationCtx, id: Id[Task]) -> None:
    await ctx.db.patch(id, done=True)


@mutation
async def give(ctx: MutationCtx, id: Id[Task], owner: str) -> None:
    await ctx.db.patch(id, owner=owner)


@mutation
async def drop(ctx: MutationCtx, id: Id[Task]) -> None:
    await ctx.db.delete(id)


@query
async def tasks(ctx: QueryCtx, owner: str) -> int:
    return await ctx.db.query(Task).index(Task.by_owner, owner).count()


@query
async def busy(ctx: QueryCtx, owner: str) -> bool:
    return await ctx.db.query(Task).index(Task.by_owner, owner).exists()


@query
async def unfinished(ctx: QueryCtx, owner: str) -> list[Any]:
    rows = ctx.db.query(Task).index(Task.by_owner, owner).filter(lambda task: not task.done)
    return [await rows.count(), await rows.exists()]


FUNCTIONS: dict[str, Any] = {
    "add": add, "finish": finish, "give": give, "drop": drop, "tasks": tasks, "busy": busy, "unfinished": unfinished,
}  # fmt: skip


@pytest.fixture
def bench() -> Bench:
    return bench_of(Task, **FUNCTIONS)


def watch(bench: Bench, path: str, **args: object) -> LiveQueries[str]:
    live: LiveQueries[str] = bench.database.live
    live.follow()
    live.result(live.watch(Call(f"app:{path}", [args]), "w"))
    return live


@settings(max_examples=150, deadline=None)
@given(st.lists(changes(some_values), max_size=12), st.lists(changes(some_values), max_size=6), ranges(some_values))
def test_counts_equal_the_length_of_what_is_there_own_writes_included(
    stored: list[Change], own: list[Change], read: Range
) -> None:
    bench = bench_of(Row)
    ids: list[str] = []

    async def before(ctx: MutationCtx) -> None:
        for change in stored:
            await change.make(ctx, ids)

    async def handler(ctx: MutationCtx) -> list[Any]:
        for change in own:
            await change.make(ctx, ids)
        query = read.query(ctx)
        return [await query.count(), await query.exists(), len(await query.collect())]

    bench.write(before)
    count, exists, length = bench.run(handler).result
    assert (count, exists) == (length, length > 0)


def test_a_count_reads_no_documents(bench: Bench) -> None:
    for _ in range(20):
        bench.mutate("app:add", owner="a")
    bench.executor.limits = TransactionLimits(documents_read=0, ranges_read=1)

    assert value_of(bench.query("app:tasks", owner="a")) == 20
    assert value_of(bench.query("app:busy", owner="a")) is True


def test_a_count_does_not_depend_on_what_is_in_the_documents(bench: Bench) -> None:
    first = value_of(bench.mutate("app:add", owner="a"))
    bench.mutate("app:add", owner="b")
    live = watch(bench, "tasks", owner="a")

    bench.mutate("app:finish", id=first)
    bench.mutate("app:add", owner="b")
    assert live.follow() == ()
    bench.mutate("app:give", id=first, owner="c")
    assert live.follow() == ("w",)


def test_that_something_exists_depends_on_one_document_alone(bench: Bench) -> None:
    witness = value_of(bench.mutate("app:add", owner="a"))
    other = value_of(bench.mutate("app:add", owner="a"))
    live = watch(bench, "busy", owner="a")

    bench.mutate("app:add", owner="a")
    bench.mutate("app:drop", id=other)
    bench.mutate("app:finish", id=witness)
    assert live.follow() == ()
    bench.mutate("app:drop", id=witness)
    assert live.follow() == ("w",)


def test_that_nothing_exists_depends_on_the_whole_range(bench: Bench) -> None:
    live = watch(bench, "busy", owner="a")
    bench.mutate("app:add", owner="b")
    assert live.follow() == ()
    bench.mutate("app:add", owner="a")
    assert live.follow() == ("w",)


def test_with_a_filter_documents_are_read(bench: Bench) -> None:
    first = value_of(bench.mutate("app:add", owner="a"))
    bench.mutate("app:add", owner="a")
    live = watch(bench, "unfinished", owner="a")
    assert value_of(bench.query("app:unfinished", owner="a")) == [2, True]

    bench.mutate("app:finish", id=first)
    assert live.follow() == ("w",)
    assert value_of(bench.query("app:unfinished", owner="a")) == [1, True]


def test_counting_ten_times_as_much_does_not_take_ten_times_as_long(bench: Bench) -> None:
    class Counted(bytes):
        """A key that counts how often it is compared."""

        looks = 0

        def __lt__(self, other: bytes) -> bool:
            Counted.looks += 1
            return bytes(self) < bytes(other)

        def __gt__(self, other: bytes) -> bool:
            Counted.looks += 1
            return bytes(self) > bytes(other)

    def comparisons(size: int) -> int:
        made = Index(IndexName("tasks", "by_owner"))
        for number in range(size):
            made.put(Counted(number.to_bytes(4, "big")), None)  # type: ignore[arg-type]
        Counted.looks = 0
        assert made.count(Counted((10).to_bytes(4, "big")), Counted((size - 10).to_bytes(4, "big"))) == size - 20
        return Counted.looks

    assert comparisons(20_000) < 3 * comparisons(200)
