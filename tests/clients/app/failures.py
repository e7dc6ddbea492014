"""Functions that fail, in each way a client has to tell apart."""

from __future__ import annotations

from typing import Any

from relive import ApplicationError, MutationCtx, QueryCtx, internal_query, mutation, query

from .counters import get


@query
async def query_with_data(ctx: QueryCtx, data: Any) -> None:
    raise ApplicationError(data)


@mutation
async def mutation_with_data(ctx: MutationCtx, data: Any) -> None:
    raise ApplicationError(data)


@query
async def query_plain(ctx: QueryCtx) -> None:
    raise ValueError("the query broke")


@mutation
async def mutation_plain(ctx: MutationCtx) -> None:
    raise ValueError("the mutation broke")


@query
async def while_odd(ctx: QueryCtx, name: str) -> int:
    """The value of a counter; fails while it is odd."""
    value = await get(ctx, name=name)
    if value % 2 == 1:
        raise ApplicationError({"code": "odd", "value": value})
    return value


@internal_query
async def internal(ctx: QueryCtx) -> str:
    return "for admins"
