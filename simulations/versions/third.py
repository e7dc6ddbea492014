"""Items, in the third version of the app: they grow twice as much, and are painted."""

from __future__ import annotations

from relive.engine.application.crons import Crons
from relive.engine.application.functions import migration, mutation, query
from relive.engine.data.schema import Document, field, index
from relive.engine.transactions.context import MutationCtx, QueryCtx

crons = Crons()
crons.every("beat", 1, "timers:beat", {"name": "another beat"})
crons.every("doze", 2, "timers:doze", {"name": "doze"})
crons.cron("minute", "* * * * *", "timers:beat", {"name": "minute"})


class Item(Document):
    name: str = field()
    size: int = field()
    color: str = "plain"
    coats: int = 0

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
    """By twice as much as before."""
    found = await find(ctx, name)
    if found is None:
        return 0
    await ctx.db.patch(found.id, size=found.size + 2 * by)
    return found.size + 2 * by


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
    return sum([item.coats for item in await ctx.db.query(Item).collect()])


@migration(Item, batch=2)
async def repaint(ctx: MutationCtx, item: Item) -> None:
    await ctx.db.patch(item.id, coats=item.coats + 1)
