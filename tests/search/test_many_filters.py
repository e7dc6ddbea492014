"""Text indexes of so many filter fields that no document stands under each choice of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, Id, field, text_index
from relive.engine.data.text_indexes import ANY
from relive.engine.errors import LimitReached
from relive.engine.execution.calls import Call
from relive.engine.transactions.context import MutationCtx, QueryCtx

from ..engine.bench import Bench, app_of, open_bench, value_of
from .reference import matches, ranked


class Thing(Document):
    body: str = field()
    a: int = field(default=0)
    b: int = field(default=0)
    c: str | None = field(default=None)
    d: int = field(default=0)
    e: bool = field(default=False)
    owner: str = field(default="x")
    by_body = text_index(body, filters=(a, b, c, d, e, owner))


def wanted_values(asked: dict[str, Any]) -> list[Any]:
    return [asked.get(name, ANY) for name in ("a", "b", "c", "d", "e", "owner")]


@mutation
async def add(ctx: MutationCtx, body: str, fields: dict[str, Any]) -> Id[Thing]:
    return await ctx.db.insert(Thing(body=body, **fields))


@mutation
async def change(ctx: MutationCtx, id: Id[Thing], fields: dict[str, Any]) -> None:
    await ctx.db.patch(id, **fields)


@query
async def find(ctx: QueryCtx, words: str, asked: dict[str, Any]) -> list[Id[Thing]]:
    found = await ctx.db.query(Thing).search(Thing.by_body, words, *wanted_values(asked)).take(3)
    return [thing.id for thing in found]


FUNCTIONS: dict[str, Any] = {"app:add": add, "app:change": change, "app:find": find}

bodies = st.lists(st.sampled_from(["a", "ab", "b", "東京"]), max_size=4).map(" ".join)
filters: Any = st.fixed_dictionaries(
    {},
    optional={
        "a": st.integers(0, 1), "b": st.integers(0, 1), "c": st.none() | st.just("z"), "e": st.booleans(),
        "owner": st.sampled_from(["x", "y"]),
    },
)  # fmt: skip


def documents(bench: Bench) -> list[Any]:
    return [version.document for version in bench.database.runtime.tables.table("things").versions.values()]


def expected(bench: Bench, words: str, asked: dict[str, Any]) -> list[str]:
    fit = [each for each in documents(bench) if all(getattr(each, name) == value for name, value in asked.items())]
    return ranked(matches(fit, words, None))[:3]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(bodies, filters), max_size=6),
    st.lists(st.tuples(st.integers(0, 5), filters), max_size=5),
    st.lists(st.tuples(st.sampled_from(["a", "b", "ab", "東", "a b"]), filters), min_size=1, max_size=3),
)
def test_any_of_them_may_be_asked_for_and_no_change_of_a_result_is_missed(
    stored: list[tuple[str, Any]], changes: list[tuple[int, Any]], searches: list[tuple[str, Any]]
) -> None:
    bench = open_bench(app_of(Thing, functions=FUNCTIONS))
    ids = [value_of(bench.mutate("app:add", body=body, fields=fields)) for body, fields in stored]
    live: Any = bench.database.live
    live.follow()
    unlike = [*{repr(search): search for search in searches}.values()]
    keys = [live.watch(Call("app:find", [{"words": words, "asked": asked}]), words) for words, asked in unlike]
    for place, fields in [(0, {}), *changes]:
        if ids and fields:
            bench.mutate("app:change", id=ids[place % len(ids)], fields=fields)
        live.follow()
        for key, (words, asked) in zip(keys, unlike, strict=True):
            given = value_of(live.result(key))
            assert given == value_of(bench.query("app:find", words=words, asked=asked)) == expected(bench, words, asked)
    bench.check()


def test_a_document_stands_under_each_of_them_alone() -> None:
    bench = open_bench(app_of(Thing, functions=FUNCTIONS))
    value_of(bench.mutate("app:add", body="one two", fields={}))
    assert len(bench.database.runtime.tables.table("things").index("by_body").entries) == 2 * (1 + 6)


def test_a_search_is_not_run_again_by_what_holds_nothing_that_it_asks_for() -> None:
    bench = open_bench(app_of(Thing, functions=FUNCTIONS))
    live: Any = bench.database.live
    live.follow()
    live.result(live.watch(Call("app:find", [{"words": "a", "asked": {"a": 1, "b": 1}}]), "watcher"))
    value_of(bench.mutate("app:add", body="a", fields={"a": 2, "b": 2}))
    value_of(bench.mutate("app:add", body="b", fields={"a": 1, "b": 1}))
    assert live.follow() == ()
    value_of(bench.mutate("app:add", body="a", fields={"a": 1, "b": 1}))
    assert live.follow() == ("watcher",)


def test_what_is_looked_at_for_each_of_them_counts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = open_bench(app_of(Thing, functions=FUNCTIONS))
    for _ in range(4):
        value_of(bench.mutate("app:add", body="a", fields={}))

    async def search(ctx: QueryCtx) -> int:
        return await ctx.db.query(Thing).search(Thing.by_body, "a b", 0, 0).count()

    monkeypatch.setattr("relive.engine.transactions.search.SEARCH_KEYS_MAX", 8)
    assert bench.read(search) == 4
    monkeypatch.setattr("relive.engine.transactions.search.SEARCH_KEYS_MAX", 7)
    with pytest.raises(LimitReached, match="places in a text index looked at"):
        bench.read(search)
