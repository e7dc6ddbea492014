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
from attrs import Factory, define, field

from ..actors.checkpoints import OnBad, load_newest
from ..actors.errors import WritesRefused
from ..actors.recovery import Recovery
from ..actors.runtime import InThread, Runtime
from ..actors.subscriptions import Subscriptions
from ..actors.tables import Tables
from ..log.entry import BEFORE_FIRST, LSN, Timestamp
from ..log.errors import LogTooShort
from ..log.log import Log
from ..log.storage import Storage
from .actions.actions import Actions
from .application.app import App
from .application.codecs import codecs_of, definer
from .data.catalog import Catalog
from .data.settings import require_settings
from .data.table_codec import TableCodec
from .deployment.app_changes import AppChanges
from .deployment.deploy import Deploy, Deployed, Offenders, deployed_app, deployment_of, record_of
from .deployment.environment_changes import values_of
from .deployment.migrations import Migrations
from .deployment.rebuild import Discards, Rebuild
from .determinism.gate import Run
from .env import Env
from .errors import DeployUnderWay, TooLongAgo
from .execution.attempt import SEED_BYTES
from .execution.executor import Executor
from .execution.live_queries import LiveQueries
from .files.file_store import FileStore
from .files.files import Files
from .files.memory_files import MemoryFiles
from .limits import DEPLOY_ROOM_BYTES
from .scheduling.crons import plan
from .scheduling.driver import Schedules
from .transactions.mutation_run import MutationRun
from .transactions.overlay import Overlay
from .transactions.transaction import Transaction

DEPLOYMENT_BYTES = 16
VECTORS_PER_TURN = 20
"""Documents whose vectors are looked at between one turn of the others and the next: about 4 ms."""


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
    deploying: Deploy | None = None
    discards: Discards = Factory(Discards)
    store: FileStore = field(factory=MemoryFiles)
    """What keeps the bytes of files."""
    files: Files = field(init=False)
    migrations: Migrations = field(init=False)
    actions: Actions = field(init=False)
    schedules: Schedules = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.migrations = Migrations(self.executor)
        self.files = Files(self.executor, self.store)
        self.actions = Actions(self.executor, self.live, self.files)
        self.schedules = Schedules(self.executor, self.actions)
        self.runtime.became_durable = self.schedules.wake

    @classmethod
    def open(
        cls,
        storage: Storage,
        app: App | None,
        env: Env,
        secret: bytes,
        *,
        reached: LSN = BEFORE_FIRST,
        on_progress: Callable[[int, int], None] | None = None,
        on_checked: Callable[[int, int], None] = lambda done, total: None,
        on_bad_checkpoint: OnBad = lambda file, problem: None,
        in_thread: InThread | None = None,
        store: FileStore | None = None,
    ) -> Database:
        """Recover the log and deploy ``app`` on it; None is the one that was deployed last.  Blocks.

        The newest good checkpoint is read first, and of the log what came after it; ``on_bad_checkpoint``
        is told of one that is left out, and why; ``store`` keeps the bytes of files, memory if there is none.
        ``on_progress`` is told how many bytes of the log were
        read, ``on_checked`` how many documents, and of how many.

        Raises SchemaMismatch if stored documents do not fit the app's tables, AppInvalid if the app in the
        log does not load, and what `Log.open` raises: FolderInUse, Damaged, DiskFull, SyncFailed.  Raises
        LogTooShort if the log ends before ``reached``, an entry that the caller knows to have been durable.
        """
        recovery, checkpoint = load_newest(storage, on_bad_checkpoint)
        log = Log.open(
            storage,
            deployment_if_new=env.entropy(DEPLOYMENT_BYTES),
            on_entry=recovery.apply,
            on_progress=on_progress,
            after=checkpoint,
            sites=env.sites,
        )
        try:
            if log.last_lsn < reached:
                raise LogTooShort(str(storage), log.last_lsn, reached)
            app = app if app is not None else deployed_app(recovery.deployment)
            in_thread = in_thread or env.log_thread()
            return cls.recovered(log, recovery, app, env, secret, in_thread, on_checked, store or MemoryFiles())
        except BaseException:
            log.close()
            raise

    @classmethod
    def recovered(
        cls,
        log: Log,
        recovery: Recovery,
        app: App,
        env: Env,
        secret: bytes,
        in_thread: InThread,
        on_checked: Callable[[int, int], None],
        store: FileStore,
    ) -> Database:
        codecs: dict[str, TableCodec] = {}
        tables = Tables.empty(definer(codecs))
        catalog = Catalog(tables)
        codecs.update(codecs_of(app, catalog))
        offenders = Offenders()
        recovery.newest.fill(tables, offenders.add, on_checked)
        offenders.require_none()
        runtime = Runtime.start(log, tables, recovery.requests, in_thread)
        executor = Executor(runtime, catalog, env, secret, app, codecs)
        live: LiveQueries[Any] = LiveQueries(executor, Subscriptions(tables.position))
        database = cls(log, runtime, catalog, executor, live, recovery.code, env, tables.position, store=store)
        if not database.holds(app):
            database.record_deployment(app, record_of(app))
        app.install()
        return database

    async def run(self) -> None:
        """Keep the database going: until `runtime.stop()`, or raises what it cannot survive."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.runtime.supervisor.wait_failed)
            nursery.start_soon(self.discards.run)
            await self.runtime.write_log()
            nursery.cancel_scope.cancel()

    def vectors_pending(self) -> int:
        """Documents whose vectors were not looked at yet, counted once for each index of vectors."""
        pending = 0
        for table in self.runtime.tables.by_name.values():
            for name in table.definition.vectors:
                held = table.compared.get(name)
                pending += len(table.versions if held is None else held.pending)
        return pending

    async def fill_vectors(self, left: int = 0) -> None:
        """Look at documents whose vectors were not looked at yet, until there are no more than ``left``: whoever
        searches first need not wait for that.  Others have their turn in between."""
        while self.vectors_pending() > left:
            for table in list(self.runtime.tables.by_name.values()):
                for name in table.definition.vectors:
                    table.vectors(name).catch_up(VECTORS_PER_TURN)
            await trio.lowlevel.checkpoint()

    async def deploy(
        self, app: App, *, dry_run: bool = False, on_begin: Callable[[Deploy], None] = lambda deploy: None
    ) -> Deployed:
        """Serve another version of the app, or change nothing; for a dry run, do all but that.

        Returns once its entry is committed; not yet durable (`Runtime.wait_durable`).  Cancelled before,
        it has changed nothing.  ``on_begin`` is given what shows how far it is.

        Raises DeployUnderWay, SchemaMismatch if stored documents do not fit, SettingsUnmet if environment
        variables do not, DeployInterrupted or WritesRefused if it should be tried again.
        """
        self.require_settings(app)
        deploy = self.begin_deploy(app)
        try:
            on_begin(deploy)
            if self.holds(app):
                return Deployed(app, deploy.changes, 0, None, False)
            while True:
                while not deploy.slice():
                    await trio.lowlevel.checkpoint()
                if deploy.rebuild.settled <= self.runtime.committer.durable:
                    break
                # What it replaced cannot be read by the new code, so it must not be taken back any more.
                await self.runtime.wait_durable(deploy.rebuild.settled)
            lsn = None if dry_run else self.activate(deploy)
            return Deployed(app, deploy.changes, deploy.checked, lsn, True)
        finally:
            self.end_deploy(deploy)

    def begin_deploy(self, app: App) -> Deploy:
        """Raises DeployUnderWay.  `end_deploy` must follow."""
        if self.deploying is not None:
            raise DeployUnderWay(self.deploying.app.name)
        codecs = codecs_of(app, self.catalog)
        rebuild = Rebuild(self.runtime.tables, self.runtime.committer, self.executor.codecs, codecs)
        changes = AppChanges.between(self.executor.app, app)
        self.deploying = Deploy(app, codecs, rebuild, changes, record_of(app))
        return self.deploying

    def end_deploy(self, deploy: Deploy) -> None:
        assert self.deploying is deploy
        self.deploying = None
        # What is served now has been taken out of it.
        self.discards.add(*deploy.rebuild.fresh.values())

    def activate(self, deploy: Deploy) -> LSN:
        """The switch, in one step: its entry.  Every document must fit as of the newest commit.

        Raises WritesRefused or SettingsUnmet, having changed nothing.
        """
        assert deploy.validated
        self.require_settings(deploy.app)
        assert deploy.rebuild.settled <= self.runtime.committer.durable
        # Once it is served it cannot be taken back: the disk is asked first.
        if not self.log.writer.has_room(len(deploy.record) + DEPLOY_ROOM_BYTES):
            raise WritesRefused("there is no space left on the disk for a deploy")
        lsn = self.record_deployment(deploy.app, deploy.record)
        try:
            self.switch(deploy)
        except Exception as error:
            # The log says one thing and what is served another: only a restart puts that right.
            self.runtime.supervisor.stop("a deploy could not be carried out", error)
        return lsn

    def switch(self, deploy: Deploy) -> None:
        """Serve the code of the newest entry: its tables take the place of those served."""
        rebuild, tables = deploy.rebuild, self.runtime.tables
        rebuild.follow()
        fresh = rebuild.finish()
        self.discards.add(*tables.adopt(definer(deploy.codecs), fresh))
        rebuild.fresh = {}
        # What is still in flight can be taken back in terms of these tables; what is durable is the past,
        # and cannot be laid over them.
        self.discards.add(self.runtime.tail.replace(rebuild.in_flight))
        self.past_from = tables.position
        deploy.app.install(instead_of=self.executor.app)
        self.executor.app, self.executor.codecs = deploy.app, deploy.codecs
        self.runtime.rewind()

    def require_settings(self, app: App) -> None:
        """Raises SettingsUnmet if environment variables that the app declares are missing or wrong."""
        require_settings(app.settings, self.executor.rehearse("require_settings", values_of))

    def holds(self, app: App) -> bool:
        """Whether the log says already that this code runs, and knows all of its tables."""
        return app.code == self.deployed and None not in map(self.catalog.number_of, app.tables)

    def record_deployment(self, app: App, record: bytes) -> LSN:
        """An entry that says which code runs from here on, and numbers for its new tables."""
        run = Run(self.executor.clock(), self.env.entropy(SEED_BYTES), "deploy", app.name, self.executor.secret)
        writing = MutationRun({}, self.catalog, Transaction.at_head(self.runtime.tables), run)
        for name in app.tables:
            if self.catalog.number_of(name) is None:
                writing.number_for_writing(name)
        plan(writing, dict(app.crons))
        answer = self.runtime.commit(deployment_of(app, record, writing, Timestamp(self.env.clock_ns())))
        self.deployed = app.code
        return answer.lsn

    def past(self, ts: int) -> tuple[Overlay, LSN]:
        """The database as of ``ts``, in nanoseconds.  Raises TooLongAgo if it is not held any more."""
        tail = self.runtime.tail
        lsn = tail.head
        for committed in tail.newest_first():
            if committed.entry.ts <= ts:
                break
            lsn = LSN(committed.entry.lsn - 1)
        # What was before that, is not held; but before the first entry, there was nothing.
        if lsn < self.past_from or (ts < tail.known_from and lsn != BEFORE_FIRST):
            raise TooLongAgo(ts, tail.known_from)
        return Overlay.of_the_past(self.runtime.tables, tail, lsn), lsn
