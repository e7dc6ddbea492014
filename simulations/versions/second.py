"""Items, in the second version of the app: they are ordered by size, and have a color."""

from __future__ import annotations

from relive.engine.application.crons import Crons
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, field, index
from relive.engine.transactions.context import MutationCtx, QueryCtx

crons = Crons()
crons.every("beat", 1, "timers:beat", {"name": "beat"})
crons.every("doze", 1, "timers:doze", {"name": "doze"})
crons.every("gone", 1, "timers:beat", {"name": "gone"})


class Item(Document):
    name: str = field()
    size: int = field()
    color: str = "plain"

    by_name = index(name)
    by_size = index(size)


async def find(ctx: QueryCtx, name: str) -> Item | None:
    return await ctx.db.query(Item).index(Item.by_name, name).unique()


@mutation
async def put(ctx: MutationCtx, name: str, size: int) -> None:
    found = await find(ctx, name)
    if found is None:
        await ctx.db.insert(Item(name=name, size=size, color="new"))
    else:
        await ctx.db.patch(found.id, size=size, color="new")


@mutation
async def grow(ctx: MutationCtx, name: str, by: int) -> int:
    found = await find(ctx, name)
    if found is None:
        return 0
    await ctx.db.patch(found.id, size=found.size + by)
    return found.size + by


@mutation
async def remove(ctx: MutationCtx, name: str) -> None:
    found = await find(ctx, name)
    if found is not None:
        await ctx.db.delete(found.id)


@query
async def smallest(ctx: QueryCtx, number: int) -> list[str]:
    return [item.name for item in await ctx.db.query(Item).index(Item.by_size).take(number)]


@query
async def colors(ctx: QueryCtx) -> list[str]:
    return [f"{item.name} {item.color}" for item in await ctx.db.query(Item).collect()]


@query
async def coats(ctx: QueryCtx) -> int:
    """None yet."""
    await ctx.db.query(Item).collect()
    return 0
