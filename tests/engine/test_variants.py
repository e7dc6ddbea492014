"""Tables whose documents are of several classes, told apart by a tag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from relive.engine.application.app import load_app
from relive.engine.application.functions import mutation, query
from relive.engine.application.spec import tables_spec
from relive.engine.data.documents import to_value
from relive.engine.data.schema import UNSET, Document, Id, Record, Unset, field, index, nested
from relive.engine.errors import AppInvalid, DocumentInvalid, IndexUnknown, TableUnknown
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.pagination import Page, PaginationOptions

from .bench import Bench, app_of, bench_of, open_bench, text_of, value_of


class Event(Document):
    at: float = field()
    user: str = field(name="userName", default="nobody")
    by_at = index(at)
    by_user = index(user)


class Click(Event, tag="click"):
    x: int = field()
    target: Id[Event] | Unset = field(default=UNSET)
    by_x = index(x)
    by_x_at = index(x, nested("at"))


class Scroll(Event, tag="scroll"):
    y: int
    side: str = field(default="", name="sideStored")
    speed: float = 1.0


class Log(Document, tag_field="kind"):
    line: str


class Warned(Log, tag="warned"):
    type: str


class Seen(Record):
    event: Event
    others: list[Event] = field(default_factory=list)


def written() -> Bench:
    bench = bench_of(Event, Log)

    async def insert(ctx: MutationCtx) -> None:
        first = await ctx.db.insert(Click(at=2.0, x=7))
        await ctx.db.insert(Scroll(at=1.0, y=3, user="ada"))
        await ctx.db.insert(Click(at=3.0, x=5, target=first))
        await ctx.db.insert("events", {"type": "scroll", "at": 4, "user": "bob", "y": 1})

    bench.write(insert)
    return bench


def found(bench: Bench, query_of: Any) -> list[tuple[str, float]]:
    async def handler(ctx: QueryCtx) -> list[tuple[str, float]]:
        return [(type(event).__name__, event.at) async for event in query_of(ctx.db)]

    return bench.read(handler)


def test_a_table_holds_documents_of_each_variant() -> None:
    bench = written()
    everything = [("Click", 2.0), ("Scroll", 1.0), ("Click", 3.0), ("Scroll", 4.0)]

    assert found(bench, lambda db: db.query(Event)) == everything
    assert found(bench.reopen(), lambda db: db.query(Event)) == everything


def test_an_index_of_the_base_orders_all_variants() -> None:
    bench = written()

    assert found(bench, lambda db: db.query(Event).index(Event.by_at, lt=3)) == [("Scroll", 1.0), ("Click", 2.0)]
    assert found(bench, lambda db: db.query(Event).index(Event.by_user, "bob")) == [("Scroll", 4.0)]


def test_a_field_of_one_variant_is_missing_in_the_others() -> None:
    with pytest.raises(AppInvalid, match="`x` is stored under different names: x, xStored"):
        bench_of(Strange)
    bench = written()

    assert found(bench, lambda db: db.query(Event).index(Click.by_x, gt=UNSET)) == [("Click", 3.0), ("Click", 2.0)]
    assert found(bench, lambda db: db.query(Event).index(Click.by_x, UNSET)) == [("Scroll", 1.0), ("Scroll", 4.0)]
    assert found(bench, lambda db: db.query(Event).index(Click.by_x_at, 5, 3.0)) == [("Click", 3.0)]


def test_a_variant_by_itself_is_the_documents_of_its_class() -> None:
    bench = written()

    assert found(bench, lambda db: db.query(Click)) == [("Click", 2.0), ("Click", 3.0)]
    assert found(bench, lambda db: db.query(Scroll).index(Event.by_at).order("desc")) == [
        ("Scroll", 4.0),
        ("Scroll", 1.0),
    ]


def test_stored_documents_say_which_variant_they_are() -> None:
    bench = written()

    async def first(ctx: QueryCtx) -> Event | None:
        return await ctx.db.query(Event).first()

    value = to_value(bench.read(first))
    assert isinstance(value, dict)
    assert (value["type"], value["userName"], value["x"]) == ("click", "nobody", 7)


def test_a_patch_keeps_the_variant_and_knows_its_fields() -> None:
    bench = written()

    async def handler(ctx: MutationCtx) -> list[Any]:
        click, scroll, third, _ = await ctx.db.query(Event).collect()
        await ctx.db.patch(click.id, x=8, user="eve")
        await ctx.db.patch(scroll.id, side="left")
        await ctx.db.patch(third.id, target=UNSET)
        return [to_value(event) for event in await ctx.db.query(Event).collect()]

    first, second, third, _ = bench.write(handler)
    assert (first["x"], first["userName"], second["sideStored"], "target" in third) == (8, "eve", "left", False)


def test_a_field_of_another_variant_is_refused() -> None:
    bench = written()

    async def handler(ctx: MutationCtx) -> None:
        first = await ctx.db.query(Event).first()
        assert first is not None
        await ctx.db.patch(first.id, y=1)

    with pytest.raises(DocumentInvalid, match="unknown field `y`"):
        bench.write(handler)


def test_a_document_may_be_replaced_by_another_variant() -> None:
    bench = written()

    async def handler(ctx: MutationCtx) -> Event:
        first = await ctx.db.query(Event).first()
        assert first is not None
        return await ctx.db.replace(first.id, Scroll(at=9.0, y=1))

    assert isinstance(bench.write(handler), Scroll)
    assert found(bench, lambda db: db.query(Event).index(Click.by_x, gt=UNSET)) == [("Click", 3.0)]


def test_the_base_itself_is_no_document() -> None:
    bench = written()

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.insert(Event(at=1.0))

    with pytest.raises(DocumentInvalid, match="insert one of its kinds, not a plain Event: Click or Scroll"):
        bench.write(handler)


def test_a_mapping_without_a_known_tag_is_refused() -> None:
    bench = written()

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.insert("events", {"type": "press", "at": 1})

    with pytest.raises(DocumentInvalid, match="Invalid value 'press'"):
        bench.write(handler)


def test_ids_inside_variants_are_of_the_table_that_they_say() -> None:
    bench = written()

    async def handler(ctx: MutationCtx) -> None:
        other: Any = await ctx.db.insert(Warned(line="", type="x"))
        await ctx.db.insert(Click(at=0.0, x=1, target=other))

    with pytest.raises(DocumentInvalid, match="expected an id of table `events`"):
        bench.write(handler)


def test_the_tag_may_stand_in_another_field() -> None:
    bench = written()

    async def handler(ctx: MutationCtx) -> Any:
        await ctx.db.insert(Warned(line="a", type="b"))
        return to_value(await ctx.db.query(Log).first())

    warned = bench.write(handler)
    assert (warned["kind"], warned["type"]) == ("warned", "b")


@mutation
async def click(ctx: MutationCtx, x: int) -> Id[Click]:
    return await ctx.db.insert(Click(at=1.0, x=x))


@query
async def events(ctx: QueryCtx) -> list[Event]:
    return await ctx.db.query(Event).collect()


@query
async def page(ctx: QueryCtx, options: PaginationOptions) -> Page[Event]:
    return await ctx.db.query(Event).paginate(options)


@query
async def seen(ctx: QueryCtx) -> Seen | None:
    everything = await ctx.db.query(Event).collect()
    return Seen(event=everything[0], others=everything) if everything else None


@query
async def echo(ctx: QueryCtx, event: Event, seen: list[Seen]) -> str:
    return type(event).__name__ + "".join(type(one.event).__name__ for one in seen)


def test_functions_take_and_give_documents_of_every_variant() -> None:
    app = app_of(
        Event,
        functions={f"app:{made.__name__}": made for made in (click, events, page, seen, echo)},
    )
    bench = open_bench(app)
    value_of(bench.mutate("app:click", x=3))

    (only,) = value_of(bench.query("app:events"))
    assert only["type"] == "click"
    assert value_of(bench.query("app:page", options={"numItems": 5, "cursor": None}))["page"] == [only]
    assert value_of(bench.query("app:seen")) == {"event": only, "others": [only]}
    assert value_of(bench.query("app:echo", event=only, seen=[{"event": only}])) == "ClickClick"
    problem = text_of(bench.query("app:echo", event={**only, "type": "scroll"}, seen=[]))
    assert "Object contains unknown field" in problem or "missing required field" in problem


class Strange(Document):
    pass


class One(Strange, tag="one"):
    x: int = field()
    by_x = index(x)


class Two(Strange, tag="two"):
    x: int = field(name="xStored")


def test_an_index_of_another_table_is_still_refused() -> None:
    bench = written()

    async def handler(ctx: QueryCtx) -> object:
        return ctx.db.query(Event).index(One.by_x, 1)

    with pytest.raises(IndexUnknown):
        bench.read(handler)


def test_a_variant_of_a_table_that_is_not_served_is_unknown() -> None:
    bench = written()

    async def handler(ctx: QueryCtx) -> object:
        return ctx.db.query(One)

    with pytest.raises(TableUnknown):
        bench.read(handler)


def test_the_spec_shows_a_union() -> None:
    (table,) = tables_spec(app_of(Event))
    assert isinstance(table, dict)
    document: Any = table["document"]

    assert document["type"] == "union"
    tags = [variant["value"]["type"]["fieldType"]["value"] for variant in document["value"]]
    assert tags == ["click", "scroll"]


APP = """
from __future__ import annotations
from relive import Document, field, index

class Event(Document):
    at: float = field()

class Click(Event, tag="click"):
    x: int = field()
{more}
"""


def loaded(tmp_path: Path, more: str) -> Any:
    (tmp_path / "events_app").mkdir(exist_ok=True)
    (tmp_path / "events_app" / "schema.py").write_text(APP.format(more=more))
    return load_app(tmp_path / "events_app")


def test_an_app_has_one_table_for_all_variants_and_may_be_loaded_again(tmp_path: Path) -> None:
    assert list(loaded(tmp_path, "").tables) == ["events"]
    again = loaded(tmp_path, "class Scroll(Event, tag='scroll'):\n    y: int\n")

    assert list(again.tables["events"].cls.__variants__) == ["click", "scroll"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("class Other(Event, tag='click'):\n    y: int", "`Other`: Click is tagged 'click' already"),
        ("class Other(Click):\n    y: int", "`Other` is one more kind of `Event`: say which"),
        ("class Other(Event, tag='o', table='others'):\n    y: int", "`Other` belongs to the table of `Event`"),
        ("class Other(Event, tag='o', tag_field='kind'):\n    y: int", "tag_field= belongs to the first class"),
        ("class A(Document, tag='a'):\n    y: int\nclass B(A, tag='b'):\n    z: int", "`A` has a tag"),
        (
            "    by_x = index(x)\nclass Scroll(Event, tag='s'):\n    x: int = field()\n    by_x = index(x)",
            "two indexes of table `events` are called `by_x`",
        ),
        ("class Other(Event, tag='o'):\n    type: str", "type"),
    ],
)
def test_contradictions_are_refused_when_the_app_is_loaded(tmp_path: Path, more: str, problem: str) -> None:
    with pytest.raises(AppInvalid) as caught:
        loaded(tmp_path, more)
    assert problem in str(caught.value)
