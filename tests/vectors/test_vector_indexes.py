"""Indexes of vectors: what may be declared, written and asked, and searches in apps, from queries and actions."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from math import inf, nan
from typing import Any

import pytest
import trio
from relive.actors.table import Table
from relive.actors.version import Unread
from relive.engine.application.spec import tables_spec
from relive.engine.codegen.tables import data_model_types
from relive.engine.data.schema import UNSET, Document, Id, Record, Unset, field, nested, vector_index
from relive.engine.data.table_codec import TableCodec
from relive.engine.data.vector_fields import Asked, TableVectorIndex
from relive.engine.deployment.app_changes import AppChanges
from relive.engine.errors import AppInvalid, DocumentInvalid, IndexUnknown, LimitReached, SchemaMismatch, VectorInvalid
from relive.engine.limits import VECTOR_NUMBERS_COMPARED_MAX
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.vector_search import nearest_of_table

from relive import FunctionFailed
from relive.testing import TestApp

from ..engine.bench import Bench, app_of, bench_of, open_bench
from .reference import agree, scores


class Place(Record):
    city: str = field()
    at: list[float] = field(name="where")


class Thing(Document):
    owner: str = field(name="who", default="")
    embedding: list[float] | Unset | None = field(name="vector", default=UNSET)
    place: Place | None = field(default=None)
    by_embedding = vector_index(embedding, dimensions=3, filters=(owner, nested("place.city")))
    by_place = vector_index(nested("place.at"), dimensions=2)


class Other(Document):
    embedding: list[float] = field()
    by_embedding = vector_index(embedding, dimensions=3)


@pytest.fixture
def bench() -> Bench:
    return bench_of(Thing)


def found(bench: Bench, vector: Any, index: Any = Thing.by_embedding, **options: Any) -> list[tuple[str, float]]:
    async def handler(ctx: QueryCtx) -> Any:
        return await ctx.vector_search(index, vector, **options)

    given: list[tuple[str, float]] = bench.read(handler)
    return given


def put(bench: Bench, *things: Thing) -> list[Id[Thing]]:
    async def handler(ctx: MutationCtx) -> list[Id[Thing]]:
        return [await ctx.db.insert(thing) for thing in things]

    return bench.write(handler)


@pytest.mark.parametrize(
    ("vector", "problem"),
    [
        ([1.0, 2.0], r"2 numbers; the vectors of this index have 3 \(at \$\.vector\)"),
        ([1.0] * 4, "4 numbers"),
        ([], "0 numbers"),
        ([1.0, nan, 0.0], r"\[1\] is nan; vectors are made of finite numbers \(at \$\.vector\)"),
        ([1.0, 0.0, -inf], r"\[2\] is -inf"),
        ([0.0, -0.0, 0.0], "all of it is 0: it has no direction"),
        (["a", "b", "c"], r"\$\.vector"),
        ("abc", r"\$\.vector"),
    ],
)
def test_a_document_with_a_vector_that_cannot_be_compared_is_refused(bench: Bench, vector: Any, problem: str) -> None:
    with pytest.raises(DocumentInvalid, match=problem):
        put(bench, Thing(embedding=vector))
    (id,) = put(bench, Thing(embedding=[1.0, 0.0, 0.0]))

    async def patch(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, embedding=vector)

    with pytest.raises(DocumentInvalid, match=problem):
        bench.write(patch)
    assert found(bench, [1, 0, 0]) == [(id, 1.0)]


@pytest.mark.parametrize(
    ("vector", "error", "problem"),
    [
        ([1.0, 2.0], VectorInvalid, "in Thing.by_embedding: 2 numbers; the vectors of this index have 3"),
        ([1.0, nan, 0.0], VectorInvalid, r"\[1\] is nan"),
        ([0, 0, 0], VectorInvalid, "no direction"),
        ([1.0, "2", 0.0], VectorInvalid, r"\[1\] is no number but a str"),
        ([1.0, True, 0.0], VectorInvalid, "no number but a bool"),
        ([10**400, 0, 0], VectorInvalid, "an int that no float can hold"),
        ("abc", VectorInvalid, "a str is no list of numbers"),
        (None, VectorInvalid, "a NoneType is no list"),
    ],
)
def test_a_search_for_what_cannot_be_compared_says_why(
    bench: Bench, vector: Any, error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        found(bench, vector)


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"limit": 0}, ValueError, "gives 1 to 256 documents, not limit=0"),
        ({"limit": 257}, ValueError, "limit=257"),
        ({"limit": 2.0}, ValueError, "limit=2.0"),
        ({"limit": True}, ValueError, "limit=True"),
        ({"filter": {"owners": "x"}}, ValueError, "'owners' is no filter field of .*; it has owner, place.city"),
        ({"filter": {}}, TypeError, "names one field"),
        ({"filter": []}, TypeError, "one has to fit"),
        ({"filter": "owner"}, TypeError, "one has to fit"),
        ({"filter": ["owner"]}, TypeError, "names one field"),
        ({"filter": [{"owner": "x"}] * 65}, ValueError, "65 filters; 64 are allowed"),
    ],
)
def test_a_search_that_cannot_be_made_says_why(
    bench: Bench, options: dict[str, Any], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        found(bench, [1, 0, 0], **options)


def test_an_index_of_a_table_that_is_not_deployed_or_of_another_class_is_unknown(bench: Bench) -> None:
    with pytest.raises(Exception, match="there is no table"):
        found(bench, [1, 0, 0], Other.by_embedding)
    stranger = type(Thing.by_embedding)()
    stranger.name, stranger.table = "by_embedding", Thing
    with pytest.raises(IndexUnknown):
        found(bench, [1, 0, 0], stranger)


def test_documents_without_a_vector_are_not_in_the_index(bench: Bench) -> None:
    put(bench, Thing(), Thing(embedding=None), Thing(place=None))
    assert found(bench, [1, 0, 0]) == []
    assert found(bench, [1, 0], Thing.by_place) == []
    (id,) = put(bench, Thing(place=Place(city="Oslo", at=[0.0, 3.0])))
    assert found(bench, [0, 1], Thing.by_place) == [(id, 1.0)]
    assert found(bench, [1, 0, 0]) == []


def test_filters_ask_what_fields_hold_all_of_one_and_one_of_several(bench: Bench) -> None:
    near = [1.0, 0.0, 0.0]
    ids = put(
        bench,
        Thing(owner="a", embedding=near, place=Place(city="Oslo", at=[1.0, 0.0])),
        Thing(owner="b", embedding=near, place=Place(city="Oslo", at=[1.0, 0.0])),
        Thing(owner="a", embedding=near),
        Thing(owner="c", embedding=near),
    )

    def places(filter: Any) -> list[int]:
        return sorted([*map(str, ids)].index(id) for id, _ in found(bench, near, filter=filter))

    assert places({"owner": "a"}) == [0, 2]
    assert places({"place.city": "Oslo"}) == [0, 1]
    assert places({"place.city": UNSET}) == [2, 3]
    assert places({"owner": "a", "place.city": "Oslo"}) == [0]
    assert places([{"owner": "b"}, {"owner": "c"}]) == [1, 3]
    assert places([{"owner": "a", "place.city": "Oslo"}, {"owner": "c"}]) == [0, 3]
    assert places({"owner": "z"}) == []
    assert places([{"owner": "b"}] * 64) == [1]


def test_a_filter_that_few_fit_finds_all_of_them_however_far_they_are(bench: Bench) -> None:
    put(bench, *[Thing(owner="many", embedding=[1.0, number / 1e6, 0.0]) for number in range(500)])
    few = put(bench, *[Thing(owner="few", embedding=[-1.0, number / 10, 0.0]) for number in range(7)])
    assert {id for id, _ in found(bench, [1, 0, 0], limit=256, filter={"owner": "few"})} == {*few}
    assert len(found(bench, [1, 0, 0], limit=256)) == 256


def test_equal_scores_go_by_id_and_nothing_depends_on_the_order_of_writing(bench: Bench) -> None:
    generator = random.Random(4)
    some = [[generator.gauss(0, 1) for _ in range(3)] for _ in range(100)]
    vectors = [*some, *some, *[[number * 3.7 for number in vector] for vector in some]]

    def ranked(order: list[int]) -> tuple[list[float], Bench]:
        fresh = bench_of(Thing)
        put(fresh, *[Thing(embedding=vectors[place]) for place in order])
        results = found(fresh, [1.0, 2.0, 3.0], limit=256)
        assert results == sorted(results, key=lambda one: (-one[1], one[0]))
        return [score for _, score in results], fresh

    order = [*range(len(vectors))]
    first, _ = ranked(order)
    generator.shuffle(order)
    second, shuffled = ranked(order)
    assert first == second
    # Rows that were moved about: deleted, and written again.
    table = shuffled.database.runtime.tables.table("things")
    ids = [*table.versions][::2]

    async def rewrite(ctx: MutationCtx) -> None:
        for id in ids:
            old: Any = await ctx.db.get(id)  # type: ignore[arg-type]
            await ctx.db.delete(id)  # type: ignore[arg-type]
            await ctx.db.insert(Thing(embedding=[*old.embedding]))

    shuffled.write(rewrite)
    assert [score for _, score in found(shuffled, [1.0, 2.0, 3.0], limit=256)] == first


def test_where_float32_cannot_tell_who_is_nearer_the_nearest_are_found_all_the_same() -> None:
    generator = random.Random(5)
    long = note_of(64)
    bench = bench_of(long)
    index: Any = long
    base = [generator.gauss(0, 1) for _ in range(64)]

    async def fill(ctx: MutationCtx) -> None:
        for _ in range(300):
            embedding = [number + generator.gauss(0, 1e-4) for number in base]
            await ctx.db.insert("notes", {"embedding": embedding})

    bench.write(fill)
    documents = [version.document for version in bench.database.runtime.tables.table("notes").versions.values()]
    for _ in range(10):
        wanted = [number + generator.gauss(0, 1e-4) for number in base]
        agree(found(bench, wanted, index.by_embedding, limit=5), scores(documents, wanted, None), 5)


def test_a_query_that_would_compare_too_many_says_to_use_an_action(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relive.engine.transactions.vector_search.VECTOR_NUMBERS_COMPARED_MAX", 30)
    put(bench, *[Thing(owner="a" if number < 3 else "b", embedding=[1.0, 0.0, 0.0]) for number in range(10)])
    assert len(found(bench, [1, 0, 0])) == 10
    put(bench, Thing(owner="b", embedding=[1.0, 0.0, 0.0]))
    with pytest.raises(LimitReached, match=r"33 in one transaction, 30 allowed\. .* search in an action"):
        found(bench, [1, 0, 0])
    assert len(found(bench, [1, 0, 0], filter={"owner": "a"})) == 3
    assert VECTOR_NUMBERS_COMPARED_MAX == 1 << 26


def test_after_a_start_nothing_is_read_before_somebody_searches_and_the_search_keeps_no_documents() -> None:
    bench = bench_of(Other)

    async def fill(ctx: MutationCtx) -> None:
        for number in range(50):
            await ctx.db.insert(Other(embedding=[1.0, float(number), 0.0]))

    bench.write(fill)
    before = found(bench, [1, 0, 0], Other.by_embedding, limit=5)
    again = bench.reopen()
    table = again.database.runtime.tables.table("others")
    assert not table.compared
    # As a start from a checkpoint leaves them.
    from relive.actors.version import unread
    from relive.protocol import cbor

    make = unread(table.definition.decode)
    codec = again.executor.codecs["others"]
    for id, version in [*table.versions.items()]:
        version_of = make(id, cbor.encode(codec.fields(version)), version.lsn)
        table.versions[id] = version_of
    assert found(again, [1, 0, 0], Other.by_embedding, limit=5) == before
    assert sum(isinstance(version, Unread) for version in table.versions.values()) >= 40


def refused(make: Callable[..., object], *args: Any, **options: Any) -> str:
    with pytest.raises((TypeError, AppInvalid)) as caught:
        make(*args, **options)
    return str(caught.value)


def test_what_is_no_vector_of_numbers_cannot_be_indexed() -> None:
    def table(hint: Any, **options: Any) -> None:
        declaration = field()
        options = {"dimensions": 3, **options}
        namespace = {
            "__module__": __name__,
            "__annotations__": {"v": hint, "w": str},
            "v": declaration,
            "w": (second := field()),
        }
        if "filters" in options:
            options["filters"] = second if options["filters"] == "bare" else (second,) * options["filters"]
        namespace["by_v"] = vector_index(declaration, **options)
        make: Any = type(Document)
        app_of(make("Made", (Document,), namespace))

    table(list[float])
    table(list[float] | None, dimensions=4096)
    table(list[float], dimensions=2, filters=1)
    for hint in (str, list[int], list[str], float, list[float] | str, list[list[float]], Any):
        assert "`v` has to be a list[float]" in refused(table, hint)
    for dimensions in (1, 4097, 3.0, "3", True):
        said = refused(table, list[float], dimensions=dimensions)
        assert "dimensions= is a whole number from 2 to 4,096" in said
    assert "a tuple of up to 16" in refused(table, list[float], filters="bare")
    assert "a tuple of up to 16" in refused(table, list[float], filters=17)
    assert "each field once" in refused(table, list[float], filters=2)
    assert "declared with field()" in refused(vector_index, [1.0], dimensions=3)


def test_clients_and_the_description_of_the_app_know_the_index() -> None:
    app = app_of(Thing)
    types = data_model_types(app.tables.values())
    wanted = '"by_embedding": { vectorField: "vector"; dimensions: number; filterFields: "who" | "place.city" };'
    assert wanted in types
    assert '"by_place": { vectorField: "place.where"; dimensions: number; filterFields: never };' in types
    spec: Any = tables_spec(app)[0]
    assert spec["vectorIndexes"] == [
        {"name": "by_embedding", "vectorField": "vector", "dimensions": 3.0, "filterFields": ["who", "place.city"]},
        {"name": "by_place", "vectorField": "place.where", "dimensions": 2.0, "filterFields": []},
    ]
    changes: Any = AppChanges.between(app_of(), app).record()["indexes"]
    assert "3 dimensions of vector with (who, place.city)" in str(changes)


def note_of(dimensions: int | None) -> type[Document]:
    embedding = field()
    namespace: dict[str, Any] = {
        "__module__": __name__,
        "__annotations__": {"embedding": list[float]},
        "embedding": embedding,
    }
    if dimensions is not None:
        namespace["by_embedding"] = vector_index(embedding, dimensions=dimensions)
    make: Any = type(Document)
    made: type[Document] = make("Note", (Document,), namespace)
    return made


def test_a_deploy_fills_a_new_index_and_refuses_one_that_stored_vectors_do_not_fit() -> None:
    plain, indexed, longer = note_of(None), note_of(3), note_of(4)
    bench = open_bench(app_of(plain))

    async def fill(ctx: MutationCtx) -> list[str]:
        return [await ctx.db.insert("notes", {"embedding": [1.0, float(number), 0.0]}) for number in range(20)]

    ids = bench.write(fill)
    bench.flush()
    bench.deploy(app_of(indexed, version=2))
    assert bench.database.runtime.tables.table("notes").compared.keys() == {"by_embedding"}
    assert bench.database.vectors_pending() == 0, "nobody has searched, and the deploy left nothing to wait for"
    index: Any = indexed
    assert [id for id, _ in found(bench, [1, 0, 0], index.by_embedding, limit=3)] == ids[:3]
    bench.flush()
    with pytest.raises(SchemaMismatch, match="3 numbers; the vectors of this index have 4"):
        bench.deploy(app_of(longer, version=3))
    assert [id for id, _ in found(bench, [1, 0, 0], index.by_embedding, limit=3)] == ids[:3]


def test_documents_are_checked_again_where_a_vector_has_to_have_another_length() -> None:
    prints = {codec_of(note_of(dimensions)).definition.fingerprint for dimensions in (None, 3, 3, 4)}
    assert len(prints) == 3


def codec_of(cls: type[Document]) -> TableCodec:
    codec = bench_of(cls).executor.codecs["notes"]
    assert codec.definition.fingerprint
    return codec


def test_the_server_looks_at_vectors_bit_by_bit_so_that_a_search_finds_them_ready(bench: Bench) -> None:
    put(bench, *[Thing(embedding=[1.0, float(number), 0.0]) for number in range(50)])
    again = bench.reopen()
    table = again.database.runtime.tables.table("things")
    assert again.database.vectors_pending() == 100
    trio.run(again.database.fill_vectors, 50)
    assert again.database.vectors_pending() == 20
    trio.run(again.database.fill_vectors)
    assert again.database.vectors_pending() == 0
    assert [*table.compared] == ["by_embedding", "by_place"]
    assert not any(vectors.pending for vectors in table.compared.values())
    put(again, Thing(embedding=[1.0, 0.0, 0.0]))
    assert len(table.compared["by_embedding"].pending) == 1
    again.check()


def test_an_action_that_finds_the_table_changed_under_its_comparison_begins_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("relive.actors.comparison.STEP_NUMBERS", 3)
    monkeypatch.setattr("relive.actors.vectors.BLOCK_NUMBERS", 6)
    bench = bench_of(Thing)
    ids = put(bench, *[Thing(embedding=[1.0, number / 10, 0.0]) for number in range(6)])
    tables, codec = bench.database.runtime.tables, bench.executor.codecs["things"]
    pauses: list[None] = []

    async def drop(ctx: MutationCtx) -> None:
        await ctx.db.delete(ids[0])

    async def pause() -> None:
        pauses.append(None)
        if len(pauses) == 3:
            # The last row takes the place of the first, which has been compared already.
            bench.write(drop)

    def find() -> tuple[Table, TableVectorIndex]:
        return tables.table("things"), codec.vector_indexes["by_embedding"]

    def ask(known: TableVectorIndex) -> Asked:
        return known.asked([1.0, 0.0, 0.0], 10, None)

    nearest = trio.run(nearest_of_table, find, ask, pause)
    assert [one.id for one in nearest] == ids[1:]
    assert len(pauses) > 6


def test_an_action_that_finds_another_version_deployed_searches_in_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relive.engine.transactions.vector_search.PER_TURN", 1)
    monkeypatch.setattr("relive.engine.transactions.vector_search.BEGUN_AGAIN_MAX", 0)
    before, after = bench_of(Thing), bench_of(Thing)
    put(before, *[Thing(embedding=[1.0, float(number), 0.0]) for number in range(4)])
    ids = put(after, Thing(embedding=[1.0, 2.0, 3.0]), Thing(embedding=[3.0, 2.0, 1.0]))
    served = [before]

    async def pause() -> None:
        served[0] = after

    def find() -> tuple[Table, TableVectorIndex]:
        bench = served[0]
        return bench.database.runtime.tables.table("things"), bench.executor.codecs["things"].vector_indexes[
            "by_embedding"
        ]

    def ask(known: TableVectorIndex) -> Asked:
        return known.asked([3.0, 2.0, 1.0], 10, None)

    nearest = trio.run(nearest_of_table, find, ask, pause)
    assert [one.id for one in nearest] == [ids[1], ids[0]]


APP = """
import trio
from relive import *

class Doc(Document):
    kind: str = field()
    embedding: list[float] = field()
    by_embedding = vector_index(embedding, dimensions=3, filters=(kind,))

@mutation
async def put(ctx: MutationCtx, kind: str, embedding: list[float]) -> Id[Doc]:
    return await ctx.db.insert(Doc(kind=kind, embedding=embedding))

@query
async def near(ctx: QueryCtx, vector: list[float]) -> list[Id[Doc]]:
    return [found.id for found in await ctx.vector_search(Doc.by_embedding, vector)]

@action
async def search(ctx: ActionCtx, vector: list[float], kind: str | None = None, limit: int = 10) -> list[Id[Doc]]:
    found = await ctx.vector_search(
        Doc.by_embedding, vector, limit=limit, filter=None if kind is None else {"kind": kind}
    )
    return [id for id, _ in found]

@action(runtime="asyncio")
async def search_elsewhere(ctx: ActionCtx, vector: list[float]) -> list[float]:
    await ctx.run_mutation(put, kind="own", embedding=vector)
    return [found.score for found in await ctx.vector_search(Doc.by_embedding, vector, limit=2)]

@action
async def search_while_writing(ctx: ActionCtx) -> list[float]:
    scores = []
    async def write() -> None:
        for number in range(5):
            await ctx.run_mutation(put, kind="w", embedding=[1.0, 1.0, float(number)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        for _ in range(5):
            found = await ctx.vector_search(Doc.by_embedding, [1.0, 1.0, 0.0], limit=256)
            scores.append(float(len(found)))
    found = await ctx.vector_search(Doc.by_embedding, [1.0, 1.0, 0.0], limit=256)
    return [*scores, float(len(found))]
"""


@pytest.fixture
def app() -> Iterator[TestApp]:
    with TestApp({"docs": APP}) as app:
        yield app


def test_actions_search_as_queries_do_on_trio_and_in_asyncio(app: TestApp) -> None:
    ids = [app.mutation("docs:put", kind="ab"[number % 2], embedding=[1.0, number / 10, 0.0]) for number in range(6)]
    assert app.action("docs:search", vector=[1.0, 0.0, 0.0]) == ids
    assert app.action("docs:search", vector=[1.0, 0.0, 0.0], kind="b", limit=2) == [ids[1], ids[3]]
    assert app.query("docs:near", vector=[1.0, 0.0, 0.0]) == ids
    own, other = app.action("docs:search_elsewhere", vector=[0.0, 0.0, 1.0])
    assert (own, other) == (1.0, 0.0)
    with pytest.raises(FunctionFailed, match="2 numbers; the vectors of this index have 3"):
        app.action("docs:search", vector=[1.0, 0.0])
    with pytest.raises(FunctionFailed, match="gives 1 to 256"):
        app.action("docs:search", vector=[1.0, 0.0, 0.0], limit=1000)


def test_an_action_that_searches_while_others_write_finds_what_there_was_at_one_moment(
    app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relive.actors.comparison.STEP_NUMBERS", 3)
    monkeypatch.setattr("relive.actors.vectors.BLOCK_NUMBERS", 6)
    monkeypatch.setattr("relive.engine.transactions.vector_search.PER_TURN", 1)
    for number in range(4):
        app.mutation("docs:put", kind="a", embedding=[1.0, number / 10, 0.0])
    *seen, last = app.action("docs:search_while_writing")
    assert seen == sorted(seen)
    assert last == 9


def test_a_live_search_runs_again_when_a_vector_comes(app: TestApp) -> None:
    watch = app.watch("docs:near", vector=[1.0, 0.0, 0.0])
    assert watch.results[-1] == []
    id = app.mutation("docs:put", kind="a", embedding=[1.0, 1.0, 0.0])
    assert watch.results[-1] == [id]
