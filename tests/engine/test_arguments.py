"""A handler may change what it is given: each run of it gets what the client sent."""

from __future__ import annotations

from typing import Any

import pytest
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document
from relive.engine.determinism.errors import NeedImport
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.protocol import cbor

from .bench import Bench, bench_of, value_of


class Note(Document):
    text: str


def taken_apart(words: list[str], more: Any) -> str:
    more["list"].append("!")
    return words.pop() + "".join(more["list"])


@mutation
async def add(ctx: MutationCtx, words: list[str], more: Any) -> str:
    await ctx.db.insert(Note(text=taken_apart(words, more)))
    return str(len(await ctx.db.query(Note).collect()))


@query
async def joined(ctx: QueryCtx, words: list[str], more: Any) -> str:
    return taken_apart(words, more)


@mutation
async def interrupted(ctx: MutationCtx, words: list[str], more: Any) -> None:
    text = taken_apart(words, more)
    if not ATTEMPTS:
        ATTEMPTS.append(text)
        raise NeedImport("colorsys")
    await ctx.db.insert(Note(text=text))


ATTEMPTS: list[str] = []
SENT: dict[str, Any] = {"words": ["a", "b"], "more": {"list": []}}


@pytest.fixture
def bench() -> Bench:
    ATTEMPTS.clear()
    return bench_of(Note, add=add, joined=joined, interrupted=interrupted)


def texts(bench: Bench) -> list[str]:
    async def read(ctx: QueryCtx) -> list[str]:
        return [note.text for note in await ctx.db.query(Note).collect()]

    return bench.read(read)


def test_when_it_is_run_twice(bench: Bench) -> None:
    bench.executor.twice = True

    assert value_of(bench.mutate("app:add", **SENT)) == "1"
    assert texts(bench) == ["b!"]
    assert [value_of(bench.query("app:joined", **SENT)) for _ in range(2)] == ["b!", "b!"]


def test_when_it_is_run_again_after_a_conflict(bench: Bench) -> None:
    def on_look(look: int) -> None:
        # The execution looks when it starts; its first attempt when it begins, and again when it commits.
        if look == looks + 3:
            bench.clock.on_look = lambda look: None
            bench.mutate("app:add", **SENT)

    looks, bench.clock.on_look = bench.clock.looks, on_look
    outcome = bench.mutate("app:add", **SENT)

    assert value_of(outcome) == "2"
    assert texts(bench) == ["b!", "b!"]
    assert cbor.decode(bench.entry().args) == SENT


def test_when_it_starts_over_for_an_import(bench: Bench) -> None:
    value_of(bench.mutate("app:interrupted", **SENT))

    assert (ATTEMPTS, texts(bench)) == (["b!"], ["b!"])
