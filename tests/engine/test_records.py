"""Records as arguments and results: generic ones, ones that hold themselves, ones given as dictionaries."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import pytest
from relive.engine.application.app import App
from relive.engine.application.endpoint import endpoint_of
from relive.engine.application.functions import AnyFunction, mutation, query
from relive.engine.application.spec import functions_spec
from relive.engine.codegen.types import Side, TypeWriter
from relive.engine.data.schema import UNSET, Document, Id, Int64, Record, Unset, field
from relive.engine.data.shapes import shape_of
from relive.engine.errors import ReturnsValidationError
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.pagination import Page, PaginationOptions
from relive.protocol import json

from .bench import Bench, app_of, open_bench, text_of, value_of

T = TypeVar("T")
K = TypeVar("K")


class Note(Document):
    text: str
    likes: int = 0


class Other(Document):
    text: str


class Box(Record, Generic[T]):
    content: T
    label: str = "box"
    more: list[Box[T]] = field(default_factory=list)


class Pair(Record, Generic[T, K]):
    left: T
    right: Box[K] | None = None


class NoteBox(Box[Note]):
    pass


class Thread(Record):
    note: Id[Note]
    replies: list[Thread] = field(default_factory=list)
    by_key: dict[str, Branch] = field(default_factory=dict)


class Branch(Record):
    thread: Thread | None = None


class Leaf(Record, tag="leaf"):
    note: Id[Note]


class Fork(Record, tag="fork"):
    left: Leaf | Fork
    right: Leaf | Fork


class Gift(Record):
    wrapped: bool = True
    note: str | Unset = UNSET
    inside: Gift | None = None


@mutation
async def add(ctx: MutationCtx, text: str) -> Id[Note]:
    return await ctx.db.insert(Note(text=text))


@mutation
async def add_other(ctx: MutationCtx, text: str) -> Id[Other]:
    return await ctx.db.insert(Other(text=text))


@query
async def page(ctx: QueryCtx, paginationOpts: PaginationOptions) -> Page[Note]:
    return await ctx.db.query(Note).paginate(paginationOpts)


@query
async def box(ctx: QueryCtx, given: Pair[Id[Note], Int64]) -> Pair[Note | None, int]:
    note = await ctx.db.get(given.left)
    return Pair(left=note, right=Box(content=int(given.right.content) if given.right else 0))


@query
async def boxed(ctx: QueryCtx) -> NoteBox | None:
    note = await ctx.db.query(Note).first()
    return NoteBox(content=note, more=[Box(content=note)]) if note else None


@query
async def thread(ctx: QueryCtx, thread: Thread) -> int:
    return len(thread.replies)


@query
async def tree(ctx: QueryCtx, tree: Leaf | Fork) -> str:
    return type(tree).__name__


@query
async def gifts(ctx: QueryCtx) -> list[Gift]:
    given: Any = [{}, {"wrapped": False, "inside": {"note": "n"}}, Gift(inside=Gift(wrapped=False))]
    return given  # type: ignore[no-any-return]


@query
async def wrong(ctx: QueryCtx, given: Any) -> Box[int]:
    return given  # type: ignore[no-any-return]


@query
async def nested_gifts(ctx: QueryCtx) -> list[str]:
    return [type(gift).__name__ for gift in await ctx.run_query(gifts)]


@query
async def notes_as_dictionaries(ctx: QueryCtx) -> list[Note]:
    found: Any = await ctx.db.query(Note).collect()
    return [*found, {"_id": found[0].id, "_creationTime": 1.0, "text": "b"}]


FUNCTIONS: tuple[AnyFunction, ...] = (
    *(add, add_other, page, box, boxed, thread, tree, gifts, wrong, nested_gifts, notes_as_dictionaries),
)


def app() -> App:
    return app_of(Note, Other, functions={f"app:{made.__name__}": made for made in FUNCTIONS})


@pytest.fixture
def bench() -> Bench:
    return open_bench(app())


def test_a_page_is_a_result_with_names_as_the_hook_knows_them(bench: Bench) -> None:
    for text in "abc":
        bench.mutate("app:add", text=text)
    options = {"numItems": 2, "cursor": None, "id": 7}

    first = value_of(bench.query("app:page", paginationOpts=options))
    assert [note["text"] for note in first["page"]] == ["a", "b"]
    assert set(first) == {"page", "isDone", "continueCursor", "splitCursor", "pageStatus"}
    again = value_of(bench.query("app:page", paginationOpts={**options, "cursor": first["continueCursor"]}))
    assert ([note["text"] for note in again["page"]], again["isDone"]) == (["c"], True)


def test_what_stands_for_a_type_variable_is_checked(bench: Bench) -> None:
    note, other = value_of(bench.mutate("app:add", text="a")), value_of(bench.mutate("app:add_other", text="a"))

    found = value_of(bench.query("app:box", given={"left": note, "right": {"content": json.to_json(Int64(3))}}))
    assert (found["left"]["text"], found["right"]["content"], found["right"]["label"]) == ("a", 3, "box")
    assert "expected an id of table `notes`" in text_of(bench.query("app:box", given={"left": other}))
    assert "Expected `Int64`, got `int` (at $.given.right.content)" in text_of(
        bench.query("app:box", given={"left": note, "right": {"content": 3}})
    )


def test_a_subclass_may_say_what_a_type_variable_is(bench: Bench) -> None:
    bench.mutate("app:add", text="a")

    found = value_of(bench.query("app:boxed"))
    assert (found["content"]["text"], found["more"][0]["content"]["text"]) == ("a", "a")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"content": "x"}, "Expected `int`, got `str` (at $.content)"),
        (
            {"content": 1, "more": [{"content": 1}, {"content": None}]},
            "Expected `int`, got `null` (at $.more[1].content)",
        ),
        ({"label": "x"}, "Object missing required field `content` (at $)"),
        ({"content": 1, "size": 2}, "Object contains unknown field `size` (at $)"),
    ],
)
def test_a_generic_result_that_does_not_fit_is_refused(bench: Bench, given: object, problem: str) -> None:
    assert text_of(bench.query("app:wrong", given=given)) == f"ReturnsValidationError: app:wrong: {problem}"


def test_ids_inside_a_record_that_holds_itself_are_checked(bench: Bench) -> None:
    note, other = value_of(bench.mutate("app:add", text="a")), value_of(bench.mutate("app:add_other", text="a"))
    good = {"note": note, "replies": [{"note": note}], "by_key": {"k": {"thread": {"note": note}}}}

    assert value_of(bench.query("app:thread", thread=good)) == 1
    for bad, place in [
        ({"note": note, "replies": [{"note": note, "replies": [{"note": other}]}]}, "replies[0].replies[0].note"),
        ({"note": note, "by_key": {"k": {"thread": {"note": other}}}}, "by_key.k.thread.note"),
        ({"note": note, "replies": [{"note": note, "by_key": {"k": {"thread": {"note": other}}}}]}, "thread.note"),
    ]:
        problem = text_of(bench.query("app:thread", thread=bad))
        assert "expected an id of table `notes`" in problem
        assert f"{place})" in problem


def test_so_are_those_inside_variants_that_hold_each_other(bench: Bench) -> None:
    note, other = value_of(bench.mutate("app:add", text="a")), value_of(bench.mutate("app:add_other", text="a"))

    def fork(left: str, right: str) -> dict[str, Any]:
        leaves: list[Any] = [{"type": "leaf", "note": left}, {"type": "leaf", "note": right}]
        return {"type": "fork", "left": leaves[0], "right": {"type": "fork", "left": leaves[0], "right": leaves[1]}}

    assert value_of(bench.query("app:tree", tree=fork(note, note))) == "Fork"
    assert "(at $.tree.right.right.note)" in text_of(bench.query("app:tree", tree=fork(note, other)))


def test_dictionaries_for_records_get_their_defaults(bench: Bench) -> None:
    empty = {"wrapped": True, "inside": None}

    assert value_of(bench.query("app:gifts")) == [
        empty,
        {"wrapped": False, "inside": {**empty, "note": "n"}},
        {"wrapped": True, "inside": {**empty, "wrapped": False}},
    ]
    assert value_of(bench.query("app:nested_gifts")) == ["Gift", "Gift", "Gift"]


def test_so_do_dictionaries_for_documents(bench: Bench) -> None:
    bench.mutate("app:add", text="a")

    first, second = value_of(bench.query("app:notes_as_dictionaries"))
    assert (first["likes"], second["likes"], second["text"]) == (0, 0, "b")


def test_documents_inside_a_page_are_encoded_once(bench: Bench) -> None:
    bench.mutate("app:add", text="a")
    bench.query("app:page", paginationOpts={"numItems": 2, "cursor": None})

    (version,) = bench.database.runtime.tables.table("notes").versions.values()
    assert version.json is not None
    version.json = version.json.replace(b'"a"', b'"from the cache"')
    again = value_of(bench.query("app:page", paginationOpts={"numItems": 2, "cursor": None}))
    assert again["page"][0]["text"] == "from the cache"


@pytest.mark.parametrize("number", [5.0, 2**53, 2**60])
def test_numbers_in_results_are_in_normal_form(number: float) -> None:
    @query
    async def weigh(ctx: QueryCtx) -> Box[float]:
        return Box(content=number)

    endpoint = endpoint_of("app:weigh", weigh)
    if number == 5.0:
        assert endpoint.check_result(Box(content=number)) == Box(content=5)
    else:
        with pytest.raises(ReturnsValidationError, match=r"beyond 2\*\*53-1"):
            endpoint.check_result(Box(content=number))


def test_the_spec_and_typescript_show_what_stands_for_the_variables() -> None:
    specs: dict[str, Any] = {spec["identifier"]: spec for spec in functions_spec(app())}  # type: ignore[index, call-overload, misc]

    page = specs["app.js:page"]["returns"]["value"]
    assert page["page"]["fieldType"]["value"]["value"]["text"]["fieldType"] == {"type": "string"}
    assert specs["app.js:page"]["args"]["value"]["paginationOpts"]["fieldType"]["value"]["numItems"] == {
        "fieldType": {"type": "number"},
        "optional": False,
    }
    writer = TypeWriter("Id", frozenset({"Box"}))
    shape = shape_of(Pair[int, str], "here")
    assert writer.type_of(shape, Side.SERVER) == (
        '{ "left": number, "right": ({ "content": string, "label": string, "more": Array<Box2> } | null) }'
    )
    assert writer.declarations == {"Box2": '{ "content": string, "label": string, "more": Array<Box2> }'}
