"""Channels: list them, and open one by its name."""

from __future__ import annotations

import builtins

from relive import ApplicationError, Id, MutationCtx, QueryCtx, mutation, query

from .schema import Channel

NAME_CHARACTERS_MAX = 40


# Clients call this function `channels:list`.  Its name hides the built-in `list` in this module,
# so the type is spelled in full.
@query
async def list(ctx: QueryCtx) -> builtins.list[Channel]:
    """Every channel, oldest first."""
    return await ctx.db.query(Channel).collect()


@mutation
async def get_or_create(ctx: MutationCtx, name: str) -> Id[Channel]:
    """The channel of this name; a new one if there is none yet."""
    name = name.strip().lower()
    if not name:
        raise ApplicationError({"code": "empty", "message": "A channel needs a name."})
    if len(name) > NAME_CHARACTERS_MAX:
        raise ApplicationError(
            {"code": "too_long", "message": f"A channel name has at most {NAME_CHARACTERS_MAX} characters."}
        )

    # Looking and then creating is safe, however many people do it at once: a mutation is a
    # serializable transaction, and "there is no such channel" is part of what it has read.
    channel = await ctx.db.query(Channel).index(Channel.by_name, name).unique()
    return channel.id if channel is not None else await ctx.db.insert(Channel(name=name))
