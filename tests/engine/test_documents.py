"""Documents: what a table class accepts, what handlers get, and what they may not do with it."""

from __future__ import annotations

import copy
from typing import Any, Literal

import pytest
from relive.engine.data.documents import convert, to_value
from relive.engine.data.read_only import freeze
from relive.engine.data.schema import (
    UNSET,
    Document,
    Id,
    Int64,
    Record,
    Unset,
    field,
    index,
    table_name,
)
from relive.engine.errors import DocumentInvalid
from relive.engine.limits import INDEX_FIELDS_MAX
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.protocol.errors import InvalidValue

from .bench import Bench, bench_of


class Author(Document):
    name: str


class Circle(Record, tag="circle"):
    radius: float
    drawn_by: Id[Author] | None = None


class Square(Record, tag="square"):
    side: float
    drawn_by: Id[Drawing] | None = None


class Drawing(Document):
    title: str = field(name="caption")
    shape: Circle | Square
    author: Id[Author] | None = None
    friends: list[Id[Author]] = field(default_factory=list)
    by_friend: dict[str, Id[Author]] = field(default_factory=dict)
    note: str | Unset = UNSET
    views: Int64 = Int64(0)
    rows: tuple[list[int], ...] = ()
    extra: Any = None
    data: bytes = b""
    mood: Literal["calm", "wild"] = "calm"
    by_title = index(title)


def drawing(**fields: Any) -> Drawing:
    return Drawing(**{"title": "a", "shape": Circle(radius=1.0), **fields})


def insert(bench: Bench, document: Document) -> str:
    async def handler(ctx: MutationCtx) -> str:
        return await ctx.db.insert(document)

    return bench.write(handler)


def stored(document: Drawing) -> Drawing:
    """The document as a handler gets it, from the running database; after a restart it is the same."""
    bench = bench_of(Author, Drawing)
    insert(bench, document)

    async def first(ctx: QueryCtx) -> Drawing:
        found = await ctx.db.query(Drawing).first()
        assert found is not None
        return found

    served = bench.read(first)
    again = bench.reopen().read(first)
    assert to_value(again) == to_value(served)
    return served


def refused(document: Document) -> str:
    bench = bench_of(Author, Drawing)
    with pytest.raises(DocumentInvalid) as caught:
        insert(bench, document)
    return caught.value.problem


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("Message", "messages"),
        ("BlogEntry", "blogEntries"),
        ("Day", "days"),
        ("Box", "boxes"),
        ("Bus", "buses"),
        ("Match", "matches"),
        ("Wish", "wishes"),
        ("URL", "uRLs"),
    ],
)
def test_a_table_is_named_by_the_plural_of_its_class(name: str, table: str) -> None:
    assert table_name(name) == table


def test_a_table_may_be_named_otherwise() -> None:
    class Person(Document, table="people"):
        name: str

    assert Person.__table__ == "people"


def test_an_index_takes_declared_fields_only() -> None:
    with pytest.raises(TypeError, match=r"declared with field\(\)"):

        class Wrong(Document):
            name: str = ""
            by_name = index(name)


def test_an_index_takes_fields_of_its_own_class_only() -> None:
    declared: Any = field()
    with pytest.raises(TypeError, match=r"Wrong\.by_name: index\(\) takes fields that the same class declares"):

        class Wrong(Document):
            by_name = index(declared)


def test_a_field_without_a_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"`name = field\(\.\.\.\)` needs a type"):

        class Wrong(Document):
            name = field()


def test_an_index_has_a_bounded_number_of_fields() -> None:
    declared: Any = [field() for _ in range(INDEX_FIELDS_MAX)]
    make: Any = index

    with pytest.raises(TypeError, match="1 to 15 fields, not 16"):
        make(*declared)
    with pytest.raises(TypeError, match="1 to 15 fields, not 0"):
        make()


def test_fields_are_stored_under_their_stored_names() -> None:
    served = to_value(stored(drawing(title="sea")))

    assert isinstance(served, dict)
    assert served["caption"] == "sea"
    assert "title" not in served


def test_records_may_declare_fields_too() -> None:
    class Tag(Record):
        id: str = field(name="key")
        parts: list[str] = field(default_factory=list)

    assert to_value(Tag(id="a")) == {"key": "a", "parts": []}
    assert convert({"key": "a"}, Tag) == Tag(id="a")


def test_a_missing_field_is_not_null() -> None:
    missing, given = stored(drawing()), stored(drawing(note="n"))
    fields = to_value(missing)

    assert isinstance(fields, dict)
    assert (missing.note, given.note) == (UNSET, "n")
    assert "note" not in fields
    assert refused(drawing(note=None)) == "Expected `str`, got `null` (at $.note)"


def test_numbers_and_int64_are_two_kinds() -> None:
    served = stored(drawing(views=Int64(7), extra=[7, Int64(7)]))

    assert type(served.views) is Int64
    assert [type(item) for item in served.extra] == [int, Int64]


def test_a_plain_int_will_do_where_an_int64_is_stored() -> None:
    served = stored(drawing(views=7))

    assert (type(served.views), served.views) == (Int64, 7)


def test_tagged_records_come_back_as_what_they_were() -> None:
    assert stored(drawing(shape=Square(side=2.0))).shape == Square(side=2.0)
    assert stored(drawing(shape=Circle(radius=2.0))).shape == Circle(radius=2.0)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"title": 3}, "Expected `str`, got `int` (at $.caption)"),
        ({"friends": [4]}, "Expected `str`, got `int` (at $.friends[0])"),
        ({"data": "aGk="}, "Expected `bytes`, got `str` (at $.data)"),
        ({"mood": "tired"}, "Invalid enum value 'tired' (at $.mood)"),
        ({"extra": {1, 2}}, "a set has no order: use sorted(...)"),
        ({"extra": 2**53}, "beyond 2**53-1"),
        ({"extra": {"a": ["ok", "\ud800"]}}, "(at $.extra.a[1])"),
        ({"extra": object()}, "object is not a value"),
        ({"views": 2**63}, "beyond 2**53-1"),
        ({"shape": {"type": "triangle"}}, "Invalid value 'triangle'"),
    ],
)
def test_a_field_that_does_not_fit_is_named(fields: dict[str, Any], problem: str) -> None:
    bench = bench_of(Author, Drawing)

    with pytest.raises(DocumentInvalid) as caught:
        insert(bench, drawing(**fields))
    assert problem in caught.value.problem
    assert bench.database.runtime.tail.head == 1


def test_a_document_of_over_a_megabyte_is_refused() -> None:
    assert "a document has at most 1,048,576" in refused(drawing(data=bytes(2**20)))


def test_a_document_nested_too_deep_is_refused() -> None:
    deep: Any = 0
    for _ in range(16):
        deep = [deep]

    assert refused(drawing(extra=deep)) == f"nested more than 16 deep (at $.extra{'[0]' * 15})"


def ids() -> tuple[Bench, str, str]:
    bench = bench_of(Author, Drawing)
    return bench, insert(bench, Author(name="ada")), insert(bench, drawing())


@pytest.mark.parametrize(
    "fields_of",
    [
        lambda id: {"author": id},
        lambda id: {"friends": [id]},
        lambda id: {"by_friend": {"ada": id}},
        lambda id: {"shape": Circle(radius=1.0, drawn_by=id)},
    ],
    ids=["optional", "list", "dict", "record"],
)
def test_ids_are_of_the_table_that_the_field_says(fields_of: Any) -> None:
    bench, author, other = ids()
    insert(bench, drawing(**fields_of(author)))

    for wrong in (other, "nobody", author[:-1]):
        with pytest.raises(DocumentInvalid, match="expected an id of table `authors`"):
            insert(bench, drawing(**fields_of(wrong)))


def test_the_tag_decides_which_table_an_id_in_a_union_is_of() -> None:
    bench, author, other = ids()
    square: Any = Square
    insert(bench, drawing(shape=square(side=1.0, drawn_by=other)))

    with pytest.raises(DocumentInvalid, match="expected an id of table `drawings`"):
        insert(bench, drawing(shape=square(side=1.0, drawn_by=author)))


def test_documents_are_read_only_all_through() -> None:
    served = stored(drawing(rows=([1], [2]), extra={"a": [{"b": 1}]}, friends=[]))

    for change in (
        lambda: served.friends.append("x"),  # type: ignore[arg-type]
        lambda: served.rows[0].append(2),
        lambda: served.extra.update(a=1),
        lambda: served.extra["a"].clear(),
        lambda: served.extra["a"][0].pop("b"),
        lambda: served.by_friend.setdefault("a", "b"),  # type: ignore[arg-type]
        lambda: served.extra.__setitem__("c", 1),
        lambda: served.extra["a"].sort(),
    ):
        with pytest.raises(TypeError, match="documents are read-only"):
            change()
    with pytest.raises(AttributeError, match="immutable"):
        served.title = "b"  # type: ignore[misc]


def test_a_copy_may_be_changed() -> None:
    served = stored(drawing(extra={"a": [1]}))
    shallow, deep = copy.copy(served.extra), copy.deepcopy(served.extra)
    shallow["b"] = 1
    deep["a"].append(2)

    assert (served.extra, deep) == ({"a": [1]}, {"a": [1, 2]})
    assert served.extra["a"].copy() == [1]


def test_what_was_inserted_does_not_change_with_what_it_was_made_of() -> None:
    bench = bench_of(Author, Drawing)
    rows = [1]

    async def handler(ctx: MutationCtx) -> Drawing | None:
        id = await ctx.db.insert(drawing(extra=rows))
        rows.append(2)
        return await ctx.db.get(id)

    written = bench.write(handler)

    assert written is not None
    assert written.extra == [1]


def test_converting_names_the_path() -> None:
    with pytest.raises(InvalidValue) as caught:
        convert({"a": [1, "x"]}, dict[str, list[int]])

    assert (caught.value.path, caught.value.problem) == ("$.a[1]", "Expected `int`, got `str`")


def test_strictly_an_int_is_no_int64() -> None:
    assert convert(5, Int64) == 5
    with pytest.raises(InvalidValue, match="Expected `Int64`, got `int`"):
        convert(5, Int64, strict=True)


def test_freezing_leaves_scalars_alone() -> None:
    assert freeze("text") == "text"
    assert type(freeze(([1],))[0]) is not list
    assert type(freeze([1, [2.5]])[1]) is type(freeze([2.5])) is not list
