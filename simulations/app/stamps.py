"""Notes in the order of their commits, whatever clocks say."""

from __future__ import annotations

from relive.engine.application.functions import mutation, query
from relive.engine.transactions.commit_timestamp import COMMIT_TIMESTAMP
from relive.engine.transactions.context import MutationCtx, QueryCtx

from .schema import Note


@mutation
async def note(ctx: MutationCtx, body: str) -> None:
    """Reads nothing."""
    await ctx.db.insert(Note(body=body, at=COMMIT_TIMESTAMP))


@mutation
async def touch(ctx: MutationCtx, body: str) -> bool:
    """Whether there is such a note; it is the newest from here on."""
    found = await ctx.db.query(Note).index(Note.by_body, body).first()
    if found is None:
        return False
    await ctx.db.patch(found.id, at=COMMIT_TIMESTAMP)
    return True


@query
async def newest(ctx: QueryCtx, number: int) -> list[str]:
    return [note.body for note in await ctx.db.query(Note).index(Note.by_at).order("desc").take(number)]
