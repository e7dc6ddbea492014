"""Searches against a reference that goes through every document, through whole histories."""

from __future__ import annotations

from typing import Any

from attrs import Factory, define
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.committer import REFUSE_NS
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, Id, field, text_index
from relive.engine.data.text_indexes import ANY
from relive.engine.execution.calls import Call
from relive.engine.execution.live_queries import LiveQueries
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.operations import increment
from relive.engine.transactions.overlay import Overlay
from relive.log.entry import LSN, IndexName

from ..engine.bench import Bench, app_of, open_bench, value_of
from .reference import Match, matches, ranked

TAKEN = 3


class Note(Document):
    body: str = field()
    owner: str = field()
    kind: int = field(default=0)
    likes: int = 0
    by_body = text_index(body, filters=(owner, kind))


@mutation
async def add(ctx: MutationCtx, body: str, owner: str) -> Id[Note]:
    return await ctx.db.insert(Note(body=body, owner=owner))


@mutation
async def write(ctx: MutationCtx, id: Id[Note], body: str) -> None:
    await ctx.db.patch(id, body=body)


@mutation
async def give(ctx: MutationCtx, id: Id[Note], owner: str) -> None:
    await ctx.db.patch(id, owner=owner)


@mutation
async def like(ctx: MutationCtx, id: Id[Note]) -> None:
    await ctx.db.merge(id, likes=increment(1))


@mutation
async def drop(ctx: MutationCtx, id: Id[Note]) -> None:
    await ctx.db.delete(id)


@query
async def find(ctx: QueryCtx, words: str, owner: str | None) -> list[Note]:
    return await ctx.db.query(Note).search(Note.by_body, words, ANY if owner is None else owner, ANY).take(TAKEN)


FUNCTIONS: dict[str, Any] = {
    "app:add": add, "app:write": write, "app:give": give, "app:like": like, "app:drop": drop, "app:find": find,
}  # fmt: skip
APP = app_of(Note, functions=FUNCTIONS)

some_words = st.sampled_from(["a", "ab", "abc", "b", "ba", "ça", "東", "東京", "京都", "ab ab", "🎉"])
bodies = st.lists(some_words, max_size=5).map(" ".join)
owners = st.sampled_from(["x", "y", "x\0"])
searches = st.tuples(st.lists(some_words, max_size=3).map(" ".join), st.none() | owners)
places = st.integers(0, 9)
steps = st.one_of(
    st.tuples(st.just("add"), bodies, owners),
    st.tuples(st.just("write"), places, bodies),
    st.tuples(st.just("give"), places, owners),
    st.tuples(st.just("like"), places),
    st.tuples(st.just("drop"), places),
    st.tuples(st.sampled_from(["flush", "reopen", "refuse"])),
)


@define(eq=False)
class World:
    """A database, and the live queries of somebody who searches."""

    wanted: list[tuple[str, str | None]]
    bench: Bench = Factory(lambda: open_bench(APP))
    seen: dict[int, tuple[list[Match], list[str]]] = Factory(dict)
    """Of each live query: what there was to find, and what it has read of it."""
    keys: list[Any] = Factory(list)

    def __attrs_post_init__(self) -> None:
        self.bench.flush()
        self.watch()

    @property
    def live(self) -> LiveQueries[str]:
        live: LiveQueries[str] = self.bench.database.live
        return live

    def watch(self) -> None:
        self.live.follow()
        self.keys = [
            self.live.watch(Call("app:find", [{"words": words, "owner": owner}]), f"{place}")
            for place, (words, owner) in enumerate(self.wanted)
        ]
        for place in range(len(self.wanted)):
            self.evaluate(place)

    def documents(self) -> list[Any]:
        table = self.bench.database.runtime.tables.table("notes")
        return [version.document for version in table.versions.values()]

    def compare(self, place: int) -> tuple[list[Match], list[str]]:
        found = matches(self.documents(), *self.wanted[place])
        words, owner = self.wanted[place]
        given = [note["_id"] for note in value_of(self.bench.query("app:find", words=words, owner=owner))]
        assert given == ranked(found)[:TAKEN]
        return found, given

    def evaluate(self, place: int) -> None:
        self.seen[place] = self.compare(place)
        self.live.result(self.keys[place])

    def step(self, step: tuple[Any, ...]) -> None:
        """Make it, and see that exactly those live queries fall that it can concern."""
        before = {document.id: document for document in self.documents()}
        self.make(step)
        woken = {int(place) for place in self.live.follow()}
        after = {document.id: document for document in self.documents()}
        changed = {id for id in {**before, **after} if before.get(id) is not after.get(id)}
        for place, (was, read) in self.seen.copy().items():
            now = matches(after.values(), *self.wanted[place])
            assert (place in woken) == (was != now or not changed.isdisjoint(read)), (step, self.wanted[place])
            if place in woken:
                self.evaluate(place)
        self.bench.check()

    def make(self, step: tuple[Any, ...]) -> None:
        ids = sorted(document.id for document in self.documents())
        match step:
            case ("add", body, owner):
                value_of(self.bench.mutate("app:add", body=body, owner=owner))
            case ("write", place, body) if ids:
                value_of(self.bench.mutate("app:write", id=ids[place % len(ids)], body=body))
            case ("give", place, owner) if ids:
                value_of(self.bench.mutate("app:give", id=ids[place % len(ids)], owner=owner))
            case ("like" | "drop" as what, place) if ids:
                value_of(self.bench.mutate(f"app:{what}", id=ids[place % len(ids)]))
            case ("flush",):
                self.bench.flush()
            case _:
                pass

    def restart(self) -> None:
        self.bench = self.bench.reopen()
        self.watch()
        self.bench.check()

    def refuse(self) -> None:
        """The disk takes none of what is in flight, which is taken back."""
        runtime = self.bench.database.runtime
        if runtime.committer.durable == runtime.tail.head:
            return
        runtime.not_written("the disk is full")
        self.bench.clock.now_ns += 2 * REFUSE_NS
        self.live.restart()
        self.bench.check()
        for place in range(len(self.wanted)):
            self.evaluate(place)


@settings(max_examples=200, deadline=None)
@given(st.lists(searches, min_size=1, max_size=4, unique=True), st.lists(steps, max_size=14))
def test_through_any_history_searches_are_right_and_run_again_exactly_when_they_may_have_changed(
    wanted: list[tuple[str, str | None]], history: list[tuple[Any, ...]]
) -> None:
    world = World(wanted)
    for step in history:
        if step == ("reopen",):
            world.restart()
        elif step == ("refuse",):
            world.refuse()
        else:
            world.step(step)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(bodies, owners), max_size=6), st.lists(steps, max_size=6), searches)
def test_a_mutation_finds_what_it_has_written_itself(
    stored: list[tuple[str, str]], own: list[tuple[Any, ...]], search: tuple[str, str | None]
) -> None:
    bench = open_bench(APP)
    for body, owner in stored:
        bench.mutate("app:add", body=body, owner=owner)

    async def handler(ctx: MutationCtx) -> tuple[list[str], int, list[Any]]:
        for step in own:
            ids = sorted([note.id async for note in ctx.db.query(Note)])
            match step:
                case ("add", body, owner):
                    await ctx.db.insert(Note(body=body, owner=owner))
                case ("write", place, body) if ids:
                    await ctx.db.patch(ids[place % len(ids)], body=body)
                case ("give", place, owner) if ids:
                    await ctx.db.patch(ids[place % len(ids)], owner=owner)
                case ("drop", place) if ids:
                    await ctx.db.delete(ids[place % len(ids)])
                case _:
                    pass
        words, asked = search
        notes = ctx.db.query(Note).search(Note.by_body, words, ANY if asked is None else asked, ANY)
        return [note.id for note in await notes.collect()], await notes.count(), await ctx.db.query(Note).collect()

    given, count, documents = bench.run(handler).result
    assert given == ranked(matches(documents, *search))
    assert count == len(given)


@settings(max_examples=80, deadline=None)
@given(st.lists(steps, max_size=10), searches)
def test_the_past_is_searched_as_it_was(history: list[tuple[Any, ...]], search: tuple[str, str | None]) -> None:
    world = World([search])
    tail = world.bench.database.runtime.tail

    async def searched(ctx: QueryCtx) -> list[str]:
        words, owner = search
        notes = ctx.db.query(Note).search(Note.by_body, words, ANY if owner is None else owner)
        return [note.id async for note in notes]

    as_it_was: dict[LSN, list[str]] = {}
    for step in history:
        world.make(step)
        as_it_was[tail.head] = ranked(matches(world.documents(), *search))
    for lsn, ids in as_it_was.items():
        overlay = Overlay.of_the_past(world.bench.database.runtime.tables, tail, lsn)
        overlay.check()
        assert world.bench.read(searched, past=(overlay, lsn)) == ids


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(bodies, owners, st.integers(0, 2)), max_size=6), some_words, st.data())
def test_every_choice_of_filters_finds_those_who_fit(
    stored: list[tuple[str, str, int]], words: str, data: st.DataObject
) -> None:
    bench = open_bench(APP)
    asked = data.draw(st.tuples(st.just(ANY) | owners, st.just(ANY) | st.integers(0, 2)))

    async def fill(ctx: MutationCtx) -> None:
        for body, owner, kind in stored:
            await ctx.db.insert(Note(body=body, owner=owner, kind=kind))

    async def searched(ctx: QueryCtx) -> tuple[list[str], list[Note]]:
        found = await ctx.db.query(Note).search(Note.by_body, words, *asked).collect()
        return [note.id for note in found], await ctx.db.query(Note).collect()

    bench.write(fill)
    given, documents = bench.read(searched)
    fitting = [note for note in documents if asked[0] in (ANY, note.owner) and asked[1] in (ANY, note.kind)]
    assert given == ranked(matches(fitting, words, None))


def test_the_index_is_the_same_whatever_the_history() -> None:
    def keys(bench: Bench) -> list[bytes]:
        return list(bench.database.runtime.tables.table("notes").index("by_body").entries)

    bench = open_bench(APP)
    ids = [value_of(bench.mutate("app:add", body=f"word{n % 7} and more", owner="x")) for n in range(60)]
    for id in ids[::2]:
        bench.mutate("app:write", id=id, body="東京 other words")
    for id in ids[::3]:
        bench.mutate("app:drop", id=id)
    assert len(keys(bench)) > 100
    assert keys(bench) == keys(bench.reopen())


def test_a_search_conflicts_with_a_commit_that_it_would_have_found_and_with_no_other() -> None:
    bench = open_bench(APP)
    bench.mutate("app:add", body="hello", owner="x")

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.query(Note).search(Note.by_body, "hello wor", "x").take(5)

    reads = bench.run(handler).reads
    index = IndexName("notes", "by_body")
    assert all(read.keys_only for read in reads if read.index == index)

    def hit(body: str, owner: str) -> bool:
        value_of(bench.mutate("app:add", body=body, owner=owner))
        newest = bench.database.runtime.tail.after(LSN(bench.database.runtime.tail.head - 1))
        return any(
            read.index == key.name and read.touched(key.old, key.new)
            for committed in newest
            for change in committed.changes
            for key in change.keys
            for read in reads
        )

    assert hit("hello", "x")
    assert hit("worldly", "x")
    assert not hit("hello", "y")
    assert not hit("hellos", "x")
    assert not hit("else", "x")
