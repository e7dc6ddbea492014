"""Fields that get the timestamp of their entry: in the order of the log, and never seen before it is known."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, Id, Int64, field, index
from relive.engine.errors import ApplicationError
from relive.engine.transactions.commit_timestamp import COMMIT_TIMESTAMP
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.protocol import cbor

from .bench import Bench, bench_of, text_of, value_of


class Event(Document):
    name: str
    at: Int64 = field()
    by_at = index(at)


@mutation
async def add(ctx: MutationCtx, name: str) -> Id[Event]:
    return await ctx.db.insert(Event(name=name, at=COMMIT_TIMESTAMP))


@mutation
async def touch(ctx: MutationCtx, id: Id[Event], name: str = "touched") -> None:
    await ctx.db.patch(id, at=COMMIT_TIMESTAMP)
    await ctx.db.patch(id, name=name)


@mutation
async def rename(ctx: MutationCtx, id: Id[Event]) -> None:
    await ctx.db.patch(id, at=COMMIT_TIMESTAMP)
    await ctx.db.patch(id, at=Int64(5))


@mutation
async def give_back(ctx: MutationCtx, name: str) -> Event | None:
    return await ctx.db.get(await ctx.db.insert(Event(name=name, at=COMMIT_TIMESTAMP)))


@mutation
async def add_and_list(ctx: MutationCtx) -> list[str]:
    await add(ctx, "mine")
    await ctx.db.insert("loose", {"at": COMMIT_TIMESTAMP})
    with contextlib.suppress(ApplicationError):
        await ctx.run_mutation(add_and_fail)
    return [event.name for event in await ctx.db.query(Event).index(Event.by_at).collect()]


@mutation
async def add_and_fail(ctx: MutationCtx) -> None:
    (mine,) = await ctx.db.query(Event).filter(lambda event: event.name == "mine").collect()
    await ctx.db.patch(mine.id, at=Int64(0))
    raise ApplicationError("no")


@query
async def names(ctx: QueryCtx) -> list[str]:
    return [event.name for event in await ctx.db.query(Event).index(Event.by_at).collect()]


FUNCTIONS: dict[str, Any] = {
    "add": add, "touch": touch, "rename": rename, "give_back": give_back, "add_and_list": add_and_list,
    "add_and_fail": add_and_fail, "names": names,
}  # fmt: skip


@pytest.fixture
def bench() -> Bench:
    return bench_of(Event, **FUNCTIONS)


def at(bench: Bench, id: str) -> int:
    document: Any = bench.database.runtime.tables.get("events", id)
    return int(document.document.at)


def test_the_field_holds_the_timestamp_of_the_entry(bench: Bench) -> None:
    outcome = bench.mutate("app:add", name="a")
    id, entry = value_of(outcome), bench.entry(outcome.lsn)

    assert at(bench, id) == entry.ts
    assert cbor.decode(entry.writes[-1].document or b"")["at"] == entry.ts  # type: ignore[index,call-overload]
    bench.check()
    assert at(bench.reopen(), id) == entry.ts


def test_documents_stand_in_the_order_of_their_commits_whatever_the_clock_says(bench: Bench) -> None:
    first = value_of(bench.mutate("app:add", name="a"))
    bench.clock.now_ns -= 3600 * 10**9
    bench.mutate("app:add", name="b")
    assert value_of(bench.query("app:names")) == ["a", "b"]

    bench.mutate("app:touch", id=first)
    assert value_of(bench.query("app:names")) == ["b", "touched"]


def test_a_later_patch_of_another_field_keeps_it_and_one_of_the_field_replaces_it(bench: Bench) -> None:
    id = value_of(bench.mutate("app:add", name="a"))
    touched = bench.mutate("app:touch", id=id, name="z")
    assert at(bench, id) == bench.entry(touched.lsn).ts

    bench.mutate("app:rename", id=id)
    assert at(bench, id) == 5


def test_transactions_from_one_snapshot_get_the_timestamps_of_their_commits(bench: Bench) -> None:
    async def handler(ctx: MutationCtx) -> str:
        return await ctx.db.insert(Event(name="x", at=COMMIT_TIMESTAMP))

    rans = [bench.run(handler) for _ in range(3)]
    for ran in reversed(rans):
        bench.database.runtime.commit(bench.commit_of(ran))
    stamps = [at(bench, ran.result) for ran in reversed(rans)]
    assert stamps == sorted(set(stamps))


def test_within_its_transaction_it_is_behind_all_others_and_cannot_be_returned(bench: Bench) -> None:
    bench.mutate("app:add", name="old")
    head = bench.database.runtime.tail.head

    assert "which is not known yet: return its id" in text_of(bench.mutate("app:give_back", name="b"))
    assert bench.database.runtime.tail.head == head
    assert value_of(bench.mutate("app:add_and_list")) == ["old", "mine"]


def test_what_a_failed_nested_call_did_to_it_is_undone(bench: Bench) -> None:
    outcome = bench.mutate("app:add_and_list")
    tables = bench.database.runtime.tables
    (loose,) = tables.table("loose").versions.values()
    (mine,) = [version.id for version in tables.table("events").versions.values()]

    assert loose.document["at"] == bench.entry(outcome.lsn).ts  # type: ignore[index]
    assert at(bench, mine) == bench.entry(outcome.lsn).ts
