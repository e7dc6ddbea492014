"""Under which address clients reach the deployment: part of the database, so that addresses can be run again.

Written when a mutation first asks, and when a server starts that is reached elsewhere.
"""

from __future__ import annotations

from typing import Final

from ..data.system_tables import Origin
from .system_writes import SystemCtx

DEFAULT_ORIGIN: Final = "http://127.0.0.1:3210"
"""Where nobody has said otherwise, such as under test."""


async def set_origin(ctx: SystemCtx, url: str, only_if_known: bool = False) -> None:
    """``only_if_known``: not if nobody has asked so far."""
    row = await ctx.db.query(Origin).first()
    if row is None:
        if not only_if_known:
            await ctx.db.insert(Origin(url=url))
    elif row.url != url:
        await ctx.db.patch(row.id, url=url)
