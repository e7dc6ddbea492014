"""Results and arguments larger than the limits that libraries have by default."""

from __future__ import annotations

from relive import MutationCtx, QueryCtx, mutation, query


@query
async def blob(ctx: QueryCtx, size: int) -> bytes:
    """Bytes travel as base64: `size` of them make a message of 4/3 of that."""
    return bytes(range(256)) * (size // 256)


@mutation
async def measure(ctx: MutationCtx, text: str) -> int:
    return len(text)
