"""A report over all tickets, by a durable action: after a crash it goes on behind its last recorded step."""

from __future__ import annotations

from relive import (
    ActionCtx,
    Id,
    MutationCtx,
    QueryCtx,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)

from .people import signed_in
from .schema import Report, State, Ticket

PAUSE_S = 2.0
"""Between the steps, so that you can pull the plug and see it go on."""


@mutation
async def write(ctx: MutationCtx) -> Id[Report]:
    """Begin a report.  The page watches `mine`, so that may go away and come back, and so may the server."""
    report = await ctx.db.insert(Report(author=await signed_in(ctx), stage="counting open tickets"))
    await ctx.scheduler.run_after(0, put_together, report)
    return report


@internal_query
async def lines_of(ctx: QueryCtx, state: State) -> list[str]:
    tickets = await ctx.db.query(Ticket).index(Ticket.counts, state).order("desc").take(1_000)
    return [f"{ticket.title} ({ticket.author}, urgency {ticket.urgency})" for ticket in tickets]


@internal_mutation
async def stage(ctx: MutationCtx, report: Id[Report], stage: str) -> None:
    await ctx.db.patch(report, stage=stage)


@internal_mutation
async def finish(ctx: MutationCtx, report: Id[Report], text: str) -> None:
    await ctx.db.patch(report, stage="done", text=text)


@internal_action(durable=True)
async def put_together(ctx: ActionCtx, report: Id[Report]) -> None:
    opened = await ctx.step(lines_of, "open")
    await ctx.step(stage, report, "counting solved tickets")
    await ctx.sleep(PAUSE_S)
    solved = await ctx.step(lines_of, "solved")
    await ctx.step(stage, report, "writing")
    await ctx.sleep(PAUSE_S)
    text = "\n".join([f"{len(opened)} open", *opened, "", f"{len(solved)} solved", *solved])
    await ctx.step(finish, report, text)


@query
async def mine(ctx: QueryCtx) -> Report | None:
    """The newest report of who asks."""
    author = await signed_in(ctx)
    return await ctx.db.query(Report).index(Report.by_author, author).order("desc").first()
