"""What runs later: mutations, some of which fail, actions, and durable actions; and what runs again and again."""

from __future__ import annotations

from datetime import timedelta

import trio
from relive.engine.application.functions import internal_action, internal_mutation, mutation, query
from relive.engine.data.schema import Id
from relive.engine.data.system_tables import ScheduledFunction
from relive.engine.errors import ApplicationError
from relive.engine.transactions.action_context import ActionCtx
from relive.engine.transactions.context import MutationCtx, QueryCtx

from .schema import Beat, Mark, Timer

ECHO_S = 0.005
NAP_S = 0.02
DOZE_S = 1.5


async def find(ctx: QueryCtx, number: int) -> Timer:
    found = await ctx.db.query(Timer).index(Timer.by_number, number).first()
    assert found is not None
    return found


@mutation
async def start(ctx: MutationCtx, number: int, kind: str, ms: int) -> None:
    """Schedule what is to happen in so many milliseconds; of fewer than none, at a moment that is past."""
    await ctx.db.insert(Timer(number=number, times=0))
    if ms < 0:
        await ctx.scheduler.run_at(ctx.now + timedelta(milliseconds=ms), f"timers:{kind}", {"number": number})
    else:
        await ctx.scheduler.run_after(ms / 1000, f"timers:{kind}", {"number": number})


@mutation
async def cancel(ctx: MutationCtx, number: int) -> bool:
    """Whether it had not ended."""
    async for job in ctx.db.system.query("_scheduled_functions"):
        if job.args[0].get("number") == number and job.state.kind in ("pending", "inProgress"):
            await ctx.scheduler.cancel(job.id)
            return True
    return False


@internal_mutation
async def fire(ctx: MutationCtx, number: int) -> None:
    timer = await find(ctx, number)
    await ctx.db.patch(timer.id, times=timer.times + 1)


@internal_mutation
async def fail(ctx: MutationCtx, number: int) -> None:
    await fire(ctx, number)
    raise ApplicationError("no")


@internal_mutation
async def chain(ctx: MutationCtx, number: int) -> None:
    """Does what it has to, and schedules more."""
    await fire(ctx, number)
    await ctx.scheduler.run_after(ECHO_S, fire, number)


@internal_action
async def ring(ctx: ActionCtx, number: int) -> None:
    await ctx.run_mutation(fire, number)
    await trio.sleep(ECHO_S)
    await ctx.scheduler.run_after(0, fire, number)


@internal_action(durable=True)
async def walk(ctx: ActionCtx, number: int) -> None:
    for position in range(2):
        await ctx.step(mark, number, position)
    await ctx.sleep(NAP_S)
    await ctx.step(mark, number, 2)


@internal_mutation
async def mark(ctx: MutationCtx, number: int, position: int) -> None:
    await ctx.db.insert(Mark(number=number, position=position))


@internal_mutation
async def beat(ctx: MutationCtx, name: str) -> None:
    found = await ctx.db.query(Beat).index(Beat.by_name, name).unique()
    if found is None:
        await ctx.db.insert(Beat(name=name, times=1))
    else:
        await ctx.db.patch(found.id, times=found.times + 1)


@internal_action
async def doze(ctx: ActionCtx, name: str) -> None:
    """Takes longer than it is until the next run."""
    await ctx.run_mutation(beat, name)
    await trio.sleep(DOZE_S)


@query
async def times(ctx: QueryCtx) -> list[list[int]]:
    return [[timer.number, timer.times] for timer in await ctx.db.query(Timer).collect()]


@query
async def in_state(ctx: QueryCtx, state: str) -> int:
    index = ScheduledFunction.by_state
    return await ctx.db.system.query("_scheduled_functions").index(index, state).count()


@query
async def jobs(ctx: QueryCtx) -> list[str]:
    return [f"{job.name} {job.state.kind}" for job in await ctx.db.system.query(ScheduledFunction).collect()]


@query
async def newest(ctx: QueryCtx) -> str | None:
    """How the job stands that was scheduled last, read by its id."""
    last = await ctx.db.system.query("_scheduled_functions").order("desc").first()
    return await state_of(ctx, last.id) if last is not None else None


async def state_of(ctx: QueryCtx, id: Id[ScheduledFunction]) -> str | None:
    job = await ctx.db.system.get(id)
    return job.state.kind if job is not None else None


@query
async def marks(ctx: QueryCtx) -> list[list[int]]:
    return [[mark.number, mark.position] for mark in await ctx.db.query(Mark).collect()]
