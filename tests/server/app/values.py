"""Values of every kind, sizes of every kind, failures of every kind."""

from __future__ import annotations

from typing import Any

from relive import ApplicationError, Int64, MutationCtx, QueryCtx, Record, mutation, query

from .counters import get


class Special(Record):
    big: Int64
    data: bytes
    endless: float
    nothing: None
    minus_zero: float


@query
async def echo(ctx: QueryCtx, value: Any) -> Any:
    return value


@query
async def special(ctx: QueryCtx) -> Special:
    return Special(big=Int64(2**60), data=b"\x00\xff", endless=float("inf"), nothing=None, minus_zero=-0.0)


@query
async def text(ctx: QueryCtx, characters: int, name: str = "text") -> str:
    """Changes with the counter, in its first character only."""
    return str(await get(ctx, name) % 10) + "é" * (characters - 1)


@mutation
async def length(ctx: MutationCtx, text: str) -> int:
    return len(text)


@query
async def fail(ctx: QueryCtx, data: Any) -> None:
    raise ApplicationError(data)


@query
async def crash(ctx: QueryCtx) -> None:
    raise ValueError("the query broke")


@mutation
async def crash_writing(ctx: MutationCtx) -> None:
    raise ValueError("the mutation broke")


@query
async def while_even(ctx: QueryCtx, name: str) -> int:
    """Fails while the counter is odd."""
    value = await get(ctx, name)
    if value % 2:
        raise ApplicationError(None)
    return value


@query
async def crash_while_odd(ctx: QueryCtx, name: str) -> int:
    value = await get(ctx, name)
    print("the counter is", value)
    if value % 2:
        raise ValueError(f"odd: {value}")
    return value
