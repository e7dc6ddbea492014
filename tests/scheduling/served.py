"""The app that is served."""

from __future__ import annotations

import trio

from relive import (
    ActionCtx,
    ApplicationError,
    Document,
    Id,
    MutationCtx,
    QueryCtx,
    ScheduledFunction,
    action,
    field,
    index,
    internal_action,
    internal_mutation,
    mutation,
    query,
)


class Note(Document):
    text: str = field()
    by_text = index(text)


@query
async def notes(ctx: QueryCtx) -> list[str]:
    return [note.text for note in await ctx.db.query(Note).collect()]


@query
async def states(ctx: QueryCtx) -> list[str]:
    return [row.state.kind for row in await ctx.db.system.query(ScheduledFunction).take(50)]


@internal_mutation
async def put(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert(Note(text=text))


@internal_mutation
async def refuse(ctx: MutationCtx) -> None:
    raise ApplicationError("no")


@mutation
async def later(ctx: MutationCtx, text: str, seconds: float = 0) -> Id[ScheduledFunction]:
    return await ctx.scheduler.run_after(seconds, put, text)


@mutation
async def call(ctx: MutationCtx, function: str, text: str | None = None) -> Id[ScheduledFunction]:
    return await ctx.scheduler.run_after(0, function, {"text": text} if text is not None else {})


@mutation
async def many(ctx: MutationCtx, count: int, seconds: float = 0) -> None:
    for _ in range(count):
        await ctx.scheduler.run_after(seconds, put, "many")


@mutation
async def cancel(ctx: MutationCtx, id: Id[ScheduledFunction]) -> None:
    await ctx.scheduler.cancel(id)


@internal_mutation
async def chain(ctx: MutationCtx) -> None:
    await ctx.db.insert(
        Note(text=",".join(row.state.kind for row in await ctx.db.system.query(ScheduledFunction).collect()))
    )
    await ctx.scheduler.run_after(0.01, put, "chained")


@internal_mutation
async def cancels_itself(ctx: MutationCtx) -> None:
    id = ctx.meta.scheduled_function_id
    assert id is not None
    await ctx.scheduler.cancel(id)
    await ctx.scheduler.run_after(0, put, "never")


@internal_action
async def fetch(ctx: ActionCtx, text: str) -> None:
    await ctx.run_mutation(put, f"{text} fetched")


@internal_action
async def wait(ctx: ActionCtx) -> None:
    await ctx.run_mutation(put, "waiting")
    await trio.sleep(3600)


@internal_action
async def wait_a_little(ctx: ActionCtx, text: str) -> None:
    await ctx.run_mutation(put, f"begin {text}")
    await trio.sleep(0.02)
    await ctx.run_mutation(put, f"end {text}")


@action(durable=True)
async def steps(ctx: ActionCtx, text: str) -> None:
    await ctx.step(put, f"{text} first")
    await ctx.sleep(0.3)
    await ctx.step(put, f"{text} second")
