"""Messages: write one, list the newest of a channel."""

from __future__ import annotations

import builtins

from relive import Id, MutationCtx, Page, PaginationOptions, QueryCtx, mutation, query

from .schema import Channel, Message

LISTED = 50


@query
async def list(ctx: QueryCtx, channel: Id[Channel]) -> builtins.list[Message]:
    """The newest messages of a channel, newest first."""
    return await ctx.db.query(Message).index(Message.by_channel, channel).order("desc").take(LISTED)


@query
async def page(ctx: QueryCtx, channel: Id[Channel], paginationOpts: PaginationOptions) -> Page[Message]:
    """The newest messages of a channel, page by page."""
    return await ctx.db.query(Message).index(Message.by_channel, channel).order("desc").paginate(paginationOpts)


@query
async def count(ctx: QueryCtx, channel: Id[Channel]) -> int:
    """How many messages a channel has."""
    return await ctx.db.query(Message).index(Message.by_channel, channel).count()


@mutation
async def send(ctx: MutationCtx, channel: Id[Channel], author: str, body: str) -> Id[Message]:
    return await ctx.db.insert(Message(channel=channel, author=author, body=body))


@mutation
async def fill(ctx: MutationCtx, channel: Id[Channel], author: str, bodies: builtins.list[str]) -> None:
    """Many messages in one transaction: how a measurement gets its documents."""
    for body in bodies:
        await ctx.db.insert(Message(channel=channel, author=author, body=body))
