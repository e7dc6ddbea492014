"""Pausing a deployment: no function of its app runs, for clients or anybody else, until it is resumed.

Deploys, environment variables, migrations and the log stay at hand, so that what went wrong can be
mended meanwhile.  The state is a row of a system table: it stays over restarts, and the log says who
paused when.
"""

from __future__ import annotations

from ...actors.tables import Tables
from ..data.system_tables import PAUSES, Pause
from .system_writes import SystemCtx


def is_paused(tables: Tables) -> bool:
    return bool(tables.table(PAUSES).versions)


async def pause(ctx: SystemCtx) -> bool:
    """False if it is paused already."""
    if await ctx.db.query(Pause).exists():
        return False
    await ctx.db.insert(Pause(since=ctx.now.timestamp() * 1000))
    return True


async def resume(ctx: SystemCtx) -> bool:
    """False if it is not paused."""
    rows = await ctx.db.query(Pause).collect()
    for row in rows:
        await ctx.db.delete(row.id)
    return bool(rows)
