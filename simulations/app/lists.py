"""Lists and registers: what a client reads of them tells which transactions came before its own."""

from __future__ import annotations

from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Record
from relive.engine.transactions.context import MutationCtx, QueryCtx

from .schema import ListOfKey, Register


class Step(Record):
    key: str
    value: int | None
    """What is appended or written; None reads."""


async def find(ctx: QueryCtx, key: str) -> ListOfKey | None:
    return await ctx.db.query(ListOfKey).index(ListOfKey.by_key, key).unique()


async def find_register(ctx: QueryCtx, key: str) -> Register | None:
    return await ctx.db.query(Register).index(Register.by_key, key).unique()


@mutation
async def transact(ctx: MutationCtx, steps: list[Step]) -> list[list[int] | None]:
    """What each step read."""
    results: list[list[int] | None] = []
    for step in steps:
        found = await find(ctx, step.key)
        if step.value is None:
            results.append(list(found.items) if found is not None else [])
            continue
        if found is None:
            await ctx.db.insert(ListOfKey(key=step.key, items=[step.value]))
        else:
            await ctx.db.patch(found.id, items=[*found.items, step.value])
        results.append(None)
    return results


@mutation
async def assign(ctx: MutationCtx, steps: list[Step]) -> list[int | None]:
    """What each step read."""
    results: list[int | None] = []
    for step in steps:
        found = await find_register(ctx, step.key)
        if step.value is None:
            results.append(found.value if found is not None else None)
            continue
        if found is None:
            await ctx.db.insert(Register(key=step.key, value=step.value))
        else:
            await ctx.db.patch(found.id, value=step.value)
        results.append(None)
    return results


@query
async def read(ctx: QueryCtx, keys: list[str]) -> list[list[int]]:
    found = [await find(ctx, key) for key in keys]
    return [list(each.items) if each is not None else [] for each in found]


@query
async def look(ctx: QueryCtx, keys: list[str]) -> list[int | None]:
    found = [await find_register(ctx, key) for key in keys]
    return [each.value if each is not None else None for each in found]
