"""The app that is killed: whatever it does leaves a trace, in documents or in files of the world outside."""

from __future__ import annotations

import os
import time
from typing import cast

import trio

from relive import (
    ActionCtx,
    Crons,
    Document,
    Id,
    MutationCtx,
    QueryCtx,
    ScheduledFunction,
    StoredFile,
    action,
    field,
    index,
    internal_action,
    internal_mutation,
    mutation,
    on_connect,
    on_disconnect,
    query,
)

from .version import VERSION

FAILS = 2
"""How often a step fails that fails at first."""


class Order(Document, table="orders"):
    """What was asked for, and which scheduled functions it led to."""

    number: int = field()
    jobs: dict[str, str]
    by_number = index(number)


class Effect(Document, table="effects"):
    """What a scheduled mutation did."""

    number: int
    kind: str
    job: str | None
    early_ms: float


class Charge(Document, table="charges"):
    """What a step did that is a mutation."""

    number: int
    step: int


class Tick(Document, table="ticks"):
    """What a cron did."""

    job: str | None
    version: int


class Visit(Document, table="visits"):
    """That a client's session has begun, or ended."""

    session: str
    what: str


class Upload(Document, table="uploads"):
    """A file that somebody has stored."""

    number: int = field()
    file: Id[StoredFile]
    by_number = index(number)


def leave_trace(name: str) -> int:
    """Tell the world outside, durably enough for a kill; how often it was told so."""
    descriptor = os.open(os.path.join(os.environ["CRASH_OUTSIDE"], name), os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{time.time_ns()}\n".encode())
        return os.pread(descriptor, 10_000, 0).count(b"\n")
    finally:
        os.close(descriptor)


@query
async def documents(ctx: QueryCtx) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table in (Order, Effect, Charge, Tick, Visit, Upload):
        found[table.__table__] = [each.id async for each in ctx.db.query(table)]
    return found


@internal_mutation
async def effect(ctx: MutationCtx, number: int, kind: str, due: float) -> None:
    now, job = ctx.now.timestamp() * 1000, ctx.meta.scheduled_function_id
    await ctx.db.insert(Effect(number=number, kind=kind, job=job, early_ms=due - now))
    if kind == "first":
        await ctx.scheduler.run_after(0.02, effect, number, "second", now + 20)


@internal_action
async def outside(ctx: ActionCtx, number: int) -> None:
    leave_trace(f"action {ctx.meta.scheduled_function_id}")
    await trio.sleep(0.02)
    await ctx.run_mutation(effect, number, "outside", 0.0)


async def step_outside(number: int, step: int) -> int:
    count = leave_trace(f"step {number} {step}")
    if (number + step) % 3 == 0 and count <= FAILS:
        raise ValueError("the world outside is not ready")
    await trio.sleep(0.01)
    return step


@internal_mutation
async def charge(ctx: MutationCtx, number: int, step: int) -> int:
    await ctx.db.insert(Charge(number=number, step=step))
    return step


@action(durable=True)
async def place(ctx: ActionCtx, number: int, steps: int) -> int:
    total = 0
    for step in range(steps):
        total += await ctx.step(step_outside, number, step, name=f"outside {step}", retries=1_000, backoff=0.02)
        total += await ctx.step(charge, number, step, name=f"charge {step}")
        if step == 0:
            await ctx.sleep(0.05)
    return total


@mutation
async def order(ctx: MutationCtx, number: int, seconds: float, steps: int) -> None:
    due = ctx.now.timestamp() * 1000 + seconds * 1000
    jobs = {
        "first": await ctx.scheduler.run_after(seconds, effect, number, "first", due),
        "doomed": await ctx.scheduler.run_after(seconds, effect, number, "doomed", due),
        "outside": await ctx.scheduler.run_after(seconds, outside, number),
    }
    if number % 3 == 0:
        jobs["keep"] = await ctx.scheduler.run_after(seconds, keep, number, 1_000 * number)
    if steps:
        jobs["place"] = await ctx.scheduler.run_after(seconds, place, number, steps)
    await ctx.db.insert(Order(number=number, jobs={name: str(id) for name, id in jobs.items()}))


@mutation
async def cancel(ctx: MutationCtx, number: int, job: str) -> str | None:
    """Cancel what an order led to; how it stood until then, None if there is no such order."""
    found = await ctx.db.query(Order).index(Order.by_number, number).first()
    if found is None:
        return None
    id = cast("Id[ScheduledFunction]", found.jobs[job])
    row = await ctx.db.system.get(id)
    assert row is not None
    state: str = row.state.kind
    if state in ("pending", "inProgress"):
        await ctx.scheduler.cancel(id)
    return state


@mutation
async def where_to_upload(ctx: MutationCtx) -> str:
    return await ctx.storage.generate_upload_url()


@mutation
async def attach(ctx: MutationCtx, number: int, file: Id[StoredFile]) -> None:
    await ctx.db.insert(Upload(number=number, file=file))


@query
async def address(ctx: QueryCtx, number: int) -> str | None:
    found = await ctx.db.query(Upload).index(Upload.by_number, number).first()
    return await ctx.storage.get_url(found.file) if found is not None else None


@mutation
async def drop(ctx: MutationCtx, number: int) -> None:
    found = await ctx.db.query(Upload).index(Upload.by_number, number).first()
    if found is not None:
        await ctx.db.delete(found.id)
        await ctx.storage.delete(found.file)


@internal_action
async def keep(ctx: ActionCtx, number: int, size: int) -> None:
    file = await ctx.storage.store(bytes([number % 251]) * size)
    await ctx.run_mutation(attach, number, file)


@query
async def files(ctx: QueryCtx) -> int:
    return await ctx.db.system.query("_storage").count()


@internal_mutation
async def tick(ctx: MutationCtx, version: int) -> None:
    await ctx.db.insert(Tick(job=ctx.meta.scheduled_function_id, version=version))


@internal_action
async def slow(ctx: ActionCtx) -> None:
    leave_trace(f"action {ctx.meta.scheduled_function_id}")
    await trio.sleep(1.3)


@query
async def present(ctx: QueryCtx) -> list[str]:
    visits = await ctx.db.query(Visit).collect()
    return sorted({visit.session for visit in visits} - {visit.session for visit in visits if visit.what == "left"})


@on_connect
async def came(ctx: MutationCtx, session: str) -> None:
    await ctx.db.insert(Visit(session=session, what="came"))


@on_disconnect
async def left(ctx: MutationCtx, session: str) -> None:
    await ctx.db.insert(Visit(session=session, what="left"))


crons = Crons()
crons.every("tick", 1, tick, {"version": VERSION})
crons.every("slow", 1, slow)
