"""What people may do with their notes."""

from __future__ import annotations

from relive import ApplicationError, Identity, MutationCtx, QueryCtx, mutation, query

from .schema import Note


async def signed_in(ctx: QueryCtx) -> Identity:
    identity = await ctx.auth.get_user_identity()
    if identity is None:
        raise ApplicationError("sign in first")
    return identity


@query
async def mine(ctx: QueryCtx) -> list[str]:
    owner = (await signed_in(ctx)).token_identifier
    return [note.text for note in await ctx.db.query(Note).index(Note.by_owner, owner).take(100)]


@query
async def count(ctx: QueryCtx) -> int:
    """The same for everybody: it does not ask who asks."""
    return await ctx.db.query(Note).count()


@query
async def who(ctx: QueryCtx) -> dict[str, object] | None:
    identity = await ctx.auth.get_user_identity()
    return dict(identity) if identity is not None else None


@mutation
async def add(ctx: MutationCtx, text: str) -> str:
    owner = (await signed_in(ctx)).token_identifier
    await ctx.db.insert(Note(owner=owner, text=text))
    return owner
