"""What Python 3.13 and later let type checkers find in patches: every line that ends in E."""

from __future__ import annotations

from relive import Id, MutationCtx, mutation

from .schema import Address, Message, User


@mutation
async def patches(ctx: MutationCtx, user: Id[User], message: Id[Message]) -> str:
    changed = await ctx.db.patch(user, name="x", address=Address(city="y"))
    liked = await ctx.db.patch(message, likes=3, tags=["a"])
    await ctx.db.patch(user, name=3)  # E: a name is text
    await ctx.db.patch(user, nick="x")  # E: no such field
    await ctx.db.patch(message, channel=user)  # E: the id of another table
    return f"{changed.name} {liked.likes}"
