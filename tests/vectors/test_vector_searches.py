"""Searches for near vectors against a reference that goes through every document, through whole histories."""

from __future__ import annotations

from typing import Any

from attrs import Factory, define
from hypothesis import example, given, settings
from hypothesis import strategies as st
from relive.actors.committer import REFUSE_NS
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import UNSET, Document, Id, Unset, field, vector_index
from relive.engine.execution.calls import Call
from relive.engine.execution.live_queries import LiveQueries
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.overlay import Overlay
from relive.engine.transactions.transaction import Transaction
from relive.log.entry import LSN, IndexName
from relive.protocol import json

from ..engine.bench import Bench, app_of, open_bench, value_of
from .reference import agree, cosine, scores

LIMIT = 3
Vector = tuple[float, ...]


class Item(Document):
    owner: str = field()
    kind: int = field(default=0)
    embedding: list[float] | Unset | None = field(default=UNSET)
    likes: int = 0
    by_embedding = vector_index(embedding, dimensions=3, filters=(owner, kind))


@mutation
async def add(ctx: MutationCtx, owner: str, embedding: list[float] | None) -> Id[Item]:
    return await ctx.db.insert(Item(owner=owner, embedding=UNSET if embedding is None else embedding))


@mutation
async def turn(ctx: MutationCtx, id: Id[Item], embedding: list[float] | None) -> None:
    await ctx.db.patch(id, embedding=embedding)


@mutation
async def give(ctx: MutationCtx, id: Id[Item], owner: str) -> None:
    await ctx.db.patch(id, owner=owner)


@mutation
async def sort(ctx: MutationCtx, id: Id[Item], kind: int) -> None:
    await ctx.db.patch(id, kind=kind)


@mutation
async def like(ctx: MutationCtx, id: Id[Item]) -> None:
    item = await ctx.db.get(id)
    assert item is not None
    await ctx.db.patch(id, likes=item.likes + 1)


@mutation
async def drop(ctx: MutationCtx, id: Id[Item]) -> None:
    await ctx.db.delete(id)


@query
async def near(ctx: QueryCtx, vector: list[float], filter: Any) -> list[Any]:
    found = await ctx.vector_search(Item.by_embedding, vector, limit=LIMIT, filter=filter)
    return [[id, score] for id, score in found]


FUNCTIONS: dict[str, Any] = {
    "app:add": add, "app:turn": turn, "app:give": give, "app:sort": sort, "app:like": like, "app:drop": drop,
    "app:near": near,
}  # fmt: skip
APP = app_of(Item, functions=FUNCTIONS)

numbers = st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0, 1e-3, 1e300, -1e300, 5e-324, 1e-310]) | st.floats(-10, 10)
vectors = st.tuples(numbers, numbers, numbers).filter(any)
maybe = st.none() | vectors
owners = st.sampled_from(["x", "y", "x\0"])
kinds = st.integers(0, 2)
filters = st.one_of(
    st.none(),
    st.fixed_dictionaries({"owner": owners}),
    st.fixed_dictionaries({"kind": kinds}),
    st.fixed_dictionaries({"kind": kinds, "owner": owners}),
    st.lists(st.fixed_dictionaries({"owner": owners}) | st.fixed_dictionaries({"kind": kinds}), min_size=1, max_size=3),
)
searches = st.tuples(vectors, filters)
places = st.integers(0, 9)
steps = st.one_of(
    st.tuples(st.just("add"), owners, maybe),
    st.tuples(st.just("turn"), places, maybe),
    st.tuples(st.just("give"), places, owners),
    st.tuples(st.just("sort"), places, kinds),
    st.tuples(st.just("like"), places),
    st.tuples(st.just("drop"), places),
    st.tuples(st.sampled_from(["flush", "reopen", "refuse", "deploy"])),
)


def concerns(document: Any, filter: Any) -> Any:
    """All that a search knows of a document, who holds what its filters name; None if it is none of its business."""
    given = [filter] if isinstance(filter, dict) else filter
    if document is None or not isinstance(document.embedding, (list, tuple)):
        return None
    if given is None:
        return (*document.embedding,)
    held = tuple(getattr(document, name) == value for terms in given for name, value in terms.items())
    return ((*document.embedding,), held) if any(held) else None


@define(eq=False)
class World:
    """A database, and the live queries of somebody who searches."""

    wanted: list[tuple[Vector, Any]]
    bench: Bench = Factory(lambda: open_bench(APP))
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
            self.live.watch(Call("app:near", [{"vector": [*vector], "filter": filter}]), f"{place}")
            for place, (vector, filter) in enumerate(self.wanted)
        ]
        for place in range(len(self.wanted)):
            self.evaluate(place)

    def documents(self) -> list[Any]:
        table = self.bench.database.runtime.tables.table("items")
        return [version.document for version in table.versions.values()]

    def evaluate(self, place: int) -> None:
        """What the live query gives is what a fresh run gives, and what the reference does."""
        vector, filter = self.wanted[place]
        result: Any = self.live.result(self.keys[place])
        fresh = value_of(self.bench.query("app:near", vector=[*vector], filter=filter))
        assert json.decode(result.value) == fresh
        agree([(id, score) for id, score in fresh], scores(self.documents(), vector, filter), LIMIT)

    def step(self, step: tuple[Any, ...]) -> None:
        """Make it, and see that exactly those live queries fall that it can concern."""
        before = {document.id: document for document in self.documents()}
        self.make(step)
        woken = {int(place) for place in self.live.follow()}
        after = {document.id: document for document in self.documents()}
        for place, (_, filter) in enumerate(self.wanted):
            moved = any(
                concerns(before.get(id), filter) != concerns(after.get(id), filter) for id in {**before, **after}
            )
            assert (place in woken) == moved, (step, self.wanted[place])
            self.evaluate(place)
        self.bench.check()

    def make(self, step: tuple[Any, ...]) -> None:
        ids = sorted(document.id for document in self.documents())
        match step:
            case ("add", owner, vector):
                value_of(self.bench.mutate("app:add", owner=owner, embedding=vector and [*vector]))
            case ("turn", place, vector) if ids:
                value_of(self.bench.mutate("app:turn", id=ids[place % len(ids)], embedding=vector and [*vector]))
            case ("give", place, owner) if ids:
                value_of(self.bench.mutate("app:give", id=ids[place % len(ids)], owner=owner))
            case ("sort", place, kind) if ids:
                value_of(self.bench.mutate("app:sort", id=ids[place % len(ids)], kind=kind))
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

    def deploy(self) -> None:
        self.bench.deploy(app_of(Item, functions=FUNCTIONS, version=self.bench.executor.runtime.tail.head))
        self.bench.flush()
        self.live.follow()
        for place in range(len(self.wanted)):
            self.evaluate(place)
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


@settings(max_examples=100, deadline=None)
@given(st.lists(searches, min_size=1, max_size=3), st.lists(steps, max_size=14))
def test_through_any_history_the_nearest_are_found_and_live_searches_run_again_exactly_when_they_have_to(
    wanted: list[tuple[Vector, Any]], history: list[tuple[Any, ...]]
) -> None:
    world = World([*{repr(one): one for one in wanted}.values()])
    for step in history:
        match step:
            case ("reopen",):
                world.restart()
            case ("refuse",):
                world.refuse()
            case ("deploy",):
                world.deploy()
            case _:
                world.step(step)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(owners, maybe), max_size=6), st.lists(steps, max_size=6), searches)
def test_a_mutation_finds_what_it_has_written_itself(
    stored: list[tuple[str, Vector | None]], own: list[tuple[Any, ...]], search: tuple[Vector, Any]
) -> None:
    bench = open_bench(APP)
    for owner, vector in stored:
        bench.mutate("app:add", owner=owner, embedding=vector and [*vector])

    async def handler(ctx: MutationCtx) -> tuple[Any, list[Any]]:
        for step in own:
            ids = sorted([item.id async for item in ctx.db.query(Item)])
            match step:
                case ("add", owner, vector):
                    await ctx.db.insert(Item(owner=owner, embedding=vector and [*vector]))
                case ("turn", place, vector) if ids:
                    await ctx.db.patch(ids[place % len(ids)], embedding=vector and [*vector])
                case ("give", place, owner) if ids:
                    await ctx.db.patch(ids[place % len(ids)], owner=owner)
                case ("drop", place) if ids:
                    await ctx.db.delete(ids[place % len(ids)])
                case _:
                    pass
        vector, filter = search
        found = await ctx.vector_search(Item.by_embedding, vector, limit=LIMIT, filter=filter)
        return found, await ctx.db.query(Item).collect()

    given, documents = bench.run(handler).result
    agree(given, scores(documents, *search), LIMIT)


@settings(max_examples=40, deadline=None)
@given(st.lists(steps, max_size=10), searches)
def test_the_past_is_searched_as_it_was(history: list[tuple[Any, ...]], search: tuple[Vector, Any]) -> None:
    world = World([search])
    tail = world.bench.database.runtime.tail

    async def found(ctx: QueryCtx) -> Any:
        return await ctx.vector_search(Item.by_embedding, search[0], limit=LIMIT, filter=search[1])

    then = {tail.head: world.bench.read(found)}
    for step in history:
        world.make(step)
        then[tail.head] = world.bench.read(found)
    tables = world.bench.database.runtime.tables
    for lsn, nearest in then.items():
        past = Overlay.of_the_past(tables, tail, LSN(lsn))
        assert world.bench.read(found, (past, LSN(lsn))) == nearest


def test_a_mutation_that_has_searched_conflicts_with_a_vector_that_came_and_with_no_other_change() -> None:
    bench = open_bench(APP)
    id = value_of(bench.mutate("app:add", owner="x", embedding=[1.0, 0.0, 0.0]))
    other = value_of(bench.mutate("app:add", owner="y", embedding=[1.0, 0.0, 0.0]))

    async def handler(ctx: MutationCtx) -> None:
        await ctx.vector_search(Item.by_embedding, [1.0, 1.0, 1.0], filter={"owner": "x"})

    def reads() -> Transaction:
        return bench.run(handler).transaction

    def touched(path: str, **args: Any) -> bool:
        read = reads().reads()
        value_of(bench.mutate(path, **args))
        newest = next(iter(bench.database.runtime.tail.newest_first()))
        return any(
            part.index == key.name and part.touched(key.old, key.new)
            for part in read
            for change in newest.changes
            for key in change.keys
        )

    assert not touched("app:like", id=id)
    assert not touched("app:turn", id=other, embedding=[0.0, 1.0, 0.0])
    assert not touched("app:sort", id=id, kind=2)
    assert touched("app:turn", id=id, embedding=[0.0, 1.0, 0.0])
    assert touched("app:give", id=other, owner="x")
    assert touched("app:drop", id=id)
    assert reads().reads()[0].index == IndexName("items", "by_embedding")


@settings(max_examples=200, deadline=None)
@given(vectors, vectors)
@example((1e300, 1e300, -1e300), (5e-324, 0.0, 0.0))
def test_scores_are_the_cosine_whatever_the_size_of_the_numbers(one: Vector, other: Vector) -> None:
    from relive.actors.directions import Direction

    assert abs(Direction.of(one).score(other) - cosine(one, other)) < 1e-14
    assert Direction.of(one).score(one) > 1 - 1e-15
    assert Direction.of(one).score(other) == Direction.of(other).score(one)
