"""Jobs: the oldest that waits goes to one worker, who finishes it."""

from __future__ import annotations

from relive.engine.application.functions import mutation, query
from relive.engine.errors import ApplicationError
from relive.engine.transactions.context import MutationCtx, QueryCtx

from .schema import Job


@mutation
async def add(ctx: MutationCtx, number: int) -> None:
    await ctx.db.insert(Job(number=number, state="waiting", worker=""))


@mutation
async def claim(ctx: MutationCtx, worker: str) -> int | None:
    """Which job is the worker's from here on."""
    job = await ctx.db.query(Job).index(Job.by_state, "waiting").first()
    if job is None:
        return None
    await ctx.db.patch(job.id, state="claimed", worker=worker)
    return job.number


@mutation
async def finish(ctx: MutationCtx, worker: str) -> int:
    """Which job is done: of those that the worker has, the oldest."""
    job = await ctx.db.query(Job).index(Job.by_worker, worker, "claimed").first()
    if job is None:
        raise ApplicationError("no job")
    await ctx.db.patch(job.id, state="done")
    return job.number


@query
async def in_state(ctx: QueryCtx, state: str) -> list[int]:
    return [job.number for job in await ctx.db.query(Job).index(Job.by_state, state).collect()]


@query
async def is_idle(ctx: QueryCtx) -> bool:
    return not await ctx.db.query(Job).index(Job.by_state, "waiting").exists()
