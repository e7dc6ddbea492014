"""What HTTP actions of the tests write."""

from __future__ import annotations

from relive import Document, MutationCtx, QueryCtx, field, index, internal_mutation, query


class Note(Document, table="notes"):
    text: str = field()

    by_text = index(text)


@internal_mutation
async def note(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert(Note(text=text))


@query
async def notes(ctx: QueryCtx) -> list[str]:
    return [each.text async for each in ctx.db.query(Note)]
