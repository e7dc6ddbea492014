"""Names that only one may have."""

from __future__ import annotations

from relive.engine.application.functions import mutation, query
from relive.engine.transactions.context import MutationCtx, QueryCtx

from .schema import Owned


@mutation
async def claim(ctx: MutationCtx, name: str, owner: str) -> bool:
    """Whether the name was free."""
    if await ctx.db.query(Owned).index(Owned.by_name, name).exists():
        return False
    await ctx.db.insert(Owned(name=name, owner=owner))
    return True


@mutation
async def release(ctx: MutationCtx, name: str) -> bool:
    """Whether somebody had it."""
    owned = await ctx.db.query(Owned).index(Owned.by_name, name).unique()
    if owned is None:
        return False
    await ctx.db.delete(owned.id)
    return True


@query
async def owner(ctx: QueryCtx, name: str) -> str | None:
    owned = await ctx.db.query(Owned).index(Owned.by_name, name).unique()
    return None if owned is None else owned.owner


@query
async def owned(ctx: QueryCtx, owner: str) -> int:
    return await ctx.db.query(Owned).index(Owned.by_owner, owner).count()
