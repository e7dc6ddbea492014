"""Messages: more than one document in a result."""

from __future__ import annotations

import builtins

from relive import Id, MutationCtx, QueryCtx, mutation, query

from .schema import Message


@query
async def list(ctx: QueryCtx, channel: str) -> builtins.list[str]:
    found = await ctx.db.query(Message).index(Message.by_channel, channel).collect()
    return [message.body for message in found]


@mutation
async def send(ctx: MutationCtx, channel: str, body: str) -> Id[Message]:
    return await ctx.db.insert(Message(channel=channel, body=body))
