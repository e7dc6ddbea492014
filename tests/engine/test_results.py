"""Results as they are sent: canonical JSON, whatever they are made of."""

from __future__ import annotations

from typing import Any

from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import UNSET, Int64, Record, field
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.protocol import json
from relive.protocol.results import QuerySuccess

from .bench import bench_of, value_of


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
