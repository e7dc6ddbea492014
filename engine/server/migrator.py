"""Drives migrations that are running: one batch of each, then everybody else has a turn.

A batch begins when the one before is durable, so a migration is never more than one batch ahead of
the disk.
"""

from __future__ import annotations

import logging

import trio
from attrs import Factory, define

from ...actors.errors import Conflict, WritesRefused
from ..database import Database

logger = logging.getLogger("relive")

RETRY_S = 1.0
"""How long to wait when the log takes nothing now."""


@define(eq=False)
class Migrator:
    database: Database
    woken: trio.Event = Factory(trio.Event)

    def wake(self) -> None:
        """A migration was started."""
        self.woken.set()

    async def run(self) -> None:
        """Until cancelled.  Goes on with what was running when the server stopped."""
        migrations = self.database.migrations
        for name in migrations.running():
            logger.info("going on with migration %s", name)
        while True:
            self.woken = trio.Event()
            names = migrations.running()
            for name in names:
                if self.database.env.buggify("a migration waits for its turn"):
                    await trio.lowlevel.checkpoint()
                await self.step(name)
                await trio.lowlevel.checkpoint()
            if not names:
                await self.woken.wait()

    async def step(self, name: str) -> None:
        migrations = self.database.migrations
        if name not in migrations.running():
            return  # Cancelled while another one had its turn.
        try:
            started_ns = self.database.env.monotonic_ns()
            written = migrations.step(name)
            migrations.pace(name, self.database.env.monotonic_ns() - started_ns)
            await self.database.runtime.wait_durable(written.lsn)
        except Conflict:
            pass  # What it read was changed underneath it: the same batch again.
        except WritesRefused:
            await trio.sleep(RETRY_S)
        row = migrations.rows().get(name)
        if row is None:
            return  # Its start was taken back.
        if row.state == "failed":
            logger.error("migration %s failed at %s: %s", name, row.document or "no document", row.error)
        elif row.state == "done":
            logger.info("migration %s is done: %s documents, %s changed", name, row.processed, row.changed)
