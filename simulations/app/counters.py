"""Counters: the smallest state whose loss or repetition shows."""

from __future__ import annotations

from relive.engine.application.functions import mutation, query
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.operations import increment, maximum

from .schema import Counter, Meter


async def find(ctx: QueryCtx, name: str) -> Counter | None:
    return await ctx.db.query(Counter).index(Counter.by_name, name).unique()


@mutation
async def add(ctx: MutationCtx, name: str, by: int) -> int:
    counter = await find(ctx, name)
    if counter is None:
        await ctx.db.insert(Counter(name=name, count=by))
        return by
    await ctx.db.patch(counter.id, count=counter.count + by)
    return counter.count + by


@mutation
async def bump(ctx: MutationCtx, name: str) -> None:
    """Adds one, and does not look at the count."""
    counter = await find(ctx, name)
    if counter is None:
        await ctx.db.insert(Counter(name=name, count=1))
    else:
        await ctx.db.merge(counter.id, count=increment())


@mutation
async def raise_to(ctx: MutationCtx, name: str, least: int) -> None:
    """Makes it no less than that, and does not look at the count."""
    counter = await find(ctx, name)
    if counter is None:
        await ctx.db.insert(Counter(name=name, count=least))
    else:
        await ctx.db.merge(counter.id, count=maximum(least))


@mutation
async def tick(ctx: MutationCtx, name: str) -> None:
    """Adds one to the counter of a meter, without having read anything of it."""
    meter = await ctx.db.query(Meter).index(Meter.by_name, name).unique()
    if meter is None:
        counter = await ctx.db.insert(Counter(name=name, count=1))
        await ctx.db.insert(Meter(name=name, counter=counter))
    else:
        await ctx.db.merge(meter.counter, count=increment())


@query
async def above(ctx: QueryCtx, least: int) -> list[str]:
    return [counter.name for counter in await ctx.db.query(Counter).index(Counter.by_count, gte=least).collect()]


@query
async def get(ctx: QueryCtx, name: str) -> int:
    counter = await find(ctx, name)
    return 0 if counter is None else counter.count
