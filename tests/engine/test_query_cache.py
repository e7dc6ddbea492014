"""Results are kept for whoever asks the same next, for as long as they are right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, field, index
from relive.engine.determinism.errors import LimitExceeded
from relive.engine.execution import live_queries
from relive.engine.execution.calls import Call
from relive.engine.execution.live_queries import LiveQueries
from relive.engine.limits import CACHED_CLOCK_NS_MAX
from relive.engine.transactions.context import MutationCtx, QueryCtx

from .bench import Bench, app_of, bench_of, failure_of, value_of


class Item(Document):
    box: str = field()
    size: int = 0
    by_box = index(box)


@mutation
async def put(ctx: MutationCtx, box: str, size: int = 0) -> str:
    return await ctx.db.insert(Item(box=box, size=size))


@query
async def items(ctx: QueryCtx, box: str) -> list[Item]:
    return await ctx.db.query(Item).index(Item.by_box, box).collect()


@query
async def minute(ctx: QueryCtx) -> int:
    return ctx.now.minute


@query
async def broken(ctx: QueryCtx, box: str) -> int:
    return (await ctx.db.query(Item).index(Item.by_box, box).collect())[0].size


@query
async def slow(ctx: QueryCtx) -> str:
    if BUSY:
        raise LimitExceeded("query `app:slow` used more than 1 s of CPU", "here", "")
    return "done"


BUSY: list[bool] = []
"""Not empty while there is no processor to spare."""
FUNCTIONS: dict[str, Any] = {"put": put, "items": items, "minute": minute, "broken": broken, "slow": slow}


@pytest.fixture
def bench() -> Bench:
    return bench_of(Item, **FUNCTIONS)


@pytest.fixture
def live(bench: Bench) -> Iterator[LiveQueries[str]]:
    yield bench.database.live
    bench.database.live.check()
    bench.database.live.subscriptions.check()


def ask(bench: Bench, path: str, **args: object) -> Any:
    return value_of(bench.database.live.once(Call(f"app:{path}", [args]))[0])


def test_the_second_who_asks_is_given_what_the_first_was(bench: Bench, live: LiveQueries[str]) -> None:
    first, _ = live.once(Call("app:items", [{"box": "a"}]))
    second, _ = live.once(Call("app:items", {"box": "a"}))

    assert second is first
    assert (live.evaluations, live.hits) == (1, 1)


def test_a_write_into_what_was_read_ends_it_and_a_write_beside_does_not(bench: Bench, live: LiveQueries[str]) -> None:
    ask(bench, "items", box="a")
    bench.mutate("app:put", box="b")
    assert len(ask(bench, "items", box="a")) == 0
    assert live.evaluations == 1

    bench.mutate("app:put", box="a")
    assert len(ask(bench, "items", box="a")) == 1
    assert live.evaluations == 2


def test_a_page_that_is_left_and_come_back_to_is_there_at_once(bench: Bench, live: LiveQueries[str]) -> None:
    live.follow()
    key = live.watch(Call("app:items", [{"box": "a"}]), "w")
    live.result(key)
    live.unwatch(key, "w")
    live.result(live.watch(Call("app:items", [{"box": "a"}]), "w"))

    assert live.evaluations == 1


def test_what_is_left_while_it_is_out_of_date_is_not_kept(bench: Bench, live: LiveQueries[str]) -> None:
    live.follow()
    key = live.watch(Call("app:items", [{"box": "a"}]), "w")
    live.unwatch(key, "w")

    assert live.subscriptions.queries == {}


def test_a_failure_is_kept_like_any_result(bench: Bench, live: LiveQueries[str]) -> None:
    first, _ = live.once(Call("app:broken", [{"box": "a"}]))
    assert "IndexError" in failure_of(first).message
    assert live.once(Call("app:broken", [{"box": "a"}]))[0] is first

    bench.mutate("app:put", box="a", size=3)
    assert ask(bench, "broken", box="a") == 3


def test_a_query_that_took_too_long_is_run_again_for_others_after_a_while(bench: Bench, live: LiveQueries[str]) -> None:
    BUSY.append(True)
    first, _ = live.once(Call("app:slow", [{}]))
    BUSY.clear()
    assert "LimitExceeded" in failure_of(first).message

    bench.clock.now_ns += CACHED_CLOCK_NS_MAX // 2
    assert live.once(Call("app:slow", [{}]))[0] is first

    bench.clock.now_ns += CACHED_CLOCK_NS_MAX
    assert ask(bench, "slow") == "done"


def test_arguments_of_no_use_are_not_answered_with_what_others_got(bench: Bench, live: LiveQueries[str]) -> None:
    right, _ = live.once(Call("app:minute", []))
    wrong, _ = live.once(Call("app:minute", [[]]))

    assert live.once(Call("app:minute", [{}]))[0] is right
    assert "ArgumentValidationError" in failure_of(wrong).message


def test_what_a_query_saw_of_the_clock_is_given_to_others_for_a_while_only(
    bench: Bench, live: LiveQueries[str]
) -> None:
    before = ask(bench, "minute")
    bench.clock.now_ns += CACHED_CLOCK_NS_MAX // 2
    assert ask(bench, "minute") == before
    assert live.evaluations == 1

    bench.clock.now_ns += 60 * 10**9
    assert ask(bench, "minute") == (before + 1) % 60
    assert live.evaluations == 2


def test_time_alone_wakes_nobody_but_who_asks_anew_lets_all_know(bench: Bench, live: LiveQueries[str]) -> None:
    woken: list[str] = []
    live.wake = woken.append
    live.follow()
    key = live.watch(Call("app:minute", [{}]), "early")
    live.result(key)
    bench.clock.now_ns += 60 * 10**9
    live.catch_up()
    assert woken == []

    ask(bench, "minute")
    assert woken == ["early"]
    assert live.evaluations == 2


def test_a_deploy_ends_everything(bench: Bench, live: LiveQueries[str]) -> None:
    ask(bench, "items", box="a")

    @query
    async def items(ctx: QueryCtx, box: str) -> list[Item]:
        return []

    bench.mutate("app:put", box="a")
    bench.deploy(app_of(Item, version=2, functions={"app:items": items}))
    assert ask(bench, "items", box="a") == []


def test_the_admin_and_others_are_given_their_own(bench: Bench, live: LiveQueries[str]) -> None:
    live.once(Call("app:items", [{"box": "a"}], admin=True))
    live.once(Call("app:items", [{"box": "a"}], admin=False))

    assert live.evaluations == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
def test_kept_results_are_right_and_take_bounded_room(steps: list[tuple[bool, int]]) -> None:
    bench = bench_of(Item, **FUNCTIONS)
    live = bench.database.live
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_queries, "QUERY_CACHE_BYTES_MAX", 20 * live_queries.OVERHEAD_BYTES)
        counts: dict[str, int] = {}
        for writes, box in steps:
            name = str(box)
            if writes:
                bench.mutate("app:put", box=name)
                counts[name] = counts.get(name, 0) + 1
            assert len(ask(bench, "items", box=name)) == counts.get(name, 0)
            assert live.kept_bytes <= 20 * live_queries.OVERHEAD_BYTES
    live.subscriptions.check()


def test_a_result_that_would_fill_the_cache_is_not_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    live = bench.database.live
    monkeypatch.setattr(live_queries, "QUERY_CACHE_BYTES_MAX", 8 * live_queries.OVERHEAD_BYTES)
    for _ in range(20):
        bench.mutate("app:put", box="a" * 100)
    shown = ask(bench, "items", box="a" * 100)

    assert len(json.dumps(shown)) > live_queries.OVERHEAD_BYTES
    assert live.kept == {}
    assert live.kept_bytes == 0
