"""The assembled database: the log, the actors over it, the deployed app, its live queries.

async with trio.open_nursery() as nursery:
    database = Database.open(storage, app, env)
    nursery.start_soon(database.run)
    outcome = database.executor.mutate(call, request)
    await database.runtime.wait_durable(outcome.lsn)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import trio
from attrs import define, evolve

from ..actors.definition import TableDefinition
from ..actors.messages import Commit
from ..actors.recovery import Recovery
from ..actors.runtime import InThread, Runtime
from ..actors.subscriptions import Subscriptions
from ..actors.tables import Tables
from ..actors.version import Version
from ..log.entry import BEFORE_FIRST, LSN, Cause, Kind, Timestamp
from ..log.log import Log
from ..log.storage import Storage
from ..protocol import cbor
from .app import App
from .attempt import SEED_BYTES
from .catalog import TABLES, Catalog
from .determinism.gate import Run
from .documents import to_value
from .env import Env
from .errors import DocumentInvalid, SchemaMismatch, TooLongAgo
from .executor import Executor
from .id_checks import id_check
from .limits import OFFENDERS_SHOWN_MAX
from .live_queries import LiveQueries
from .log_thread import LogThread
from .mutation_run import MutationRun
from .overlay import Overlay
from .shapes import ObjectOf
from .spec import deployment_record
from .table_codec import TableCodec, untyped
from .transaction import Transaction
from .version import ENGINE_VERSION

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
        on_progress: Callable[[int, int], None] | None = None,
        in_thread: InThread | None = None,
    ) -> Database:
        """Recover the log and deploy ``app`` on it.  Blocks.

        Raises SchemaMismatch if stored documents do not fit the app's tables, and what `Log.open`
        raises: FolderInUse, Damaged, DiskFull, SyncFailed.
        """
        recovery = Recovery()
        log = Log.open(
            storage,
            deployment_if_new=env.entropy(DEPLOYMENT_BYTES),
            on_entry=recovery.apply,
            on_progress=on_progress,
        )
        try:
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
        # Clients may have been told a later time than the newest entry's: of one that the disk refused,
        # or of another log that was here before.
        runtime.tail.skip_to(Timestamp(env.clock_ns()))
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
        documents = self.reread(codecs)
        self.record_deployment(app)
        # With the numbers of new tables, written a moment ago.
        tables = self.runtime.tables
        documents[TABLES] = tables.table(TABLES).versions
        tables.redefine(definer(codecs), documents)
        self.past_from = tables.position
        self.runtime.forget_past()
        self.executor.app, self.executor.codecs = app, codecs
        self.runtime.rewind()

    def reread(self, codecs: Mapping[str, TableCodec]) -> dict[str, dict[str, Version]]:
        """Every stored document as other code reads it.  Raises SchemaMismatch."""
        offenders = Offenders()
        documents: dict[str, dict[str, Version]] = {}
        for name, table in self.runtime.tables.by_name.items():
            codec = codecs.get(name) or untyped(name)
            read = documents[name] = {}
            for id, version in table.versions.items():
                # As the log holds it: what the code before filled in is not the document's own.
                fields = to_value(version.document if version.stored is None else version.stored)
                assert isinstance(fields, dict)
                try:
                    read[id] = codec.make(fields)
                except DocumentInvalid as error:
                    offenders.add(name, id, error)
        offenders.require_none()
        return documents

    def record_deployment(self, app: App) -> None:
        """An entry that says which code runs from here on, and numbers for its new tables."""
        new = [name for name in app.tables if self.catalog.number_of(name) is None]
        if app.code == self.deployed and not new:
            return
        clock, seed = self.executor.clock(), self.env.entropy(SEED_BYTES)
        transaction = Transaction.at_head(self.runtime.tables)
        run = MutationRun({}, self.catalog, transaction, Run(clock, seed, "deploy", app.name, self.executor.secret))
        for name in new:
            run.number_for_writing(name)
        self.runtime.commit(
            Commit(
                kind=Kind.DEPLOY,
                cause=Cause("system", app.name, BEFORE_FIRST),
                function="",
                code=app.code,
                engine=ENGINE_VERSION,
                args=cbor.encode(deployment_record(app)),
                identity=None,
                clock=Timestamp(clock),
                seed=seed,
                snapshot=transaction.snapshot,
                reads=transaction.reads(),
                changes=transaction.changes(),
                documents=run.documents(),
                result_digest=b"",
                result=None,
                logs=(),
                session=None,
                request=None,
                now=Timestamp(self.env.clock_ns()),
            )
        )
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
            raise TooLongAgo(ts, tail.commits[0].entry.ts if tail.commits else tail.head_ts)
        return Overlay.of_the_past(self.runtime.tables, tail, lsn), lsn


@define(eq=False)
class Offenders:
    """Documents that do not fit a schema: how many, and the first ones."""

    shown: tuple[str, ...] = ()
    count: int = 0

    def add(self, table: str, id: str, error: Exception) -> None:
        if not isinstance(error, DocumentInvalid):
            raise error
        self.count += 1
        if len(self.shown) < OFFENDERS_SHOWN_MAX:
            self.shown += (f"{table}/{id}: {error.problem}",)

    def require_none(self) -> None:
        if self.count:
            raise SchemaMismatch(self.shown, self.count)


def definer(codecs: Mapping[str, TableCodec]) -> Callable[[str], TableDefinition]:
    def define_table(name: str) -> TableDefinition:
        codec = codecs.get(name)
        return (codec if codec is not None else untyped(name)).definition

    return define_table


def without_id(shape: ObjectOf) -> ObjectOf:
    """A document's own id was made by us, or read from the log: only what it refers to is checked."""
    return evolve(shape, fields=tuple(field for field in shape.fields if field.name != "_id"))


def codecs_of(app: App, catalog: Catalog) -> dict[str, TableCodec]:
    def number_of(table: str) -> int:
        return catalog.number_of(table) or 0  # No id has the number 0.

    for endpoint in app.endpoints.values():
        endpoint.resolve_ids(number_of)
    return {
        table.name: TableCodec(table.name, table.cls, table.shape, id_check(without_id(table.shape), number_of))
        for table in app.tables.values()
    }
