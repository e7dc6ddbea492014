"""Results as they are sent: canonical JSON, whatever they are made of."""

from __future__ import annotations

from typing import Any

import pytest
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import UNSET, Document, Int64, Record, field
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.protocol import json
from relive.protocol.limits import DOCUMENT_DEPTH_MAX, VALUE_DEPTH_MAX
from relive.protocol.results import QuerySuccess

from .bench import bench_of, text_of, value_of


class Point(Record):
    x: int
    y: int = 0


class Tree(Record, tag="tree"):
    value: Int64
    children: list[Tree] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)


@query
async def grown(ctx: QueryCtx) -> dict[str, Any]:
    leaf = Tree(value=Int64(2), about={"z": 1, "a": UNSET, "b": [Point(x=1)]})
    return {"z": [Tree(value=Int64(1), children=[leaf])], "a": UNSET, "b": (1, 2.5)}


def test_results_are_canonical_whatever_they_are_made_of() -> None:
    answer = bench_of(grown=grown).query("app:grown")

    assert isinstance(answer, QuerySuccess)
    assert answer.value == json.encode(json.decode(answer.value))
    assert list(json.decode(answer.value)) == ["b", "z"]  # type: ignore[arg-type]


@query
async def missing(ctx: QueryCtx, within: bool) -> Any:
    return [UNSET] if within else UNSET


def test_a_result_that_is_missing_is_null_and_an_item_that_is_missing_is_an_error() -> None:
    calls = bench_of(missing=missing)

    assert value_of(calls.query("app:missing", within=False)) is None
    assert "UNSET is a field that is missing" in text_of(calls.query("app:missing", within=True))


class Box(Document):
    inside: Any = None


@mutation
async def pack(ctx: MutationCtx, table: str) -> None:
    inside: Any = 1
    for _ in range(DOCUMENT_DEPTH_MAX - 1):
        inside = [inside]
    await ctx.db.insert(table, {"inside": inside})


@query
async def wrapped(ctx: QueryCtx, table: str, around: int) -> Any:
    found: Any = await ctx.db.query(table).collect()
    for _ in range(around - 1):
        found = [found]
    return found


@pytest.mark.parametrize("table", ["boxes", "untyped"])
def test_documents_count_with_what_is_around_them(table: str) -> None:
    calls = bench_of(Box, pack=pack, wrapped=wrapped)
    calls.mutate("app:pack", table=table)
    most = VALUE_DEPTH_MAX - DOCUMENT_DEPTH_MAX

    assert value_of(calls.query("app:wrapped", table=table, around=most))
    assert "nested more than 64 deep" in text_of(calls.query("app:wrapped", table=table, around=most + 1))


@mutation
async def add_nested(ctx: MutationCtx) -> None:
    await ctx.db.insert("imports", {"data": {"_id": [1]}})


@query
async def nested(ctx: QueryCtx) -> Any:
    (row,) = await ctx.db.query("imports").collect()
    return row["data"]


def test_what_only_looks_like_a_document_is_sent_as_it_is() -> None:
    calls = bench_of(add_nested=add_nested, nested=nested)
    calls.mutate("app:add_nested")

    assert value_of(calls.query("app:nested")) == {"_id": [1]}
