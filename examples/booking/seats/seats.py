"""Booking in two steps, with a mistake in it: what was checked in the first need not be so in the second."""

from __future__ import annotations

from relive import ApplicationError, Id, MutationCtx, QueryCtx, mutation, query

from .schema import Booking, Hold, Show

SEATS = 3


async def require_free(ctx: QueryCtx, show: Id[Show], seat: int) -> None:
    if await ctx.db.query(Booking).index(Booking.by_seat, show, seat).exists():
        raise ApplicationError({"code": "taken", "seat": seat})


@mutation
async def open_show(ctx: MutationCtx, name: str) -> Id[Show]:
    known = await ctx.db.query(Show).index(Show.by_name, name).first()
    return known.id if known is not None else await ctx.db.insert(Show(name=name))


@query
async def taken(ctx: QueryCtx, show: Id[Show]) -> list[int]:
    return [each.seat for each in await ctx.db.query(Booking).index(Booking.by_seat, show).take(SEATS)]


@mutation
async def hold(ctx: MutationCtx, show: Id[Show], seat: int, guest: str) -> Id[Hold]:
    """First step: the seat is free, so the guest may pay for it."""
    await require_free(ctx, show, seat)
    return await ctx.db.insert(Hold(show=show, seat=seat, guest=guest))


@mutation
async def book(ctx: MutationCtx, hold: Id[Hold]) -> None:
    """Second step: it is paid.  The mistake: nobody asks again whether the seat is still free."""
    held = await ctx.db.get(hold)
    if held is None:
        raise ApplicationError({"code": "no_such_hold"})
    await ctx.db.delete(hold)
    await ctx.db.insert(Booking(show=held.show, seat=held.seat, guest=held.guest))
