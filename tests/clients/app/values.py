"""Every kind of value, there and back."""

from __future__ import annotations

import math
from typing import Any

from relive import Id, Int64, MutationCtx, QueryCtx, mutation, query

from .schema import Box


@query
async def kinds(ctx: QueryCtx) -> dict[str, Any]:
    """One of each kind, made by the server."""
    return {
        "null": None,
        "true": True,
        "integer": 3,
        "fraction": 2.5,
        "largest": 2**53 - 1,
        "minus_zero": -0.0,
        "nan": math.nan,
        "infinity": math.inf,
        "minus_infinity": -math.inf,
        "int64": Int64(2**63 - 1),
        "int64_small": Int64(-7),
        "text": "grün 🌱 \u0000 \u2028",
        "bytes": bytes(range(256)),
        "array": [1, [2, []]],
        "object": {"nested": {"empty": {}}},
    }


@query
async def echo(ctx: QueryCtx, value: Any) -> Any:
    return value


@mutation
async def store(ctx: MutationCtx, value: Any) -> Id[Box]:
    return await ctx.db.insert(Box(content=value))


@query
async def stored(ctx: QueryCtx, box: Id[Box]) -> Any:
    found = await ctx.db.get(box)
    return None if found is None else found.content


@query
async def typed(
    ctx: QueryCtx, whole: int, ratio: float, big: Int64, raw: bytes, tags: list[str], maybe: str | None = None
) -> dict[str, Any]:
    """Whether each argument arrives as the Python type that its hint promises."""
    return {
        "whole": isinstance(whole, int),
        "ratio": isinstance(ratio, float),
        "big": isinstance(big, Int64),
        "raw": isinstance(raw, bytes),
        "tags": isinstance(tags, list),
        "maybe": maybe,
    }
