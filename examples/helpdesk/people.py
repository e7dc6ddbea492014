"""Who asks: everybody who has signed in may use the help desk, and nobody else."""

from __future__ import annotations

from relive import ApplicationError, QueryCtx


async def signed_in(ctx: QueryCtx) -> str:
    """The name of who asks."""
    identity = await ctx.auth.get_user_identity()
    if identity is None:
        raise ApplicationError({"code": "sign_in", "message": "Sign in first."})
    return identity.name or identity.subject
