"""Messages page by page."""

from __future__ import annotations

from typing import Any

from relive import ApplicationError, MutationCtx, Page, PaginationOptions, QueryCtx, mutation, query

from .counters import get
from .schema import Message


@query
async def read(ctx: QueryCtx, channel: str, paginationOpts: PaginationOptions) -> Page[Message]:
    return await ctx.db.query(Message).index(Message.by_channel, channel).paginate(paginationOpts)


@query
async def latest(ctx: QueryCtx, channel: str, paginationOpts: PaginationOptions) -> Page[Message]:
    return await ctx.db.query(Message).index(Message.by_channel, channel).order("desc").paginate(paginationOpts)


@query
async def bodies(ctx: QueryCtx, channel: str, items: int) -> list[str]:
    """Shows no cursor, so only the journal tells where the page ends."""
    found = await read(ctx, channel, PaginationOptions(num_items=items, cursor=None))
    return [message.body for message in found.page]


@query
async def while_even(ctx: QueryCtx, channel: str, paginationOpts: PaginationOptions) -> Page[Message]:
    """Fails while the counter is odd."""
    if await get(ctx, channel) % 2:
        raise ApplicationError("odd")
    return await read(ctx, channel, paginationOpts)


@query
async def for_whom(ctx: QueryCtx, channel: str, paginationOpts: PaginationOptions) -> Any:
    """Not the same for two ids of one page."""
    return (await read(ctx, channel, paginationOpts)).continue_cursor, paginationOpts.id


@mutation
async def remove(ctx: MutationCtx, channel: str, body: str) -> None:
    async for message in ctx.db.query(Message).index(Message.by_channel, channel):
        if message.body == body:
            await ctx.db.delete(message.id)
