"""Aggregates, rate limits and presence: every line marked E is refused by type checkers, and no other is."""

from __future__ import annotations

from datetime import timedelta

from relive import (
    Allowance,
    Document,
    FixedWindow,
    Int64,
    MutationCtx,
    Presence,
    Present,
    QueryCtx,
    Unset,
    aggregate,
    field,
    mutation,
    query,
)


class Sale(Document):
    shop: str = field()
    day: int = field()
    price: float | None = field(default=None)
    units: int = field(default=0)
    big: Int64 = field(default=Int64(0))
    maybe: int | Unset = field(default=0)
    note: str = field(default="")

    by_day = aggregate(by=(shop, day), sum=price)
    in_all = aggregate(sum=units)
    bigs = aggregate(by=(shop,), sum=big)
    board = aggregate(by=(shop, units))
    names = aggregate(sum=note)  # E: no numbers


sends = FixedWindow("sends", rate=3, per=timedelta(hours=1), max_reserved=3)
here = Presence("here")


@query
async def sums(ctx: QueryCtx, shop: str) -> float:
    whole: int = await ctx.db.aggregate(Sale.in_all).sum()
    big: Int64 = await ctx.db.aggregate(Sale.bigs, shop).sum()
    price: float = await ctx.db.aggregate(Sale.by_day, shop, gte=3).sum()
    least: float | None = await ctx.db.aggregate(Sale.by_day, shop, 3).min()
    rank: int = await ctx.db.aggregate(Sale.board, shop).rank(7)
    best = await ctx.db.aggregate(Sale.board, shop).at(-1)
    sales: list[Sale] = await ctx.db.query(Sale).index(Sale.by_day, shop, 3).collect()
    print(big, least, rank, best, sales)
    wrong: int = await ctx.db.aggregate(Sale.by_day, shop).sum()  # E: a sum of floats
    print(wrong)
    ctx.db.aggregate(Sale.by_day, 3)  # E: a shop is text
    ctx.db.aggregate(Sale.by_day, shop, gte="x")  # E: a day is a number
    ctx.db.aggregate(Sale.price)  # E: no aggregate
    return whole + price


@query
async def asks(ctx: QueryCtx, user: str) -> Allowance:
    await sends.take(ctx, user)  # E: a query takes nothing
    await sends.reserve(ctx, user)  # E: nor does it reserve
    await here.enter(ctx, "hall", user=user)  # E: nor does it enter
    print(ctx.meta.session)  # E: many clients share a query
    return await sends.check(ctx, user)


@query
async def inside(ctx: QueryCtx, room: str) -> list[Present]:
    present: bool = await here.is_present(ctx, room, "ada")
    print(present)
    return await here.present(ctx, room, 10)


@mutation
async def send(ctx: MutationCtx, user: str) -> int:
    session: str | None = ctx.meta.session
    await here.enter(ctx, "hall", user=user)
    await here.enter(ctx, "hall", user)  # E: by its name
    await here.leave(ctx)
    rooms: list[str] = await here.rooms(ctx)
    print(session, rooms)
    await sends.take(ctx, 3)  # E: a key is text
    await sends.require(ctx, user)
    return (await sends.reserve(ctx, user, 2)).retry_after


FixedWindow("x", rate=1, per=60)  # E: a timedelta
FixedWindow("x", 1, timedelta(hours=1))  # E: by their names
