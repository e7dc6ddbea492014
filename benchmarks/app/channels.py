"""Channels: a mutation that nearly always finds what it would have made."""

from __future__ import annotations

from relive import Id, MutationCtx, mutation

from .schema import Channel


@mutation
async def get_or_create(ctx: MutationCtx, name: str) -> Id[Channel]:
    channel = await ctx.db.query(Channel).index(Channel.by_name, name).unique()
    return channel.id if channel is not None else await ctx.db.insert(Channel(name=name))
