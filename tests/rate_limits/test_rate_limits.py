"""Rate limits against models with fractions, within transactions, through the clock's jumps."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest
import trio
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.errors import WritesRefused
from relive.engine.data.schema import Int64
from relive.engine.data.system_tables import RateLimitRow
from relive.engine.errors import ApplicationError, FunctionFailed
from relive.engine.execution.calls import Call, Request
from relive.engine.execution.executor import Executor
from relive.engine.execution.pause import pause, resume
from relive.engine.server.limit_rows import LimitRows
from relive.engine.transactions.context import MutationCtx
from relive.engine.transactions.rate_limits import Allowance, FixedWindow, RateLimit, State, TokenBucket, in_ms, now_us
from relive.log.entry import Kind
from relive.protocol.results import MutationSuccess
from trio.testing import MockClock

from relive.testing import TestApp

from ..engine.bench import Bench, bench_of
from ..engine.test_conflicts import second_executor

MINUTE = dt.timedelta(minutes=1)
Step = tuple[str, int, int, int]
"""A verb, how far the clock goes in microseconds, for which key, and how many."""
jumps = st.sampled_from([0, 1, 999, 1_000_000, 7_000_003, 60_000_000, 3_600_000_000, -5_000_000]) | st.integers(
    -(10**8), 10**8
)
steps = st.tuples(
    st.sampled_from(["take", "take", "take", "check", "reset"]), jumps, st.integers(0, 1), st.integers(1, 3)
)
buckets = st.builds(
    lambda rate, ms, capacity: TokenBucket("b", rate=rate, per=dt.timedelta(milliseconds=ms), capacity=capacity),
    st.integers(1, 50), st.sampled_from([1, 7, 1_000, 60_000, 86_400_000]), st.integers(3, 20),
)  # fmt: skip
windows = st.builds(
    lambda rate, ms: FixedWindow("w", rate=rate, per=dt.timedelta(milliseconds=ms)),
    st.integers(3, 20), st.sampled_from([1, 7, 1_000, 60_000, 86_400_000]),
)  # fmt: skip


def remembered(limit: RateLimit, steps: list[Step]) -> Iterator[tuple[str, int, str, int, Allowance | None]]:
    """As `played`, without a database: its transactions never go back in time, and here they do."""
    rows: dict[str, RateLimitRow] = {}
    now = 1_700_000_000_000_000
    for verb, jump, key_number, count in steps:
        now, key = now + jump, "ab"[key_number]
        if verb == "reset":
            rows.pop(key, None)
            yield verb, now, key, count, None
            continue
        state = limit._state(rows.get(key), now)
        wait = limit._wait(state, count, now)
        if verb == "take" and wait == 0:
            state = limit._taken(state, count)
            rows[key] = RateLimitRow(
                name="x", key=key, shard=0, kind=limit.kind,
                at=Int64(state.at), units=Int64(state.units), period=Int64(limit.period),
            )  # fmt: skip
        yield verb, now, key, count, Allowance(ok=wait == 0, retry_after=in_ms(wait))


def played(limit: RateLimit, steps: list[Step]) -> Iterator[tuple[str, int, str, int, Allowance | None]]:
    """Each step in a transaction of its own: what was asked, when it thought to run, and what was said."""
    bench = bench_of()
    for verb, jump, key_number, count in steps:
        key = "ab"[key_number]
        bench.clock.now_ns += jump * 1_000

        async def handler(ctx: MutationCtx, verb: str = verb, key: str = key, count: int = count) -> Any:
            if verb == "reset":
                await limit.reset(ctx, key)
                return now_us(ctx), None
            return now_us(ctx), await (limit.take if verb == "take" else limit.check)(ctx, key, count)

        now, said = bench.write(handler)
        yield verb, now, key, count, said


@settings(max_examples=150, deadline=None)
@given(buckets, st.lists(steps, max_size=15), st.sampled_from([played, remembered]))
def test_a_bucket_holds_exactly_what_a_bucket_of_fractions_holds(
    limit: TokenBucket, steps: list[Step], play: Callable[..., Any]
) -> None:
    held: dict[str, Fraction] = {}
    seen: dict[str, int] = {}
    for verb, now, key, count, said in play(limit, steps):
        if verb == "reset":
            held.pop(key, None)
            seen.pop(key, None)
            continue
        passed = max(0, now - seen.get(key, now))
        tokens = min(
            Fraction(limit.most), held.get(key, Fraction(limit.most)) + Fraction(passed * limit.rate, limit.period)
        )
        assert said is not None
        assert said.ok == (tokens >= count)
        if said.ok:
            assert said.retry_after == 0
        else:
            behind = max(0, seen.get(key, now) - now)
            wait = behind + (count - tokens) * limit.period / limit.rate
            assert wait <= said.retry_after * 1_000 < wait + 1_001
        if verb == "take" and said.ok:
            held[key], seen[key] = tokens - count, max(now, seen.get(key, now))
            assert held[key] >= 0


@settings(max_examples=150, deadline=None)
@given(windows, st.lists(steps, max_size=15), st.sampled_from([played, remembered]))
def test_a_window_lets_so_many_through_and_the_next_one_as_many(
    limit: FixedWindow, steps: list[Step], play: Callable[..., Any]
) -> None:
    taken: dict[tuple[str, int], int] = {}
    newest: dict[str, int] = {}
    for verb, now, key, count, said in play(limit, steps):
        if verb == "reset":
            taken = {place: many for place, many in taken.items() if place[0] != key}
            newest.pop(key, None)
            continue
        window = max(now // limit.period, newest.get(key, 0))
        used = taken.get((key, window), 0)
        assert said is not None
        begins = window * limit.period if used + count <= limit.rate else (window + 1) * limit.period
        assert said.ok == (begins <= now)
        if not said.ok:
            left = begins - now
            assert left <= said.retry_after * 1_000 < left + 1_000
        elif verb == "take":
            taken[key, window], newest[key] = used + count, window
    assert all(many <= limit.rate for many in taken.values())


reserving = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0, 1, 999, 1_000_000]) | st.integers(0, 10**8), st.integers(1, 3)),
    max_size=15,
)
"""Whether it is a reservation, how far the clock goes before in microseconds, and how many."""
Used = list[tuple[int, int]]
"""When something was used, in microseconds, and how many."""


def used(limit: RateLimit, steps: list[tuple[bool, int, int]]) -> Iterator[tuple[bool, int, int, Allowance, Used]]:
    """Each step in a transaction of its own; and what was used so far if everybody waits as they were told."""
    bench, used = bench_of(), Used()
    for reserves, jump, count in steps:
        bench.clock.now_ns += jump * 1_000

        async def handler(ctx: MutationCtx, reserves: bool = reserves, count: int = count) -> Any:
            return now_us(ctx), await (limit.reserve if reserves else limit.take)(ctx, "a", count)

        now, said = bench.write(handler)
        if said.ok:
            used.append((now + said.retry_after * 1_000, count))
        yield reserves, now, count, said, used


@settings(max_examples=150, deadline=None)
@given(buckets, st.integers(1, 30), reserving)
def test_what_is_reserved_of_a_bucket_comes_as_fast_as_it_fills_and_no_more_is_reserved_than_may_be(
    limit: TokenBucket, max_reserved: int, steps: list[tuple[bool, int, int]]
) -> None:
    limit = evolve(limit, max_reserved=max_reserved)
    tokens, seen = Fraction(limit.most), 0
    for reserves, now, count, said, used_so_far in used(limit, steps):
        tokens = min(Fraction(limit.most), tokens + Fraction((now - seen) * limit.rate, limit.period) * bool(seen))
        seen = now
        least = -max_reserved if reserves else 0
        assert said.ok == (tokens - count >= least)
        missing = count - tokens + (0 if said.ok else least)
        wait = max(Fraction(0), missing * limit.period / limit.rate)
        assert wait <= said.retry_after * 1_000 < wait + 1_001
        tokens -= count if said.ok else 0
        for number, (began, _) in enumerate(used_so_far):
            for ended, _ in used_so_far[number:]:
                within = sum(many for at, many in used_so_far if began <= at <= ended)
                # Whoever waits is told milliseconds, and comes up to one too late.
                assert within <= limit.most + Fraction((ended - began + 1_000) * limit.rate, limit.period)


@settings(max_examples=150, deadline=None)
@given(windows, st.integers(1, 30), reserving)
def test_what_is_reserved_of_windows_fills_one_after_the_other_and_none_over(
    limit: FixedWindow, max_reserved: int, steps: list[tuple[bool, int, int]]
) -> None:
    limit = evolve(limit, max_reserved=max_reserved)
    last, taken = 0, 0
    for reserves, now, count, said, used_so_far in used(limit, steps):
        window = now // limit.period
        if last < window:
            last, taken = window, 0
        fits = (last, taken + count) if taken + count <= limit.rate else (last + 1, count)
        ahead = (fits[0] - window) * limit.rate + fits[1] - limit.rate
        assert said.ok == (ahead <= max_reserved if reserves else fits[0] == window)
        if said.ok:
            last, taken = fits
        if said.ok or not reserves:
            wait = max(0, fits[0] * limit.period - now)
            assert wait <= said.retry_after * 1_000 < wait + 1_000
        per_window = Counter[int]()
        for at, many in used_so_far:
            per_window[at // limit.period] += many
        assert all(many <= limit.rate for many in per_window.values())


@settings(max_examples=60, deadline=None)
@given(buckets | windows, st.integers(1, 10), reserving, st.integers(1, 3))
def test_whoever_was_refused_a_reservation_and_waits_as_long_as_was_said_gets_it(
    limit: TokenBucket | FixedWindow, max_reserved: int, steps: list[tuple[bool, int, int]], count: int
) -> None:
    limit, bench = evolve(limit, max_reserved=max_reserved), bench_of()

    async def reserve_all(ctx: MutationCtx) -> Allowance:
        while (said := await limit.reserve(ctx, "a", count)).ok:
            pass
        return said

    for _, jump, _ in [*steps, (True, 0, 1)]:
        bench.clock.now_ns += jump * 1_000
        said = bench.write(reserve_all)
    bench.clock.now_ns += said.retry_after * 1_000_000

    async def reserve(ctx: MutationCtx) -> Allowance:
        return await limit.reserve(ctx, "a", count)

    assert bench.write(reserve).ok


@settings(max_examples=60, deadline=None)
@given(buckets | windows, st.integers(0, 10), reserving)
def test_a_row_that_goes_because_it_is_full_is_missed_by_nobody(
    limit: TokenBucket | FixedWindow, max_reserved: int, steps: list[tuple[bool, int, int]]
) -> None:
    limit, now = evolve(limit, max_reserved=max_reserved), 1_700_000_000_000_000
    state = limit._state(None, now)
    for reserves, jump, count in steps:
        now += jump
        row = row_of(limit, state)
        state = limit._state(row, now)
        wait = (limit._wait_to_reserve if reserves else limit._wait)(state, count, now)
        if wait == 0:
            state = limit._taken(state, count)
        full_at = limit._full_at(state)
        assert full_at >= state.at
        assert limit._state(row_of(limit, state), full_at) == limit._state(None, full_at)
        if full_at > now:
            assert limit._state(row_of(limit, state), full_at - 1) != limit._state(None, full_at - 1)


def row_of(limit: RateLimit, state: State) -> RateLimitRow:
    return RateLimitRow(
        name="x", key="a", shard=0, kind=limit.kind,
        at=Int64(state.at), units=Int64(state.units), period=Int64(limit.period),
    )  # fmt: skip


def test_rows_that_are_full_again_go_after_a_while_and_the_others_stay() -> None:
    bench = bench_of()
    rows = LimitRows(bench.database)
    slow = TokenBucket("slow", rate=1, per=dt.timedelta(days=1), capacity=5)
    for number in range(5):
        bench.write(takes(SENDS, key=f"user {number}"))
    bench.write(takes(slow))
    bench.clock.now_ns += 3_000 * 10**9
    assert rows.forget() == 0
    bench.clock.now_ns += 700 * 10**9
    bench.write(takes(SENDS, key="user 3"))
    assert rows.forget() == 4
    assert (bench.entry().kind, bench.entry().function) == (Kind.SYSTEM, "rate_limits:forget")
    left = [version.document for version in bench.database.runtime.tables.table("_rate_limits").versions.values()]
    assert [(row.name, row.key) for row in left] == [("sends", "user 3"), ("slow", "a")]  # type: ignore[attr-defined]
    head = bench.database.runtime.tail.head
    assert rows.forget() == 0
    assert bench.database.runtime.tail.head == head


def test_while_a_deployment_is_paused_no_row_goes() -> None:
    bench = bench_of()
    rows = LimitRows(bench.database)
    bench.write(takes(SENDS))
    bench.clock.now_ns += 10_000 * 10**9
    bench.executor.write("pause", "cli", pause)
    assert rows.forget() == 0
    bench.executor.write("resume", "cli", resume)
    assert rows.forget() == 1


async def test_a_server_lets_them_go_by_itself(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relive.engine.server.limit_rows.RATE_LIMITS_FORGOTTEN_MAX", 2)
    bench = bench_of()
    for number in range(5):
        bench.write(takes(SENDS, key=f"user {number}"))
    bench.clock.now_ns += 10_000 * 10**9
    refusals = [WritesRefused("the disk is full")]
    write = Executor.write

    def refuse_once(*given: Any, **more: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return write(*given, **more)

    monkeypatch.setattr(Executor, "write", refuse_once)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(LimitRows(bench.database).run)
        await trio.sleep(90)
        assert len(bench.database.runtime.tables.table("_rate_limits").versions) == 5
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert len(bench.database.runtime.tables.table("_rate_limits").versions) == 0


def test_shards_share_what_may_be_reserved_and_the_soonest_is_given() -> None:
    bench = bench_of()
    bench.clock.tick_ns = 1
    limit = TokenBucket("hot", rate=4, per=MINUTE, shards=2, max_reserved=4)

    async def reserve(ctx: MutationCtx) -> Allowance:
        return await limit.reserve(ctx)

    said = [bench.write(reserve) for _ in range(10)]
    assert [each.ok for each in said] == [True] * 8 + [False] * 2
    assert [round(each.retry_after / 1_000) for each in said[:8]] == [0, 0, 0, 0, 30, 30, 60, 60]


def test_a_reservation_ahead_of_what_may_be_is_refused_until_the_next_window() -> None:
    bench = bench_of()
    bench.clock.tick_ns, bench.clock.now_ns = 1, 1_700_000_040 * 10**9
    limit = FixedWindow("w", rate=3, per=MINUTE, max_reserved=1)

    async def reserve(ctx: MutationCtx) -> list[bool]:
        return [(await limit.reserve(ctx, "a", count)).ok for count in (3, 2, 1, 1)]

    async def more(ctx: MutationCtx) -> list[bool]:
        return [(await limit.reserve(ctx, "a", count)).ok for count in (1, 1, 1, 1)]

    assert bench.write(reserve) == [True, False, True, False]
    bench.clock.now_ns += 60 * 10**9
    assert bench.write(more) == [True, True, True, False]


def test_a_limit_without_reserves_reserves_nothing() -> None:
    async def reserve(ctx: MutationCtx) -> Allowance:
        return await SENDS.reserve(ctx)

    with pytest.raises(ValueError, match="say with max_reserved= how much may be reserved"):
        bench_of().write(reserve)


@settings(max_examples=60, deadline=None)
@given(buckets | windows, st.lists(steps, max_size=10), st.integers(1, 3))
def test_whoever_waits_as_long_as_was_said_gets_it(limit: RateLimit, steps: list[Step], count: int) -> None:
    bench = bench_of()

    async def empty(ctx: MutationCtx) -> Allowance:
        while (said := await limit.take(ctx, "a", count)).ok:
            pass
        return said

    for _, jump, _, _ in [*steps, ("", 0, 0, 0)]:
        bench.clock.now_ns += abs(jump) * 1_000
        said = bench.write(empty)
    bench.clock.now_ns += said.retry_after * 1_000_000
    assert bench.write(takes(limit, count)).ok


def takes(limit: RateLimit, count: int = 1, key: str = "a") -> Any:
    async def handler(ctx: MutationCtx) -> Allowance:
        return await limit.take(ctx, key, count)

    return handler


SENDS = TokenBucket("sends", rate=10, per=MINUTE, capacity=3)


def taken_at_once(bench: Bench, limit: RateLimit) -> int:
    count = 0
    while bench.write(takes(limit)).ok:
        count += 1
    return count


def test_a_clock_that_jumps_back_and_on_again_brings_no_tokens() -> None:
    bench = bench_of()
    assert taken_at_once(bench, SENDS) == 3
    for _ in range(10):
        bench.clock.now_ns -= 3_600 * 10**9
        assert taken_at_once(bench, SENDS) == 0
        bench.clock.now_ns += 3_600 * 10**9
        assert taken_at_once(bench, SENDS) == 0


def test_what_is_undone_has_taken_nothing() -> None:
    bench = bench_of()

    async def fails(ctx: MutationCtx) -> None:
        await SENDS.require(ctx, "a", 3)
        raise ValueError("after all")

    for _ in range(5):
        with pytest.raises(ValueError, match="after all"):
            bench.write(fails)
    assert taken_at_once(bench, SENDS) == 3


def test_a_limit_whose_period_is_changed_keeps_its_tokens() -> None:
    bench = bench_of()
    assert bench.write(takes(SENDS, 2)).ok
    slower = TokenBucket("sends", rate=10, per=dt.timedelta(days=1), capacity=3)

    assert taken_at_once(bench, slower) == 1


def test_a_limit_of_another_kind_under_the_same_name_starts_afresh() -> None:
    bench = bench_of()
    assert taken_at_once(bench, SENDS) == 3
    assert taken_at_once(bench, FixedWindow("sends", rate=5, per=MINUTE)) == 5


@pytest.mark.parametrize("limit", [
    TokenBucket("hot", rate=8, per=MINUTE, shards=4), FixedWindow("hot", rate=8, per=MINUTE, shards=4),
])  # fmt: skip
def test_shards_together_give_what_the_limit_says_and_no_more(limit: RateLimit) -> None:
    bench = bench_of()
    bench.clock.tick_ns = 1
    assert taken_at_once(bench, limit) == 8
    assert len(bench.database.runtime.tables.table("_rate_limits").versions) == 4
    bench.clock.now_ns += 60 * 10**9
    assert taken_at_once(bench, limit) == 8
    with pytest.raises(ValueError, match="from 1 to 2, not 3"):
        bench.write(takes(limit, 3))


def test_two_servers_together_let_no_more_through_than_the_limit() -> None:
    with TestApp({"app": APP}) as app:
        database: Any = app._database
        bench = Bench(database, app._storage, None, None)  # type: ignore[arg-type]
        second, _ = second_executor(bench)
        done = [call(database.executor if turn % 2 else second) for turn in range(8)]
        assert done.count(True) == 3
        assert second.conflicts > 0


def call(executor: Executor) -> bool:
    outcome = executor.mutate(Call("app:send", [{"user": "ada"}]), Request("http", None, 0)).outcome
    return isinstance(outcome, MutationSuccess)


APP = """
from datetime import timedelta
from relive import Allowance, MutationCtx, QueryCtx, TokenBucket, mutation, query

sends = TokenBucket("sends", rate=10, per=timedelta(minutes=1), capacity=3)

@mutation
async def send(ctx: MutationCtx, user: str) -> None:
    await sends.require(ctx, user)

@mutation
async def forgive(ctx: MutationCtx, user: str) -> None:
    await sends.reset(ctx, user)

@mutation
async def forge(ctx: MutationCtx) -> None:
    await ctx.db.insert("_rate_limits", {"name": "sends"})

@query
async def may_send(ctx: QueryCtx, user: str) -> Allowance:
    return await sends.check(ctx, user)
"""


def test_an_app_limits_its_users_and_tells_them_when_to_come_back() -> None:
    with TestApp({"app": APP}) as app:
        watch = app.watch("app:may_send", user="ada")
        for _ in range(3):
            app.mutation("app:send", user="ada")
        app.mutation("app:send", user="bob")
        with pytest.raises(ApplicationError) as caught:
            app.mutation("app:send", user="ada")

        assert caught.value.data == {"kind": "RateLimited", "name": "sends", "retryAfter": 6000}
        assert watch.latest == {"ok": False, "retryAfter": 6000}
        app.restart()
        assert app.query("app:may_send", user="ada")["ok"] is False
        app.advance(6.001)  # The standing clock is some microseconds behind that of transactions.
        app.mutation("app:send", user="ada")
        app.mutation("app:forgive", user="ada")
        assert app.query("app:may_send", user="ada") == {"ok": True, "retryAfter": 0}


def test_functions_cannot_write_what_was_taken() -> None:
    with TestApp({"app": APP}) as app:
        app.mutation("app:send", user="ada")
        with pytest.raises(FunctionFailed, match="mutations write it that take of a `TokenBucket`"):
            app.mutation("app:forge")


@pytest.mark.parametrize(("options", "problem"), [
    ({"rate": 0}, "rate= is a whole number of 1 or more"),
    ({"rate": 1.5}, "rate= is a whole number"),
    ({"rate": True}, "rate= is a whole number"),
    ({"rate": 3, "shards": 2}, "that 2 shards can share, not 3"),
    ({"rate": 4, "capacity": 3, "shards": 2}, "capacity= is a whole number of 1 or more that 2 shards"),
    ({"rate": 1, "per": dt.timedelta(0)}, "per= is a timedelta of a millisecond or more"),
    ({"rate": 1, "per": 60}, "per= is a timedelta"),
    ({"rate": 1, "max_reserved": -1}, "max_reserved= is a whole number of 0 or more, not -1"),
    ({"rate": 1, "max_reserved": 1.5}, "max_reserved= is a whole number of 0 or more"),
    ({"rate": 2, "shards": 2, "max_reserved": 3}, "max_reserved= is a whole number of 0 or more that 2 shards"),
    ({"rate": 1, "max_reserved": 10**12}, "max_reserved=1,000,000,000,001 for 0:01:00 is too large"),
    ({"rate": 1, "shards": 1_000}, "shards= is a whole number from 1 to 64"),
    ({"rate": 10**15, "per": dt.timedelta(days=1)}, "is too large to be counted"),
])  # fmt: skip
def test_what_makes_no_limit_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        TokenBucket("x", **{"per": MINUTE, **options})


@pytest.mark.parametrize(("key", "count", "problem"), [
    ("a", 0, "from 1 to 3, not 0"), ("a", 4, "from 1 to 3, not 4"), ("a", 1.0, "not 1.0"), ("a", True, "not True"),
    ("x" * 1_025, 1, "text of up to 1,024 characters"), (None, 1, "a key is text"),
])  # fmt: skip
def test_what_cannot_be_taken_is_refused(key: Any, count: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        bench_of().write(takes(SENDS, count, key))
