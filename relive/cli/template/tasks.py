"""The functions of the app: clients call them as `tasks:unfinished`, `tasks:add` and `tasks:finish`."""

from __future__ import annotations

from relive import ApplicationError, Id, MutationCtx, QueryCtx, mutation, query

from .schema import Task


@query
async def unfinished(ctx: QueryCtx, limit: int = 50) -> list[Task]:
    """What is still to do, newest first.  Clients that watch it see every change."""
    return await ctx.db.query(Task).index(Task.by_done, False).order("desc").take(limit)


@mutation
async def add(ctx: MutationCtx, title: str) -> Id[Task]:
    """Something new to do."""
    if not title.strip():
        raise ApplicationError("a task needs a title")
    return await ctx.db.insert(Task(title=title.strip()))


@mutation
async def finish(ctx: MutationCtx, task: Id[Task]) -> None:
    """It is done."""
    await ctx.db.patch(task, done=True)
