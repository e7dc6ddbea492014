"""Pins hold the id of a message: what a query reads next depends on what it has read."""

from __future__ import annotations

from relive.engine.application.functions import mutation, query
from relive.engine.transactions.context import MutationCtx, QueryCtx

from .schema import Message, Pin


async def find(ctx: QueryCtx, name: str) -> Pin | None:
    return await ctx.db.query(Pin).index(Pin.by_name, name).unique()


async def message_of(ctx: QueryCtx, name: str) -> Message | None:
    """None, too, if it has been deleted."""
    found = await find(ctx, name)
    return await ctx.db.get(found.message) if found is not None else None


@mutation
async def pin(ctx: MutationCtx, name: str, body: str) -> bool:
    """Whether there is such a message."""
    message = await ctx.db.query(Message).index(Message.by_body, body).first()
    found = await find(ctx, name)
    if message is None:
        return False
    if found is None:
        await ctx.db.insert(Pin(name=name, message=message.id))
    else:
        await ctx.db.patch(found.id, message=message.id)
    return True


@mutation
async def drop(ctx: MutationCtx, name: str) -> int:
    """Deletes the message; how many its channel has left."""
    message = await message_of(ctx, name)
    if message is None:
        return 0
    await ctx.db.delete(message.id)
    return await ctx.db.query(Message).index(Message.by_position, message.channel).count()


@query
async def show(ctx: QueryCtx, name: str) -> str | None:
    message = await message_of(ctx, name)
    return None if message is None else message.body


@query
async def around(ctx: QueryCtx, name: str) -> list[str]:
    """The channel of the message, up to where that stands."""
    message = await message_of(ctx, name)
    if message is None:
        return []
    there = ctx.db.query(Message).index(Message.by_position, message.channel, lte=message.position)
    return [each.body for each in await there.collect()]
