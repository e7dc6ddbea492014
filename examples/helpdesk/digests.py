"""What a cron writes down every minute (`crons.py`): how many tickets there are."""

from __future__ import annotations

from relive import MutationCtx, QueryCtx, internal_mutation, query

from .schema import Digest, Ticket

KEPT = 60


@internal_mutation
async def write(ctx: MutationCtx) -> None:
    opened, solved = [await ctx.db.aggregate(Ticket.counts, state).count() for state in ("open", "solved")]
    await ctx.db.insert(Digest(open=opened, solved=solved))
    for old in (await ctx.db.query(Digest).order("desc").take(KEPT + 10))[KEPT:]:
        await ctx.db.delete(old.id)


@query
async def newest(ctx: QueryCtx) -> Digest | None:
    return await ctx.db.query(Digest).order("desc").first()
