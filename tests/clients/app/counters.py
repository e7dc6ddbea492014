"""Counters: the smallest state whose loss or repetition shows."""

from __future__ import annotations

from relive import MutationCtx, QueryCtx, mutation, query

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
