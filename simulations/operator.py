"""Whoever operates the server: deploys other versions of its app and starts a migration, until both are done.

    deploy, migrate ──> what is wanted ──> work: bring each process there, again after whatever went wrong

Invariant: `app` is what the next process may open the log with; None, the one in the log, while nobody knows whether
the newest deploy is on the disk.
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import Factory, define

from ..actors.errors import Conflict, WritesRefused
from ..engine.application.app import App
from ..engine.errors import DeployInterrupted
from ..engine.server.listener import Server
from .apps import versions
from .plan import DEPLOY, Operation

RETRY_S = 0.05
MIGRATION = "items:repaint"
MIGRATION_SINCE = 3
"""The first version of the app that has it."""
BATCH = 2
"""Documents in one transaction of the migration."""


@define(eq=False)
class Operator:
    app: App | None
    probe: Callable[[str], None]
    version: int = 1
    """Of the app, that is wanted."""
    wants_migration: bool = False
    is_done: bool = True
    changed: trio.Event = Factory(trio.Event)

    def ask(self, operation: Operation) -> None:
        if operation.verb == DEPLOY:
            self.version = max(self.version, int(operation.args["version"]))
        else:
            self.wants_migration = True
        self.is_done = False
        self.changed.set()

    async def work(self, server: Server) -> None:
        """For the life of a process."""
        while True:
            self.changed = trio.Event()
            if self.is_done:
                await self.changed.wait()
            try:
                version = await self.deploy(server)
                if version >= MIGRATION_SINCE and self.wants_migration:
                    await self.migrate(server)
                self.is_done = version == self.version
            except (WritesRefused, DeployInterrupted, Conflict):
                self.probe("a deploy or a migration had to be tried again")
                await trio.sleep(RETRY_S)

    async def deploy(self, server: Server) -> int:
        """The version that is served now; another one may be wanted meanwhile."""
        version = self.version
        database, wanted, before = server.database, versions()[version - 1], self.app
        if version == 1 or (self.app is wanted and database.deployed == wanted.code):
            return version
        self.app = None
        try:
            deployed = await database.deploy(wanted)
        except (WritesRefused, DeployInterrupted):
            self.app = before
            raise
        if deployed.lsn is not None:
            self.probe("a version was deployed")
            if deployed.checked:
                self.probe("a deploy read documents again")
            await database.runtime.wait_durable(deployed.lsn)
        self.app = wanted
        return version

    async def migrate(self, server: Server) -> None:
        """Only once."""
        migrations = server.database.migrations
        row = migrations.rows().get(MIGRATION)
        if row is None:
            written = migrations.start(MIGRATION, "cli", batch=BATCH)
            self.probe("a migration was started")
            await server.database.runtime.wait_durable(written.lsn)
        while (row := migrations.rows().get(MIGRATION)) is not None and row.state == "running":  # noqa: ASYNC110
            await trio.sleep(RETRY_S)
        if row is None:
            raise WritesRefused("its start was taken back")
        assert row.state == "done", row
        self.probe("a migration was done")
