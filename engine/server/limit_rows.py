"""Rows of rate limits that say nothing any more go: a limit that is full again is as one of which nothing was taken.

Else an app that limits each of its visitors would keep a row for everybody who ever came.

Invariant: what goes has been full for `RATE_LIMITS_KEPT_S`, by the limit that it was written with.
"""

from __future__ import annotations

import logging

import trio
from attrs import define

from ...actors.errors import WritesRefused
from ...protocol.values import Int64
from ..data.system_tables import RateLimitRow
from ..database import Database
from ..execution.pause import is_paused
from ..execution.system_writes import SystemCtx
from ..limits import RATE_LIMITS_FORGOTTEN_MAX, RATE_LIMITS_KEPT_S

SWEEP_S = 60.0

logger = logging.getLogger("relive")


@define(eq=False)
class LimitRows:
    database: Database

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await trio.sleep(SWEEP_S)
            try:
                while self.forget() == RATE_LIMITS_FORGOTTEN_MAX:
                    await trio.lowlevel.checkpoint()
            except WritesRefused as error:
                logger.warning("rows of rate limits stay for now: %s", error)

    def forget(self) -> int:
        """Some of them go; how many.  Raises WritesRefused."""
        executor = self.database.executor
        if is_paused(self.database.runtime.tables):
            return 0
        return executor.write("rate_limits:forget", "system", forget, None, "rate limits that are full again").value


async def forget(ctx: SystemCtx) -> int:
    before = Int64(int(ctx._run.run.clock_ns // 1_000 - RATE_LIMITS_KEPT_S * 1_000_000))
    rows = ctx.db.query(RateLimitRow).index(RateLimitRow.by_full_at, gt=Int64(0), lt=before)
    old = await rows.take(RATE_LIMITS_FORGOTTEN_MAX)
    for row in old:
        await ctx.db.delete(row.id)
    return len(old)
