"""The assembled database: the log, the actors over it, the deployed app, its live queries.

async with trio.open_nursery() as nursery:
    database = Database.open(storage, app, env)
    nursery.start_soon(database.run)
    outcome = database.executor.mutate(call, request)
    await database.runtime.wait_durable(outcome.lsn)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio
from attrs import define

from ..actors.recovery import Recovery
from ..actors.runtime import InThread, Runtime
from ..actors.subscriptions import Subscriptions
from ..actors.tables import Tables
from ..log.entry import BEFORE_FIRST, LSN, Timestamp
from ..log.errors import LogTooShort
from ..log.log import Log
from ..log.storage import Storage
from .app import App
from .attempt import SEED_BYTES
from .catalog import TABLES, Catalog
from .codecs import codecs_of, definer
from .deploy import Offenders, deployment_of, reread
from .determinism.gate import Run
from .env import Env
from .errors import TooLongAgo
from .executor import Executor
from .live_queries import LiveQueries
from .log_thread import LogThread
from .mutation_run import MutationRun
from .overlay import Overlay
from .table_codec import TableCodec
from .transaction import Transaction

DEPLOYMENT_BYTES = 16


@define(eq=False)
class Database:
    log: Log
    runtime: Runtime
    catalog: Catalog
    executor: Executor
    live: LiveQueries[Any]
    deployed: bytes
    """Hash of the bundle that the log says is deployed."""
    env: Env
    past_from: LSN
    """The first entry as of which the deployed code can read: what came before was read by other code."""

    @classmethod
    def open(
        cls,
        storage: Storage,
        app: App,
        env: Env,
        secret: bytes,
        *,
        reached: LSN = BEFORE_FIRST,
        on_progress: Callable[[int, int], None] | None = None,
        in_thread: InThread | None = None,
    ) -> Database:
        """Recover the log and deploy ``app`` on it.  Blocks.

        Raises SchemaMismatch if stored documents do not fit the app's tables, and what `Log.open`
        raises: FolderInUse, Damaged, DiskFull, SyncFailed.  Raises LogTooShort if the log ends before
        ``reached``, an entry that the caller knows to have been durable.
        """
        recovery = Recovery()
        log = Log.open(
            storage,
            deployment_if_new=env.entropy(DEPLOYMENT_BYTES),
            on_entry=recovery.apply,
            on_progress=on_progress,
        )
        try:
            if log.last_lsn < reached:
                raise LogTooShort(str(storage), log.last_lsn, reached)
            return cls.recovered(log, recovery, app, env, secret, in_thread or LogThread())
        except BaseException:
            log.close()
            raise

    @classmethod
    def recovered(
        cls, log: Log, recovery: Recovery, app: App, env: Env, secret: bytes, in_thread: InThread
    ) -> Database:
        codecs: dict[str, TableCodec] = {}
        tables = Tables.empty(definer(codecs))
        catalog = Catalog(tables)
        codecs.update(codecs_of(app, catalog))
        offenders = Offenders()
        recovery.newest.fill(tables, offenders.add)
        offenders.require_none()
        runtime = Runtime.start(log, tables, recovery.requests, in_thread)
        executor = Executor(runtime, catalog, env, secret, app, codecs)
        live: LiveQueries[Any] = LiveQueries(executor, Subscriptions(tables.position))
        database = cls(log, runtime, catalog, executor, live, recovery.code, env, tables.position)
        database.record_deployment(app)
        return database

    async def run(self) -> None:
        """Keep the database going: until `runtime.stop()`, or raises what it cannot survive."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.runtime.supervisor.wait_failed)
            await self.runtime.write_log()
            nursery.cancel_scope.cancel()

    def deploy(self, app: App) -> None:
        """Serve another version of the app from the next transaction on, or change nothing.

        Raises SchemaMismatch if stored documents do not fit its tables.
        """
        codecs = codecs_of(app, self.catalog)
        documents = reread(self.runtime.tables, codecs)
        self.record_deployment(app)
        # With the numbers of new tables, written a moment ago.
        tables = self.runtime.tables
        documents[TABLES] = tables.table(TABLES).versions
        tables.redefine(definer(codecs), documents)
        self.past_from = tables.position
        self.runtime.forget_past()
        self.executor.app, self.executor.codecs = app, codecs
        self.runtime.rewind()

    def record_deployment(self, app: App) -> None:
        """An entry that says which code runs from here on, and numbers for its new tables."""
        new = [name for name in app.tables if self.catalog.number_of(name) is None]
        if app.code == self.deployed and not new:
            return
        run = Run(self.executor.clock(), self.env.entropy(SEED_BYTES), "deploy", app.name, self.executor.secret)
        writing = MutationRun({}, self.catalog, Transaction.at_head(self.runtime.tables), run)
        for name in new:
            writing.number_for_writing(name)
        self.runtime.commit(deployment_of(app, writing, Timestamp(self.env.clock_ns())))
        self.deployed = app.code

    def past(self, ts: int) -> tuple[Overlay, LSN]:
        """The database as of ``ts``, in nanoseconds.  Raises TooLongAgo if it is not held any more."""
        tail = self.runtime.tail
        lsn, known = tail.head, ts >= tail.head_ts
        for committed in tail.newest_first():
            known = committed.entry.ts <= ts
            if known:
                break
            lsn = LSN(committed.entry.lsn - 1)
        # Before the oldest commit that is held, only the empty database is certain.
        if lsn < self.past_from or not (known or lsn == BEFORE_FIRST):
            raise TooLongAgo(ts, tail.oldest_ts)
        return Overlay.of_the_past(self.runtime.tables, tail, lsn), lsn
