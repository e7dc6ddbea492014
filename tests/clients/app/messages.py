"""Messages, in the order in which they were sent."""

from __future__ import annotations

import builtins

from relive import ApplicationError, Id, MutationCtx, QueryCtx, mutation, query

from .schema import Message


@query
async def list(ctx: QueryCtx) -> builtins.list[Message]:
    return await ctx.db.query(Message).collect()


@mutation
async def send(ctx: MutationCtx, author: str, body: str) -> Id[Message]:
    return await ctx.db.insert(Message(author=author, body=body))


@mutation
async def send_and_fail(ctx: MutationCtx, author: str, body: str) -> None:
    """Write, then fail: nothing of it may be seen."""
    await ctx.db.insert(Message(author=author, body=body))
    raise ApplicationError({"code": "refused", "body": body})


@mutation
async def announce(ctx: MutationCtx, text: str) -> None:
    print(text)
