"""Actions, for clients to call."""

from __future__ import annotations

from typing import Any

import trio

from relive import ActionCtx, ApplicationError, action

from .counters import add


@action
async def count(ctx: ActionCtx, name: str) -> int:
    print("counting", name)
    return await ctx.run_mutation(add, name=name, amount=2)


@action
async def refuse(ctx: ActionCtx, data: Any) -> None:
    raise ApplicationError(data)


@action
async def hang(ctx: ActionCtx, name: str) -> None:
    await ctx.run_mutation(add, name=name)
    await trio.sleep(60)
