"""Counters: the smallest state whose loss or repetition shows."""

from __future__ import annotations

from relive import ApplicationError, MutationCtx, QueryCtx, internal_mutation, internal_query, mutation, query

from .schema import Counter


@query
async def get(ctx: QueryCtx, name: str) -> int:
    counter = await ctx.db.query(Counter).index(Counter.by_name, name).unique()
    return 0 if counter is None else counter.value


@mutation
async def add(ctx: MutationCtx, name: str, amount: int = 1) -> int:
    counter = await ctx.db.query(Counter).index(Counter.by_name, name).unique()
    if counter is None:
        await ctx.db.insert(Counter(name=name, value=amount))
        return amount
    await ctx.db.patch(counter.id, value=counter.value + amount)
    return counter.value + amount


@mutation
async def add_and_fail(ctx: MutationCtx, name: str) -> None:
    """Write, then fail: nothing of it may be seen."""
    await ctx.db.insert(Counter(name=name, value=1))
    raise ApplicationError({"name": name})


@mutation
async def add_and_print(ctx: MutationCtx, name: str) -> int:
    print("adding to", name)
    return await add(ctx, name)


@mutation
async def touch(ctx: MutationCtx) -> str:
    """Writes nothing."""
    return "nothing written"


@internal_query
async def get_secretly(ctx: QueryCtx, name: str) -> int:
    return await get(ctx, name)


@internal_mutation
async def add_secretly(ctx: MutationCtx, name: str) -> int:
    return await add(ctx, name)
