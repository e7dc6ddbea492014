"""Requests that are sent again: answered as before, whether they wrote something or not."""

from __future__ import annotations

import pytest
from relive.engine.application.functions import mutation
from relive.engine.data.schema import Document, field, index
from relive.engine.transactions.context import MutationCtx

from .bench import bench_of, value_of


class Counter(Document):
    name: str = field()
    by_name = index(name)


@mutation
async def bump(ctx: MutationCtx, name: str) -> None:
    await ctx.db.insert(Counter(name=name))


@mutation
async def rename_if_there(ctx: MutationCtx, name: str, to: str) -> bool:
    found = await ctx.db.query(Counter).index(Counter.by_name, name).unique()
    if found is not None:
        await ctx.db.patch(found.id, name=to)
    return found is not None


def test_a_request_that_wrote_nothing_is_answered_as_before_when_it_is_sent_again() -> None:
    calls = bench_of(Counter, bump=bump, rename_if_there=rename_if_there)
    first = calls.mutate("app:rename_if_there", name="a", to="b", request=1)
    calls.mutate("app:bump", name="a", request=2)
    again = calls.mutate("app:rename_if_there", name="a", to="b", request=1)

    assert (value_of(first), value_of(again)) == (False, False)
    assert again.lsn == first.lsn
    assert calls.database.runtime.tail.head == 2


def test_an_answer_is_forgotten_with_what_it_was_given_as_of() -> None:
    calls = bench_of(Counter, bump=bump, rename_if_there=rename_if_there)
    calls.flush()
    calls.mutate("app:bump", name="b", request=1)
    assert value_of(calls.mutate("app:rename_if_there", name="a", to="c", request=2)) is False
    calls.database.runtime.not_written("the disk is full")
    calls.clock.now_ns += 2 * 10**9
    calls.mutate("app:bump", name="a", request=3)

    assert value_of(calls.mutate("app:rename_if_there", name="a", to="c", request=2)) is True


def test_only_so_many_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relive.actors.requests.ANSWERS_MAX", 2)
    calls = bench_of(Counter, bump=bump, rename_if_there=rename_if_there)
    for request in range(1, 5):
        calls.mutate("app:rename_if_there", name="a", to="b", request=request)
    requests = calls.database.runtime.requests

    assert [request for _, request in requests.answers] == [3, 4]
    assert requests.answers_bytes == sum(size for _, size in requests.answers.values())
