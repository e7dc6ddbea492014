"""Fields that were called something else when a document was stored."""

from __future__ import annotations

from typing import Any

import pytest
from relive.engine.application.functions import query
from relive.engine.data.schema import Document, Record, field, index
from relive.engine.errors import DocumentInvalid
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.protocol import cbor

from .bench import Bench, app_of, bench_of


class OldPart(Record):
    size: int
    parts: list[OldPart] = field(default_factory=list)


class Old(Document, table="things"):
    title: str = field(name="caption")
    size: int = field(default=1)
    part: OldPart | None = None
    by_key: dict[str, OldPart] = field(default_factory=dict)
    by_title = index(title)


class Part(Record):
    width: int = field(formerly="size")
    parts: list[Part] = field(default_factory=list)


class Label(Record, tag="label"):
    text: str = field(formerly="body")


class Tick(Record, tag="tick"):
    count: int = field(formerly="body")


class Mark(Document):
    mark: Label | Tick | None = None


class Thing(Document, table="things"):
    name: str = field(formerly=("heading", "caption"))
    width: int = field(name="breadth", formerly="size", default=0)
    part: Part | None = None
    by_key: dict[str, Part] = field(default_factory=dict)
    by_name = index(name)
    by_width = index(width)


class Final(Document, table="things"):
    """What was renamed has the new names alone, and what had a default is there."""

    name: str
    width: int = field(name="breadth")
    part: Part | None
    by_key: dict[str, Part]


def renamed() -> Bench:
    """A database with documents of the old class, opened with the new one."""
    bench = bench_of(Old)

    async def insert(ctx: MutationCtx) -> None:
        inner = OldPart(size=2, parts=[OldPart(size=3)])
        await ctx.db.insert(Old(title="a", size=5, part=inner, by_key={"k": inner}))
        await ctx.db.insert(Old(title="b"))

    bench.write(insert)
    return bench.reopen(app_of(Thing, version=2))


async def everything(ctx: QueryCtx) -> list[Thing]:
    return await ctx.db.query(Thing).collect()


def test_a_document_is_read_as_if_it_had_the_new_names() -> None:
    first, second = renamed().read(everything)

    assert (first.name, first.width, second.name, second.width) == ("a", 5, "b", 1)
    assert first.part == Part(width=2, parts=[Part(width=3)])
    assert first.by_key == {"k": Part(width=2, parts=[Part(width=3)])}


def test_indexes_order_by_the_new_names() -> None:
    async def handler(ctx: QueryCtx) -> list[str]:
        found = await ctx.db.query(Thing).index(Thing.by_width, gt=1).collect()
        return [thing.name for thing in found + await ctx.db.query(Thing).index(Thing.by_name, "b").collect()]

    assert renamed().read(handler) == ["a", "b"]


def stored_fields(bench: Bench) -> dict[str, Any]:
    (write,) = bench.entry().writes
    assert write.document is not None
    fields: Any = cbor.decode(write.document)
    return {name: item for name, item in fields.items() if not name.startswith("_")}


def test_the_next_write_stores_the_new_names() -> None:
    bench = renamed()

    async def write(ctx: MutationCtx) -> None:
        first = await ctx.db.query(Thing).first()
        assert first is not None
        await ctx.db.patch(first.id, width=6)

    bench.write(write)
    part = {"width": 2, "parts": [{"width": 3, "parts": []}]}
    assert stored_fields(bench) == {"name": "a", "breadth": 6, "part": part, "by_key": {"k": part}}
    assert [thing.width for thing in bench.reopen().read(everything)] == [6, 1]


def test_a_patch_that_names_nothing_rewrites_nothing() -> None:
    bench = renamed()
    head = bench.database.runtime.tail.head

    async def write(ctx: MutationCtx) -> None:
        first = await ctx.db.query(Thing).first()
        assert first is not None
        await ctx.db.patch(first.id)

    bench.write(write)
    assert bench.database.runtime.tail.head == head


@pytest.mark.parametrize("whole", [False, True])
def test_the_same_again_stores_the_new_names_once(whole: bool) -> None:
    """Or no migration could ever make it true that all documents have them, and retire the old ones."""
    bench = renamed()

    async def same(ctx: MutationCtx) -> None:
        for thing in await ctx.db.query(Thing).collect():
            if whole:
                await ctx.db.replace(thing.id, thing)
            else:
                await ctx.db.patch(thing.id, name=thing.name, width=thing.width)

    before = bench.read(everything)
    bench.write(same)
    head = bench.database.runtime.tail.head
    bench.write(same)
    assert bench.database.runtime.tail.head == head

    fields = [cbor.decode(write.document) for write in bench.entry().writes if write.document is not None]
    assert all(isinstance(each, dict) and {"name", "breadth"} <= each.keys() for each in fields)
    assert bench.reopen(app_of(Final, version=3)).read(everything_final) == [thing.width for thing in before]


async def everything_final(ctx: QueryCtx) -> list[int]:
    return [thing.width for thing in await ctx.db.query(Final).collect()]


def test_a_mapping_may_use_former_names() -> None:
    bench = bench_of(Thing)

    async def write(ctx: MutationCtx) -> None:
        await ctx.db.insert("things", {"caption": "c", "width": 2})

    bench.write(write)
    assert stored_fields(bench) == {"name": "c", "breadth": 2, "by_key": {}, "part": None}


def test_both_names_in_one_document_are_one_too_many() -> None:
    bench = bench_of(Thing)

    async def write(ctx: MutationCtx) -> None:
        await ctx.db.insert("things", {"caption": "c", "name": "d"})

    with pytest.raises(DocumentInvalid, match="unknown field `caption`"):
        bench.write(write)


def test_clients_see_the_new_names() -> None:
    @query
    async def things(ctx: QueryCtx) -> list[Thing]:
        return await ctx.db.query(Thing).collect()

    old = renamed()
    bench = old.reopen(app_of(Thing, version=3, functions={"app:things": things}))
    answer: Any = bench.query("app:things")

    assert b'"name":"a"' in answer.value
    assert b"caption" not in answer.value


def test_a_union_of_records_is_renamed_inside_by_its_kind() -> None:
    bench = bench_of(Mark)

    async def write(ctx: MutationCtx) -> Any:
        for mark in ({"type": "label", "body": "x"}, {"type": "tick", "body": 3}, None):
            await ctx.db.insert("marks", {"mark": mark})
        return [row.mark async for row in ctx.db.query(Mark)]

    assert bench.write(write) == [Label(text="x"), Tick(count=3), None]


@pytest.mark.parametrize("former", ["b", ("a", "b"), ("c", "c")])
def test_a_name_in_use_is_not_a_former_one(former: Any) -> None:
    with pytest.raises(TypeError, match="is the name of another field too"):

        class Wrong(Document):
            a: str = field(formerly=former)
            b: str
