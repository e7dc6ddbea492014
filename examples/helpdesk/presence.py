"""Who looks at which ticket now.  There are no heartbeats: a session that ends leaves every room."""

from __future__ import annotations

from relive import Id, MutationCtx, Presence, Present, QueryCtx, mutation, query

from .people import signed_in
from .schema import Ticket

viewers = Presence("viewers")


@mutation
async def look(ctx: MutationCtx, ticket: Id[Ticket]) -> None:
    await viewers.enter(ctx, ticket, user=await signed_in(ctx))


@mutation
async def look_away(ctx: MutationCtx, ticket: Id[Ticket]) -> None:
    await viewers.leave(ctx, ticket)


@query
async def looking(ctx: QueryCtx, ticket: Id[Ticket]) -> list[Present]:
    await signed_in(ctx)
    return await viewers.present(ctx, ticket)
