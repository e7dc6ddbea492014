"""Messages with a position: ranges, moves between ranges, and what is looked at while it is written."""

from __future__ import annotations

import builtins
from typing import Literal

from relive.engine.application.functions import mutation, query
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.pagination import Page, PaginationOptions
from relive.engine.transactions.range_query import Query

from .schema import Message


def within(ctx: QueryCtx, channel: str, low: int, high: int) -> Query[Message]:
    return ctx.db.query(Message).index(Message.by_position, channel, gte=low, lt=high)


@mutation
async def send(ctx: MutationCtx, channel: str, position: int, body: str) -> int:
    """How many stand in the channel up to there, this one included."""
    await ctx.db.insert(Message(channel=channel, position=position, body=body))
    return len(await within(ctx, channel, 0, position + 1).collect())


@mutation
async def move(ctx: MutationCtx, body: str, channel: str, position: int) -> int:
    """How many were moved."""
    found = await ctx.db.query(Message).index(Message.by_body, body).collect()
    for message in found:
        await ctx.db.patch(message.id, channel=channel, position=position)
    return len(found)


@mutation
async def clear(ctx: MutationCtx, channel: str, low: int, high: int) -> int:
    """How many are left in the channel."""
    for message in await within(ctx, channel, low, high).collect():
        await ctx.db.delete(message.id)
    return len(await ctx.db.query(Message).index(Message.by_position, channel).collect())


@query
async def range(ctx: QueryCtx, channel: str, low: int, high: int) -> builtins.list[str]:
    return [message.body for message in await within(ctx, channel, low, high).collect()]


@query
async def count(ctx: QueryCtx, channel: str, low: int, high: int) -> int:
    return await within(ctx, channel, low, high).count()


@query
async def is_quiet(ctx: QueryCtx, channel: str, low: int, high: int) -> bool:
    return not await within(ctx, channel, low, high).exists()


@query
async def page(
    ctx: QueryCtx, channel: str, order: Literal["asc", "desc"], paginationOpts: PaginationOptions
) -> Page[str]:
    documents = ctx.db.query(Message).index(Message.by_position, channel).order(order)
    found = await documents.paginate(paginationOpts)
    return Page(
        page=[message.body for message in found.page],
        is_done=found.is_done,
        continue_cursor=found.continue_cursor,
        split_cursor=found.split_cursor,
        page_status=found.page_status,
    )


@query
async def last(ctx: QueryCtx, channel: str, number: int) -> builtins.list[str]:
    newest = ctx.db.query(Message).index(Message.by_position, channel).order("desc")
    return [message.body for message in await newest.take(number)]
