"""What a mutation writes, as it sees it itself, as others see it, and as the log holds it."""

from __future__ import annotations

from typing import Any

import pytest
from relive.engine.data.schema import UNSET, Document, Int64, Record, Unset, field, index
from relive.engine.errors import DocumentInvalid, DocumentMissing, LimitReached, TableUnknown
from relive.engine.transactions.context import MutationCtx
from relive.engine.transactions.operations import increment
from relive.log.entry import LSN
from relive.protocol import cbor, ids

from .bench import Bench, bench_of


class Rack(Document):
    name: str = field()
    books: int = 0
    label: str | Unset = UNSET
    weight: float = field(name="grams", default=0.0)
    by_name = index(name)


class Other(Document):
    x: int = 0


def rack_of(bench: Bench, **fields: Any) -> Any:
    """The id of a new rack; anything, so that it can be misused."""

    async def insert(ctx: MutationCtx) -> Any:
        return await ctx.db.insert(Rack(**{"name": "a", **fields}))

    return bench.write(insert)


def one_rack(**fields: Any) -> tuple[Bench, Any]:
    bench = bench_of(Rack, Other)
    return bench, rack_of(bench, **fields)


def read(bench: Bench, id: Any) -> Any:
    async def get(ctx: MutationCtx) -> Any:
        return await ctx.db.get(id)

    return bench.run(get).result


def written(bench: Bench, lsn: int | None = None) -> list[tuple[str, int, Any]]:
    """The newest entry's writes, decoded: id, entry of the version before, document."""
    entry = bench.entry(LSN(lsn) if lsn is not None else None)
    return [(w.id, w.previous, None if w.document is None else cbor.decode(w.document)) for w in entry.writes]


def test_a_transaction_reads_what_it_wrote() -> None:
    bench, id = one_rack(books=1)

    async def handler(ctx: MutationCtx) -> list[Any]:
        new = await ctx.db.insert(Rack(name="b"))
        patched: Any = await ctx.db.patch(id, books=5)
        seen: Any = await ctx.db.get(id)
        assert seen is patched
        await ctx.db.delete(new)
        by_name = [rack.books async for rack in ctx.db.query(Rack).index(Rack.by_name, "a")]
        return [patched.books, await ctx.db.get(new), by_name]

    assert bench.write(handler) == [5, None, [5]]


def test_others_see_a_write_when_it_is_committed() -> None:
    bench, id = one_rack(books=1)

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, books=2)

    ran = bench.run(handler)
    assert read(bench, id).books == 1
    bench.database.runtime.commit(bench.commit_of(ran))
    assert read(bench, id).books == 2


def test_a_transaction_that_fails_writes_nothing() -> None:
    bench, id = one_rack(books=1)

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, books=2)
        raise KeyError

    with pytest.raises(KeyError):
        bench.write(handler)
    assert read(bench, id).books == 1


@pytest.mark.parametrize(
    "same",
    [{}, {"books": 1}, {"books": 1.0}, {"label": UNSET}, {"weight": 0}, {"name": "a", "grams": 0.0}],
)
def test_a_patch_that_changes_nothing_is_no_write(same: dict[str, Any]) -> None:
    bench, id = one_rack(books=1)
    before = read(bench, id)

    async def handler(ctx: MutationCtx) -> Any:
        return await ctx.db.patch(id, **same)

    ran = bench.run(handler)
    assert ran.result is before
    assert ran.transaction.changes() == ()


def test_a_replace_by_the_same_is_no_write() -> None:
    bench, id = one_rack(books=1)

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.replace(id, Rack(name="a", books=1))
        await ctx.db.replace(id, {"name": "a", "books": 1})

    assert bench.run(handler).transaction.changes() == ()


def test_minus_zero_is_another_number() -> None:
    bench, id = one_rack()

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, weight=-0.0)

    assert len(bench.run(handler).transaction.changes()) == 1


def test_unset_takes_a_field_away_and_defaults_come_back() -> None:
    bench, id = one_rack(books=3, label="x")

    async def handler(ctx: MutationCtx) -> Any:
        return await ctx.db.patch(id, label=UNSET, books=UNSET)

    patched = bench.write(handler)

    assert (patched.label, patched.books) == (UNSET, 0)
    assert "label" not in written(bench)[0][2]


def test_a_field_that_must_be_there_cannot_be_taken_away() -> None:
    bench, id = one_rack()

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, name=UNSET)

    with pytest.raises(DocumentInvalid, match="missing required field `name`"):
        bench.write(handler)


def test_fields_are_named_as_in_python_or_as_stored() -> None:
    bench, id = one_rack()

    async def handler(ctx: MutationCtx) -> tuple[float, float]:
        one = await ctx.db.patch(id, weight=1.5)
        two = await ctx.db.patch(id, grams=2.5)
        return one.weight, two.weight

    assert bench.write(handler) == (1.5, 2.5)
    assert written(bench)[0][2]["grams"] == 2.5


def test_replace_keeps_the_system_fields_and_nothing_else() -> None:
    bench, id = one_rack(books=3, label="x")
    before = read(bench, id)

    async def handler(ctx: MutationCtx) -> Any:
        return await ctx.db.replace(id, Rack(name="b"))

    after = bench.write(handler)

    assert (after.id, after.creation_time) == (before.id, before.creation_time)
    assert (after.name, after.books, after.label) == ("b", 0, UNSET)


def test_a_document_of_another_class_cannot_replace() -> None:
    bench, id = one_rack()

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.replace(id, Other())

    with pytest.raises(DocumentInvalid, match="a Other cannot replace it"):
        bench.write(handler)


@pytest.mark.parametrize("operation", ["patch", "replace", "delete"])
def test_what_is_not_there_cannot_be_changed(operation: str) -> None:
    bench, id = one_rack()

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.delete(id)
        database: Any = ctx.db
        match operation:
            case "patch":
                await database.patch(id, books=1)
            case "replace":
                await database.replace(id, Rack(name="b"))
            case _:
                await database.delete(id)

    with pytest.raises(DocumentMissing, match=f"{operation}: there is no document '{id}'"):
        bench.write(handler)


@pytest.mark.parametrize("id", ["", "nothing", "k" * 32])
def test_text_that_is_no_id_names_no_document(id: Any) -> None:
    bench, _ = one_rack()

    assert read(bench, id) is None


def test_an_id_is_text() -> None:
    bench, _ = one_rack()

    with pytest.raises(TypeError, match="an id is text, not int"):
        read(bench, 7)


def test_inserting_and_deleting_at_once_leaves_no_write() -> None:
    bench, _ = one_rack()

    async def handler(ctx: MutationCtx) -> None:
        id = await ctx.db.insert(Rack(name="b"))
        await ctx.db.patch(id, books=1)
        await ctx.db.delete(id)

    assert bench.run(handler).transaction.changes() == ()


def test_many_writes_of_one_document_are_one_write_from_the_version_before() -> None:
    bench, id = one_rack()

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, books=1)
        await ctx.db.patch(id, name="c")
        await ctx.db.patch(id, books=2)

    bench.write(handler)
    ((written_id, previous, document),) = written(bench)

    assert (written_id, previous) == (id, 2)
    assert (document["name"], document["books"]) == ("c", 2)


def test_a_delete_is_a_tombstone_that_names_the_version_before() -> None:
    bench, id = one_rack()

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.delete(id)

    bench.write(handler)

    assert written(bench) == [(id, 2, None)]


def test_ids_are_of_their_table_and_creation_times_grow() -> None:
    bench = bench_of(Rack, Other)

    async def handler(ctx: MutationCtx) -> list[Any]:
        made = [await ctx.db.insert(Rack(name="a")) for _ in range(50)]
        other = await ctx.db.insert(Other())
        return [made, other, await ctx.db.query(Rack).collect()]

    made, other, racks = bench.write(handler)
    times = [rack.creation_time for rack in racks]

    assert [rack.id for rack in racks] == made
    assert len({*made, other}) == 51
    assert {ids.table_number(id) for id in made} == {bench.database.catalog.number_of("racks")}
    assert ids.table_number(other) == bench.database.catalog.number_of("others")
    assert times == sorted(set(times))
    assert times[0] == bench.entry().clock / 1e6


@pytest.mark.parametrize("tick_ns", [0, -1_000_000])
def test_documents_are_in_the_order_of_their_commits_whatever_the_clock_does(tick_ns: int) -> None:
    bench = bench_of(Rack, Other)
    bench.clock.tick_ns = tick_ns
    made: list[Any] = []

    async def handler(ctx: MutationCtx) -> None:
        made.extend([await ctx.db.insert(Rack(name="a")) for _ in range(20)])

    async def all_ids(ctx: MutationCtx) -> list[Any]:
        return [rack.id async for rack in ctx.db.query(Rack)]

    for _ in range(20):
        bench.write(handler)

    assert bench.run(all_ids).result == made


def test_system_fields_are_not_for_handlers() -> None:
    bench, id = one_rack()
    rack = read(bench, id)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert(rack)

    async def patch_id(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, id="x")

    async def patch_time(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, _creationTime=1.0)

    for handler in (insert, patch_id, patch_time):
        with pytest.raises(DocumentInvalid):
            bench.write(handler)


def test_system_tables_are_read_only() -> None:
    bench, _ = one_rack()

    async def rows(ctx: MutationCtx) -> list[Any]:
        return await ctx.db.system.query("_tables").collect()

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert("_tables", {"name": "x", "number": 1})

    async def delete(ctx: MutationCtx) -> None:
        for row in await ctx.db.system.query("_tables").collect():
            await ctx.db.delete(row["_id"])

    assert sorted(row["name"] for row in bench.run(rows).result) == ["others", "racks"]
    for handler in (insert, delete):
        with pytest.raises(DocumentInvalid, match="belong to the system"):
            bench.write(handler)


def test_a_table_without_a_class_comes_into_being_by_a_write() -> None:
    bench, _ = one_rack()

    async def insert(ctx: MutationCtx) -> Any:
        id = await ctx.db.insert("imports", {"a": 1})
        second = await ctx.db.insert("imports", {"b": 1})
        row: Any = await ctx.db.get(id)  # type: ignore[arg-type]
        assert dict(row) == {"a": 1, "_id": id, "_creationTime": row["_creationTime"]}
        assert len(await ctx.db.query("imports").collect()) == 2
        return id, second

    id, _ = bench.write(insert)

    assert bench.database.catalog.name_of(ids.table_number(id)) == "imports"
    assert bench.reopen().database.catalog.number_of("imports") == 10_003
    with pytest.raises(TypeError, match="read-only"):
        read(bench, id)["a"] = 2


def test_a_document_that_is_no_object_is_refused() -> None:
    bench, _ = one_rack()
    target: Any = [1]

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.insert("imports", target)

    with pytest.raises(DocumentInvalid, match="a document is an object, not list"):
        bench.write(handler)


def test_only_documents_have_tables() -> None:
    class Point(Record):
        x: int

    bench, _ = one_rack()
    target: Any = Point(x=1)

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.insert(target)

    with pytest.raises(TableUnknown, match="there is no table 'Point'"):
        bench.write(handler)


def test_text_is_normalized_to_an_id_of_the_table_or_nothing() -> None:
    bench, id = one_rack()

    async def handler(ctx: MutationCtx) -> list[Any]:
        normalize = ctx.db.normalize_id
        return [normalize(Rack, id), normalize("racks", id), normalize(Other, id), normalize(Rack, "x")]

    assert bench.run(handler).result == [id, id, None, None]


@pytest.mark.parametrize("text", [5, None, ["a"], {}])
def test_what_is_no_text_is_no_id_of_anything(text: Any) -> None:
    bench, _ = one_rack()

    async def handler(ctx: MutationCtx) -> Any:
        return ctx.db.normalize_id(Rack, text)

    with pytest.raises(TypeError, match="an id is text, not"):
        bench.run(handler)


def test_values_of_every_kind_come_back_after_a_restart() -> None:
    bench, _ = one_rack()
    values: list[Any] = [
        None,
        True,
        1,
        -0.0,
        1.5,
        float("inf"),
        2**53 - 1,
        Int64(2**63 - 1),
        "é\0",
        b"\xff",
        [[]],
        {"k": {}},
    ]

    async def insert(ctx: MutationCtx) -> Any:
        return await ctx.db.insert("imports", {"values": values})

    id = bench.write(insert)
    before, after = read(bench, id), read(bench.reopen(), id)

    assert repr(after) == repr(before)
    assert repr(list(after["values"])) == repr(values)


def test_there_are_only_so_many_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relive.engine.transactions.mutation_run.TABLES_MAX", 3)
    bench = bench_of(Rack)  # The first table.

    async def two_more(ctx: MutationCtx) -> None:
        await ctx.db.insert("second", {})
        await ctx.db.insert("third", {})

    async def one_more(ctx: MutationCtx) -> None:
        with pytest.raises(LimitReached, match="too many tables: 4 in one transaction, 3 allowed"):
            await ctx.db.insert("fourth", {})

    bench.write(two_more)
    bench.write(one_more)


@pytest.mark.parametrize(("name", "fits"), [("n" * 64, True), ("n" * 65, False)])
def test_names_of_fields_have_a_bounded_length(name: str, fits: bool) -> None:
    bench = bench_of(Rack)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert("loose", {"inner": {"n" * 65: 1}})
        await ctx.db.insert("loose", {name: 1})

    if fits:
        bench.write(insert)
    else:
        with pytest.raises(DocumentInvalid, match="65 characters; 64 are allowed"):
            bench.write(insert)


@pytest.mark.parametrize("name", ["_x", "_id2", "_"])
def test_names_that_begin_with_an_underscore_belong_to_the_system(name: str) -> None:
    bench = bench_of(Rack)

    async def insert(ctx: MutationCtx) -> Any:
        return await ctx.db.insert("untyped", {"a": 1})

    id = bench.write(insert)

    async def insert_it(ctx: MutationCtx) -> None:
        await ctx.db.insert("untyped", {name: 1})

    async def patch_it(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, **{name: 1})

    async def replace_it(ctx: MutationCtx) -> None:
        await ctx.db.replace(id, {name: 1})

    async def merge_it(ctx: MutationCtx) -> None:
        await ctx.db.merge(id, **{name: increment(1)})

    for handler in (insert_it, patch_it, replace_it, merge_it):
        with pytest.raises(DocumentInvalid, match=f"`{name}`: names that begin with _ belong to the system"):
            bench.write(handler)


def test_a_name_of_a_field_has_a_limit_without_a_class_too() -> None:
    bench = bench_of(Rack)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert("untyped", {"x" * 64: 1, "y" * 65: 1})

    with pytest.raises(DocumentInvalid, match="a field's name has 65 characters; 64 are allowed"):
        bench.write(insert)


def test_a_document_of_another_id_cannot_replace_one() -> None:
    bench = bench_of(Rack)

    async def two(ctx: MutationCtx) -> list[Any]:
        return [await ctx.db.insert("loose", {"n": n}) for n in range(2)]

    async def swap(ctx: MutationCtx) -> None:
        database: Any = ctx.db
        other = await database.get(ids_[1])
        with pytest.raises(DocumentInvalid, match="cannot replace"):
            await database.replace(ids_[0], other)
        await database.replace(ids_[0], await database.get(ids_[0]))

    ids_ = bench.write(two)
    bench.write(swap)
