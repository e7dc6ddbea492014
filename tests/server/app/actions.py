"""Actions of each kind, for tests of the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import trio

from relive import ActionCtx, ApplicationError, action, internal_action

from .counters import add, get


@action
async def double(ctx: ActionCtx, name: str) -> int:
    print("doubling", name)
    return await ctx.run_mutation(add, name, amount=await ctx.run_query(get, name))


@action(runtime="asyncio")
async def double_elsewhere(ctx: ActionCtx, name: str) -> int:
    await asyncio.sleep(0)
    print("doubling", name)
    return await ctx.run_action(double, name)


@internal_action
async def hidden(ctx: ActionCtx) -> str:
    return "hidden"


@action
async def refuse(ctx: ActionCtx, data: str) -> None:
    raise ApplicationError(data)


@action
async def wait(ctx: ActionCtx, seconds: float = 3600.0) -> None:
    await ctx.run_mutation(add, "waiting")
    await trio.sleep(seconds)


@action(runtime="asyncio")
async def wait_elsewhere(ctx: ActionCtx) -> None:
    try:
        await ctx.run_mutation(add, "waiting")
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        print("cancelled")
        raise


@action(runtime="asyncio")
async def never_ends(ctx: ActionCtx) -> None:
    await ctx.run_mutation(add, "waiting")
    while True:
        time.sleep(0.01)  # noqa: ASYNC251


@action(durable=True)
async def fill(ctx: ActionCtx, name: str, times: int = 3) -> int:
    for position in range(times):
        await ctx.step(add, name, name=f"add {position}")
    await ctx.sleep(0.05)
    return await ctx.step(add, name, amount=0)


@action
async def add_twice(ctx: ActionCtx, name: str, seconds: float) -> int:
    await ctx.run_mutation(add, name)
    await trio.sleep(seconds)
    print("doubling", name)
    return await ctx.run_mutation(add, name)


@action
async def leave(ctx: ActionCtx) -> None:
    raise KeyboardInterrupt


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@action(runtime="asyncio")
async def raise_unspeakable(ctx: ActionCtx) -> None:
    raise Unspeakable


KEPT: list[AsyncIterator[int]] = []


@action
async def leave_open(ctx: ActionCtx, what: str) -> str:
    """What is easily written: a generator that is not finished, with a scope around its `yield`."""

    async def within_nursery() -> AsyncIterator[int]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 0)
            yield 1

    async def within_scope() -> AsyncIterator[int]:
        with trio.move_on_after(1):
            yield 1

    KEPT.append(within_nursery() if what == "nursery" else within_scope())
    await anext(KEPT[-1])
    return "left"


LEFT: list[ActionCtx] = []


@action
async def leave_ctx(ctx: ActionCtx) -> None:
    LEFT.append(ctx)


@action
async def use_left(ctx: ActionCtx) -> int:
    return await LEFT.pop().run_mutation(add, "left")


@action
async def use_on_thread(ctx: ActionCtx) -> int:
    async def elsewhere() -> int:
        return await ctx.run_mutation(add, "thread")

    return await trio.to_thread.run_sync(lambda: asyncio.run(elsewhere()))


@action
async def use_from_thread(ctx: ActionCtx) -> int:
    return await trio.to_thread.run_sync(lambda: trio.from_thread.run(lambda: ctx.run_mutation(add, "thread")))
