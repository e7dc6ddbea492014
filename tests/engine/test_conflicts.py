"""Two executors on one log: what conflicts runs again, and contention is never an error.

One executor never conflicts with itself, for its snapshot is always the head.  So a second one works
here, as a process that follows the log would: on tables of its own, that are behind until it catches up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.messages import Answer, Commit
from relive.engine.application.functions import mutation, query
from relive.engine.data.catalog import Catalog
from relive.engine.data.schema import Document, Id, field, index
from relive.engine.execution.calls import Call, Outcome, Request
from relive.engine.execution.executor import Executor
from relive.engine.limits import COMMIT_ATTEMPTS_MAX
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.operations import increment

from ..actors.replica import Replica
from .bench import SECRET, Bench, bench_of, value_of


class Counter(Document):
    name: str = field()
    count: int = field(default=0)
    by_name = index(name)
    by_count = index(count)


@mutation
async def bump(ctx: MutationCtx, name: str, by: int = 1) -> int:
    found = await ctx.db.query(Counter).index(Counter.by_name, name).unique()
    if found is None:
        await ctx.db.insert(Counter(name=name, count=by))
        return by
    return (await ctx.db.patch(found.id, count=found.count + by)).count


@mutation
async def count_up(ctx: MutationCtx, id: Id[Counter]) -> None:
    await ctx.db.merge(id, count=increment())


@mutation
async def draw(ctx: MutationCtx, name: str) -> list[float]:
    await ctx.db.query(Counter).index(Counter.by_name, name).collect()
    await ctx.db.insert(Counter(name="drawn"))
    return [ctx.random.random(), ctx.now.timestamp()]


@query
async def total(ctx: QueryCtx) -> int:
    return sum(counter.count for counter in await ctx.db.query(Counter).collect())


FUNCTIONS: dict[str, Any] = {"bump": bump, "count_up": count_up, "draw": draw, "total": total}


class Rivalled(Replica):
    """A replica that others always come before."""

    before_commit: Callable[[], None] = staticmethod(lambda: None)
    asked: tuple[Commit, ...] = ()

    def commit(self, request: Commit) -> Answer:
        self.asked = (*self.asked, request)
        self.before_commit()
        return super().commit(request)


def second_executor(bench: Bench) -> tuple[Executor, Rivalled]:
    replica: Any = Rivalled.of(bench.database.runtime)
    first = bench.executor
    executor = Executor(replica, Catalog(replica.tables), first.env, SECRET, first.app, first.codecs, leader=first)
    return executor, replica


@pytest.fixture
def bench() -> Bench:
    return bench_of(Counter, **FUNCTIONS)


def mutate(executor: Executor, path: str, **args: object) -> Outcome:
    return executor.mutate(Call(f"app:{path}", [args]), Request("http", None, 0))


def test_a_mutation_on_an_old_snapshot_runs_again_on_a_new_one(bench: Bench) -> None:
    second, _ = second_executor(bench)
    bench.mutate("app:bump", name="a")

    outcome = mutate(second, "bump", name="a", by=10)
    assert value_of(outcome) == 11
    assert second.conflicts == 1
    assert bench.entry(outcome.lsn).snapshot == outcome.lsn - 1


def test_a_run_that_is_repeated_has_another_clock_and_seed(bench: Bench) -> None:
    second, replica = second_executor(bench)
    bench.mutate("app:bump", name="a")
    mutate(second, "draw", name="a")

    first, again = replica.asked
    assert first.seed != again.seed
    assert first.clock < again.clock
    assert {change.id for change in first.changes}.isdisjoint(change.id for change in again.changes)


def test_contention_that_never_ends_is_not_an_error(bench: Bench) -> None:
    second, replica = second_executor(bench)

    def rival() -> None:
        bench.mutate("app:bump", name="hot")

    replica.before_commit = rival
    outcome = mutate(second, "bump", name="hot", by=100)

    assert value_of(outcome) == 100 + COMMIT_ATTEMPTS_MAX
    assert second.conflicts == COMMIT_ATTEMPTS_MAX
    assert bench.entry(outcome.lsn).snapshot == outcome.lsn - 1
    assert value_of(bench.query("app:total")) == 100 + COMMIT_ATTEMPTS_MAX


def test_the_report_of_a_conflict_names_both_functions_the_table_and_the_key(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    second, _ = second_executor(bench)
    bench.mutate("app:bump", name="busy")
    logger = logging.getLogger("relive")
    with caplog.at_level(logging.INFO, logger="relive"):
        logger.propagate = True
        mutate(second, "draw", name="busy")

    (report,) = [record.getMessage() for record in caplog.records]
    for part in ("app:draw", "app:bump", "counters.by_name", '"busy"', "run again"):
        assert part in report


def test_merges_of_two_executors_meet_without_a_conflict(bench: Bench) -> None:
    bench.mutate("app:bump", name="a", by=5)
    second, _ = second_executor(bench)
    (id,) = bench.database.runtime.tables.table("counters").versions
    for _ in range(3):
        bench.mutate("app:count_up", id=id)
        mutate(second, "count_up", id=id)

    assert second.conflicts == 0
    assert value_of(bench.query("app:total")) == 11
    bench.check()


def test_what_is_beside_does_not_conflict(bench: Bench) -> None:
    bench.mutate("app:bump", name="a")
    bench.mutate("app:bump", name="b")
    second, _ = second_executor(bench)
    bench.mutate("app:bump", name="a")
    mutate(second, "bump", name="b")

    assert second.conflicts == 0


def test_a_request_that_the_other_has_committed_is_answered_from_the_log(bench: Bench) -> None:
    second, _ = second_executor(bench)
    first = bench.mutate("app:bump", name="a", request=5)
    again = second.mutate(Call("app:bump", [{"name": "a"}]), Request("client", b"secret of nobody"[:16], 5))
    resent = second.mutate(Call("app:bump", [{"name": "a"}]), Request("client", b"session-16-bytes", 5))

    assert value_of(again) == 2
    assert (resent.lsn, value_of(resent)) == (first.lsn, 1)


steps = st.tuples(st.sampled_from(["first", "second", "catch up"]), st.sampled_from("abc"), st.integers(1, 9))


@settings(max_examples=80, deadline=None)
@given(st.lists(steps, max_size=25))
def test_two_executors_give_what_one_gives(workload: list[tuple[str, str, int]]) -> None:
    bench = bench_of(Counter, **FUNCTIONS)
    second, replica = second_executor(bench)
    counts: dict[str, int] = {}
    for who, name, by in workload:
        if who == "catch up":
            replica.catch_up()
            continue
        counts[name] = counts.get(name, 0) + by
        outcome = (
            bench.mutate("app:bump", name=name, by=by) if who == "first" else mutate(second, "bump", name=name, by=by)
        )
        assert value_of(outcome) == counts[name]
        bench.check()
    replica.catch_up()
    replica.tables.check()
    assert value_of(second.query(Call("app:total", [{}])).result) == sum(counts.values())
