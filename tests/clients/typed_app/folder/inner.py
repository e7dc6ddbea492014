"""Below a folder."""

from __future__ import annotations

from relive import QueryCtx, query


@query
async def deep(ctx: QueryCtx, text: str | None = None) -> str:
    return text or "deep"


@query
async def default(ctx: QueryCtx) -> bool:
    return True
