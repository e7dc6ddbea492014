"""Mutations that call mutations; what a part that failed wrote is undone, and what it read stays read."""

from __future__ import annotations

from relive.engine.application.functions import mutation, query
from relive.engine.errors import ApplicationError
from relive.engine.transactions.context import MutationCtx, QueryCtx

from .schema import Part

SIZE_MAX = 20


async def find(ctx: QueryCtx, name: str) -> Part | None:
    return await ctx.db.query(Part).index(Part.by_name, name).unique()


@mutation
async def one(ctx: MutationCtx, name: str, by: int) -> int:
    """Writes, and only then finds that it is too much."""
    found = await find(ctx, name)
    size = by if found is None else found.size + by
    if found is None:
        await ctx.db.insert(Part(name=name, size=size))
    else:
        await ctx.db.patch(found.id, size=size)
    if size > SIZE_MAX:
        raise ApplicationError("too much")
    return size


@mutation
async def several(ctx: MutationCtx, names: list[str], by: int) -> list[int | None]:
    """What became of each, and last of all together."""
    done: list[int | None] = []
    for name in names:
        try:
            done.append(await ctx.run_mutation(one, name, by))
        except ApplicationError:
            done.append(None)
    return [*done, await ctx.run_query(total)]


@query
async def total(ctx: QueryCtx) -> int:
    """Of all together; a mutation that asks sees what it has written."""
    return sum([part.size for part in await ctx.db.query(Part).collect()])


@mutation
async def empty(ctx: MutationCtx, name: str) -> None:
    found = await find(ctx, name)
    if found is not None:
        await ctx.db.delete(found.id)


@query
async def size(ctx: QueryCtx, name: str) -> int:
    found = await find(ctx, name)
    return 0 if found is None else found.size
