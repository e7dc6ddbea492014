"""Indexes: of fields inside records, staged ones, those of the system, and what their declarations may not say."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from relive.engine.application.app import load_app
from relive.engine.application.spec import tables_spec
from relive.engine.data.schema import UNSET, Document, Int64, Record, Unset, field, index, nested
from relive.engine.errors import AppInvalid, IndexStaged, IndexUnknown
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.range_query import Query

from .bench import Bench, app_of, bench_of


class Street(Record):
    name: str = field(name="streetName", default="")
    number: Int64 = Int64(0)
    default: str = ""
    """Called like an option of `field`."""


class Address(Record):
    city: str
    street: Street = Street()


class Abroad(Record, tag="abroad"):
    country: str


class Inland(Record, tag="inland"):
    zip: str

    def country(self) -> str:
        return "here"


class Person(Document, table="people"):
    name: str
    address: Address = field()
    second: Address | Unset | None = field(default=UNSET)
    place: Abroad | Inland | str = field(default="nowhere")
    by_city = index(address.city)
    by_street = index(address.street.number, address.city)
    by_street_name = index(address.street.name)
    by_default = index(address.street.default)
    by_second_city = index(nested("second.city"))
    by_country = index(nested("place.country"))
    by_address = index(address)


def person(name: str, city: str = "", **fields: Any) -> Person:
    return Person(name=name, address=Address(city=city, street=fields.pop("street", Street())), **fields)


def names(bench: Bench, query: Any) -> list[str]:
    async def handler(ctx: QueryCtx) -> list[str]:
        documents: Query[Person] = query(ctx.db)
        return [document.name async for document in documents]

    return bench.read(handler)


def people(*documents: Document) -> Bench:
    bench = bench_of(Person)

    async def insert(ctx: MutationCtx) -> None:
        for document in documents:
            await ctx.db.insert(document)

    bench.write(insert)
    return bench


def test_a_field_of_a_nested_record_orders_documents() -> None:
    bench = people(person("a", "Oslo"), person("b", "Bergen"), person("c", "Oslo"))

    assert names(bench, lambda db: db.query(Person).index(Person.by_city)) == ["b", "a", "c"]
    assert names(bench, lambda db: db.query(Person).index(Person.by_city, "Oslo")) == ["a", "c"]
    assert names(bench, lambda db: db.query(Person).index(Person.by_city, lt="Oslo")) == ["b"]
    assert names(bench.reopen(), lambda db: db.query(Person).index(Person.by_city, "Oslo")) == ["a", "c"]


def test_a_path_may_be_long_and_its_last_field_may_hold_an_int64() -> None:
    far, near = Street(name="x", number=Int64(20)), Street(name="y", number=Int64(3))
    bench = people(person("far", "Oslo", street=far), person("near", "Oslo", street=near))

    assert names(bench, lambda db: db.query(Person).index(Person.by_street, 20, "Oslo")) == ["far"]
    assert names(bench, lambda db: db.query(Person).index(Person.by_street, gt=Int64(3))) == ["far"]
    assert names(bench, lambda db: db.query(Person).index(Person.by_street_name, "y")) == ["near"]


def test_a_record_that_is_not_there_counts_as_a_missing_field() -> None:
    bench = people(person("unset"), person("null", second=None), person("there", second=Address(city="Rome")))

    assert names(bench, lambda db: db.query(Person).index(Person.by_second_city)) == ["unset", "null", "there"]
    assert names(bench, lambda db: db.query(Person).index(Person.by_second_city, UNSET)) == ["unset", "null"]
    assert names(bench, lambda db: db.query(Person).index(Person.by_second_city, None)) == []


def test_a_field_that_only_one_variant_has_is_missing_in_the_others() -> None:
    bench = people(
        person("text", place="at sea"),
        person("inland", place=Inland(zip="0001")),
        person("abroad", place=Abroad(country="Peru")),
    )

    assert names(bench, lambda db: db.query(Person).index(Person.by_country, UNSET)) == ["text", "inland"]
    assert names(bench, lambda db: db.query(Person).index(Person.by_country, gt=UNSET)) == ["abroad"]


def test_a_whole_record_can_be_an_indexed_field() -> None:
    bench = people(person("b", "b"), person("a", "a"))

    found = names(bench, lambda db: db.query(Person).index(Person.by_address, Address(city="a")))
    assert found == ["a"]


def test_a_patch_moves_the_document_in_its_nested_index() -> None:
    bench = people(person("a", "Oslo"))

    async def move(ctx: MutationCtx) -> None:
        found = await ctx.db.query(Person).first()
        assert found is not None
        await ctx.db.patch(found.id, address=Address(city="Rome"))

    bench.write(move)
    assert names(bench, lambda db: db.query(Person).index(Person.by_city, "Oslo")) == []
    assert names(bench, lambda db: db.query(Person).index(Person.by_city, "Rome")) == ["a"]


def test_the_spec_names_paths_as_they_are_stored() -> None:
    (table,) = tables_spec(app_of(Person))
    assert isinstance(table, dict)
    indexes = {made["name"]: made["fields"] for made in table["indexes"]}  # type: ignore[index, call-overload, union-attr]

    assert indexes["by_street"] == ["address.street.number", "address.city"]
    assert indexes["by_street_name"] == ["address.street.streetName"]


class Queue(Document):
    rank: float | Unset | None = field(default=UNSET)
    urgent: bool = field(default=False)
    by_rank = index(rank)
    by_urgent = index(urgent, rank, staged=True)


def test_a_staged_index_is_kept_and_not_read() -> None:
    bench = bench_of(Queue)

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.insert(Queue(urgent=True))
        await ctx.db.query(Queue).index(Queue.by_urgent, True).collect()

    with pytest.raises(IndexStaged, match="index by_urgent of table `queues` is staged: deploy it without staged=True"):
        bench.write(handler)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert(Queue(urgent=True))

    bench.write(insert)
    assert len(bench.database.runtime.tables.table("queues").indexes["by_urgent"].entries) == 1


NAN = math.nan
NEGATIVE_NAN = math.copysign(math.nan, -1)
"""Stored, there is one NaN: this is the same."""


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"gte": NAN}, ["nan"]),
        ({"gt": NAN}, []),
        ({"gte": NEGATIVE_NAN}, ["nan"]),
        ({"gt": None, "lt": 0}, ["-0.0"]),
        ({"gte": 0}, ["0", "nan"]),
        ({"gt": -0.0}, ["0", "nan"]),
        ({"lte": -0.0, "gt": None}, ["-0.0"]),
        ({"lte": None}, ["unset", "none"]),
        ({"lt": None}, ["unset"]),
        ({"lte": UNSET}, ["unset"]),
        ({"gte": None, "lte": None}, ["none"]),
        ({"gt": 3, "lt": 2}, []),
    ],
)
def test_odd_values_as_bounds_are_where_sort_keys_put_them(bounds: dict[str, Any], expected: list[str]) -> None:
    bench = bench_of(Queue)
    ranks = {"nan": NAN, "-0.0": -0.0, "0": 0, "none": None, "unset": UNSET}

    async def handler(ctx: MutationCtx) -> list[str]:
        ids = {await ctx.db.insert(Queue(rank=rank)): name for name, rank in ranks.items()}
        return [ids[found.id] async for found in ctx.db.query(Queue).index(Queue.by_rank, **bounds)]

    assert bench.write(handler) == expected


def test_equality_tells_minus_zero_from_zero_and_finds_nan() -> None:
    bench = bench_of(Queue)

    async def handler(ctx: MutationCtx) -> list[int]:
        for rank in (0.0, -0.0, NAN):
            await ctx.db.insert(Queue(rank=rank))
        return [len(await ctx.db.query(Queue).index(Queue.by_rank, rank).collect()) for rank in (0, -0.0, NAN)]

    assert bench.write(handler) == [1, 1, 1]


def test_every_table_is_ordered_by_creation_time_and_by_id() -> None:
    bench = bench_of(Queue)

    async def insert(ctx: MutationCtx) -> None:
        for rank in range(4):
            await ctx.db.insert(Queue(rank=rank))
            await ctx.db.insert("loose", {"rank": rank})

    async def handler(ctx: QueryCtx) -> list[list[Any]]:
        first, second, third, _ = await ctx.db.query(Queue).collect()
        low, high = sorted([first.id, third.id])
        created = ctx.db.query(Queue).index(Queue.by_creation_time, gte=second.creation_time, lt=third.creation_time)
        between = ctx.db.query(Queue).index(Queue.by_id, gte=low, lte=high)
        above = ctx.db.query(Queue).index(Document.by_id, gt=low).order("desc")
        below = ctx.db.query("queues").index("by_id", lt=low)
        assert len(await below.collect()) + 1 + len(await above.collect()) == 4
        assert [row.id async for row in between] == sorted(row.id for row in await between.collect())
        loose = ctx.db.query("loose").index("by_creation_time", gt=second.creation_time)
        return [
            [row.rank async for row in created],
            sorted(float(str(row.rank)) for row in await between.collect() if row.id in (low, high)),
            [row["rank"] async for row in loose],
        ]

    bench.write(insert)
    assert bench.read(handler) == [[1], [0, 2], [1, 2, 3]]


def test_a_bound_of_by_id_is_an_id() -> None:
    bench = bench_of(Queue)
    bound: Any = 5

    async def handler(ctx: QueryCtx) -> object:
        return ctx.db.query(Queue).index(Queue.by_id, gte=bound)

    with pytest.raises(TypeError, match="by_id: gte= takes an id, not 5"):
        bench.read(handler)


@pytest.mark.parametrize("name", ["by_id", "by_creation_time"])
def test_indexes_of_the_system_take_bounds_only(name: str) -> None:
    bench = bench_of(Queue)

    async def handler(ctx: QueryCtx) -> object:
        return ctx.db.query("queues").index(name, 1)

    with pytest.raises(TypeError, match="has 0 fields, 1 values were given"):
        bench.read(handler)


def test_an_index_may_be_named_as_text() -> None:
    bench = people(person("a", "Oslo"), person("b", "Rome"))

    assert names(bench, lambda db: db.query("people").index("by_city", "Rome")) == ["b"]
    with pytest.raises(IndexUnknown, match="table `people` has no index 'by_town'; it has by_id, by_creation_time, "):
        names(bench, lambda db: db.query("people").index("by_town", "Rome"))


def declare(**namespace: Any) -> type[Document]:
    metaclass: Any = type(Document)
    made: type[Document] = metaclass("Wrong", (Document,), {"__module__": __name__, **namespace})
    return made


@pytest.mark.parametrize("name", ["by_id", "by_creation_time"])
def test_names_of_system_indexes_are_taken(name: str) -> None:
    key: Any = field()
    with pytest.raises(TypeError, match=f"Wrong.{name}: every table has an index of that name already"):
        declare(**{"__annotations__": {"a": str}, "a": key, name: index(key)})


@pytest.mark.parametrize("path", ["creation_time", "id", "_creationTime", "_id"])
def test_the_system_fields_are_in_every_index_already(path: str) -> None:
    with pytest.raises(TypeError, match="creation time and id are the last fields of every index already"):
        declare(by_time=index(nested(path)))


def test_a_field_is_named_once() -> None:
    key: Any = field()
    with pytest.raises(TypeError, match=r"index\(\) takes each field once"):
        declare(__annotations__={"a": str}, a=key, by_a=index(key, nested("a")))


def test_an_index_is_named_as_a_client_can_name_it() -> None:
    with pytest.raises(TypeError, match="a letter first"):
        declare(_by_a=index(nested("a")))


def test_a_path_is_names_with_dots_between() -> None:
    with pytest.raises(TypeError, match="a path is names of fields with dots between"):
        nested("a..b")


APP = """
from __future__ import annotations
from relive import Document, Id, Record, field, index, nested

class Town(Document):
    name: str

class Address(Record):
    city: str

class Person(Document):
    town: Id[Town] = field()
    address: Address = field()
    address_or_none: Address | None = field(default=None)
    by_it = index({keys})
"""


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("address.town", "`address.town`: `Address` has no field `town`"),
        ("address.city.name", "`address.city.name`: `address.city` is no Record"),
        ("town.name", "`town.name`: `town` is no Record"),
        ("nested('adress.city')", "`adress.city`: `Person` has no field `adress`"),
        ("nested('address_or_none.zip')", "`address_or_none.zip`: `Address` has no field `zip`"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_when_the_app_is_loaded(tmp_path: Path, keys: str, problem: str) -> None:
    (tmp_path / "paths_app").mkdir()
    (tmp_path / "paths_app" / "schema.py").write_text(APP.format(keys=keys))

    with pytest.raises(AppInvalid) as caught:
        load_app(tmp_path / "paths_app")
    assert caught.value.where == "paths_app.schema.Person.by_it"
    assert caught.value.problem == problem


def test_a_table_has_a_bounded_number_of_indexes(tmp_path: Path) -> None:
    indexes = "\n".join(f"    by_{number} = index(a)" for number in range(65))
    (tmp_path / "many_app").mkdir()
    source = f"from relive import Document, field, index\n\nclass Many(Document):\n    a: int = field()\n{indexes}\n"
    (tmp_path / "many_app" / "schema.py").write_text(source)

    with pytest.raises(AppInvalid, match="a table has at most 64 indexes"):
        load_app(tmp_path / "many_app")
