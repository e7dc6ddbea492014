"""Exports and imports that tools of Convex asked for: rows of a system table, which they watch.

Only the newest are kept: the entries of imports themselves are what says what was imported.
"""

from __future__ import annotations

from ...protocol.values import Int64
from ..data.system_tables import Transfer, TransferState
from .system_writes import SystemCtx, SystemHandler

KEPT = 20


def note_export(ts: int) -> SystemHandler[None]:
    async def note(ctx: SystemCtx) -> None:
        await make_room(ctx)
        await ctx.db.insert(Transfer(kind="export", state="completed", ts=Int64(ts), rows=None, message=None))

    return note


def note_import(message: str, *, failed: bool) -> SystemHandler[str]:
    """One that waits to be confirmed, or cannot be done; its id."""

    async def note(ctx: SystemCtx) -> str:
        await make_room(ctx)
        state: TransferState = "failed" if failed else "waiting_for_confirmation"
        return await ctx.db.insert(Transfer(kind="import", state=state, ts=None, rows=None, message=message))

    return note


def note_state(id: str, state: TransferState, rows: int | None, message: str | None) -> SystemHandler[bool]:
    """False if there is no such transfer any more."""

    async def note(ctx: SystemCtx) -> bool:
        row = await ctx.db.query(Transfer).filter(lambda transfer: transfer.id == id).first()
        if row is None:
            return False
        await ctx.db.patch(row.id, state=state, rows=rows, message=message)
        return True

    return note


async def make_room(ctx: SystemCtx) -> None:
    rows = await ctx.db.query(Transfer).collect()
    for row in rows[: max(0, len(rows) - KEPT + 1)]:
        await ctx.db.delete(row.id)
