"""Live queries over the deployed app: evaluated once for all who watch, and never out of date."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.subscriptions import Subscriptions
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, field, index
from relive.engine.execution.calls import Call
from relive.engine.execution.live_queries import LiveQueries, QueryKey
from relive.engine.transactions.context import MutationCtx, QueryCtx

from .bench import Bench, app_of, bench_of, failure_of, value_of


class Score(Document):
    player: str = field()
    points: int = field(default=0)
    by_player = index(player)
    by_points = index(points)


@mutation
async def play(ctx: MutationCtx, player: str, points: int) -> None:
    score = await ctx.db.query(Score).index(Score.by_player, player).unique()
    if points < 0:
        if score is not None:
            await ctx.db.delete(score.id)
    elif score is None:
        await ctx.db.insert(Score(player=player, points=points))
    else:
        await ctx.db.patch(score.id, points=points)


@query
async def best(ctx: QueryCtx, count: int) -> list[str]:
    return [s.player for s in await ctx.db.query(Score).index(Score.by_points).order("desc").take(count)]


@query
async def points(ctx: QueryCtx, player: str) -> int | None:
    score = await ctx.db.query(Score).index(Score.by_player, player).unique()
    return score.points if score is not None else None


@query
async def total(ctx: QueryCtx, at_least: int) -> int:
    return sum(s.points for s in await ctx.db.query(Score).index(Score.by_points, gte=at_least).collect())


@query
async def winner(ctx: QueryCtx) -> str:
    scores = await ctx.db.query(Score).index(Score.by_points, gte=9).collect()
    return scores[0].player


def players() -> Bench:
    return bench_of(Score, play=play, best=best, points=points, total=total, winner=winner)


def live_of(bench: Bench) -> LiveQueries[str]:
    """The live queries, at the newest commit."""
    bench.database.live.follow()
    return bench.database.live


def watch(bench: Bench, path: str, watcher: str, **args: object) -> QueryKey:
    return live_of(bench).watch(Call(path, [args]), watcher)


calls: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
    st.tuples(st.just("app:best"), st.fixed_dictionaries({"count": st.integers(1, 3)})),
    st.tuples(st.just("app:points"), st.fixed_dictionaries({"player": st.sampled_from("abc")})),
    st.tuples(st.just("app:total"), st.fixed_dictionaries({"at_least": st.integers(0, 9)})),
    st.tuples(st.just("app:winner"), st.just({})),
)
plays = st.tuples(st.sampled_from("abcd"), st.integers(-1, 9))


@settings(max_examples=50, deadline=None)
@given(st.lists(calls, min_size=1, max_size=6), st.lists(plays, max_size=10), st.data())
def test_a_live_query_always_gives_what_running_it_gives(
    watched: list[tuple[str, dict[str, Any]]], played: list[tuple[str, int]], data: st.DataObject
) -> None:
    bench = players()
    live = live_of(bench)
    keys = [watch(bench, path, f"w{number}", **args) for number, (path, args) in enumerate(watched)]
    seen = {watcher: live.result(key).digest for watcher, key in enumerate(keys)}
    for player, score in played:
        bench.mutate("app:play", player=player, points=score)
        if data.draw(st.booleans()):
            continue
        woken = live.follow()
        for number, key in enumerate(keys):
            path, args = watched[number]
            result = live.result(key)
            assert result.digest == bench.query(path, **args).digest
            assert result.digest == seen[number] or f"w{number}" in woken
            seen[number] = result.digest
        live.subscriptions.check()
        live.check()


def test_all_who_watch_the_same_share_one_evaluation() -> None:
    bench = players()
    live = live_of(bench)
    keys = [
        watch(bench, "app:total", watcher, at_least=at_least) for watcher, at_least in zip("ab", (1, 1.0), strict=True)
    ]
    results = [live.result(key) for key in keys]

    assert keys[0] == keys[1]
    assert results[0] is results[1]
    assert live.evaluations == 1


def test_what_is_beside_a_query_does_not_run_it_again() -> None:
    bench = players()
    live = live_of(bench)
    key = watch(bench, "app:points", "w", player="a")
    live.result(key)
    bench.mutate("app:play", player="b", points=1)

    assert live.follow() == ()
    live.result(key)
    assert live.evaluations == 1


def test_the_admin_has_results_of_his_own() -> None:
    bench = players()
    live = live_of(bench)

    assert live.watch(Call("app:winner", [{}], True), "w") != live.watch(Call("app:winner", [{}]), "w")


def test_a_query_that_fails_is_a_result_and_heals() -> None:
    bench = players()
    live = live_of(bench)
    key = watch(bench, "app:winner", "w")

    assert "IndexError" in failure_of(live.result(key)).message
    bench.mutate("app:play", player="a", points=9)
    assert live.follow() == ("w",)
    assert value_of(live.result(key)) == "a"


def test_a_call_that_cannot_be_is_a_result_too() -> None:
    bench = players()
    live = live_of(bench)

    wrong: list[Any] = [[{"player": {"$x": 1}}], ["x"], [{}, {}], None]
    for args in wrong:
        key = live.watch(Call("app:points", args), str(args))
        assert "ArgumentValidationError" in failure_of(live.result(key)).message


def test_after_a_deploy_everything_runs_again() -> None:
    bench = players()
    live = live_of(bench)
    bench.mutate("app:play", player="a", points=3)
    live.follow()
    key = watch(bench, "app:total", "w", at_least=0)
    assert value_of(live.result(key)) == 3

    @query
    async def total(ctx: QueryCtx, at_least: int) -> int:
        return -1

    bench.deploy(app_of(Score, version=2, functions={"app:total": total}))

    assert live.restart() == ("w",)
    assert value_of(live.result(key)) == -1


def test_subscriptions_that_fail_are_rebuilt_and_everything_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = players()
    live = live_of(bench)
    key = watch(bench, "app:total", "w", at_least=0)
    live.result(key)
    monkeypatch.setattr(logging.getLogger("relive"), "disabled", True)
    with monkeypatch.context() as broken:
        broken.setattr(Subscriptions, "apply", lambda subscriptions, committed: 1 / 0)
        bench.mutate("app:play", player="a", points=3)
        assert live.follow() == ("w",)

    live.subscriptions.check()
    assert value_of(live.result(key)) == 3
    bench.mutate("app:play", player="a", points=4)
    assert live.follow() == ("w",)
    assert value_of(live.result(key)) == 4
