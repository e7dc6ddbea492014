"""Migrations: every document of a table is handed to a function of the app, in the order of creation.

    start ──> running ──> step, step, step... ──> done
                 │  └──> the function raised ──> failed ──> start: from the same document on
                 └──> cancel ──> cancelled ──> start: from there on

A step is one transaction: a batch of documents, and the row of ``_migrations`` that says how far the
migration has come.  Whoever drives the steps may stop, or crash, after any of them.

Invariants
    * Every document up to the cursor was handed to the function once in a transaction that is
      committed; no document beyond it was.
    * A row is "running" only while steps are wanted: they go on with it after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from attrs import Factory, define, evolve, field

from ...actors.errors import CommitterFailed, Conflict, WritesRefused
from ...log.entry import IndexKey
from ..application.endpoint import Endpoint
from ..application.functions import MigrationFunction
from ..data.schema import Document
from ..data.system_tables import MigrationRow
from ..determinism.errors import LimitExceeded
from ..errors import LimitReached, MigrationRefused, MigrationUnknown
from ..execution.executor import Executor
from ..execution.failures import failure_of
from ..execution.system_writes import SystemCtx, Written
from ..limits import MIGRATION_BATCH_MAX
from ..transactions.context import MutationCtx
from ..transactions.query_run import QueryRun
from ..transactions.range_query import whole_table

STEP_NS = 25_000_000
"""How long one batch should take, for all clients wait while it runs: 25 ms."""
CAUSE_ID = "migration"
"""What entries of steps name as the id of their cause, which is the system."""
TABLE = MigrationRow.__table__


@define(eq=False)
class Migrations:
    executor: Executor
    sizes: dict[str, int] = Factory(dict[str, int])
    """Documents of the next batch, where limits of transactions, or time, have made it smaller."""
    started: Callable[[], None] = lambda: None
    """Told that there is something to do."""

    def start(self, name: str, cause: str, *, batch: int | None = None, restart: bool = False) -> Written[MigrationRow]:
        """Begin a migration, or go on with one that failed or was cancelled; steps do the rest.

        ``restart`` begins with the first document again.  Raises MigrationUnknown, MigrationRefused.
        """
        endpoint = self.find(name)
        function = migration_of(endpoint)
        table = self.table_of(endpoint.path, function)
        size = batch if batch is not None else function.batch
        if not 1 <= size <= MIGRATION_BATCH_MAX:
            problem = f"takes 1 to {MIGRATION_BATCH_MAX:,} documents in one batch, not {size:,}"
            raise MigrationRefused(endpoint.path, problem)
        total = self.documents_of(table)
        written = self.executor.write(
            endpoint.path,
            cause,
            partial(begin, name=endpoint.path, table=table, batch=size, total=total, restart=restart),
            {"start": True, "batch": size, "restart": restart},
        )
        self.sizes.pop(endpoint.path, None)
        self.started()
        return written

    def cancel(self, name: str, cause: str) -> Written[MigrationRow]:
        """Stop a migration between two batches; what is done stays.  Raises MigrationUnknown, MigrationRefused."""
        row = self.rows().get(name)
        path = row.name if row is not None else self.find(name).path
        return self.executor.write(path, cause, partial(end, name=path), {"cancel": True})

    def step(self, name: str) -> Written[None]:
        """One batch of a running migration.  What the function does wrong ends the migration, and is noted.

        Raises WritesRefused or Conflict if it should be tried again.
        """
        row = self.rows()[name]
        endpoint = self.executor.app.endpoints.get(name)
        problem = self.mismatch(row, endpoint)
        if endpoint is None or problem:
            return self.fail(name, problem, None)
        batch = Batch(endpoint, self.sizes.get(name, row.batch))
        try:
            written = self.executor.write(name, "system", batch.run, {"batch": batch.size}, CAUSE_ID)
        except (CommitterFailed, WritesRefused, Conflict, KeyboardInterrupt):
            raise
        except (LimitReached, LimitExceeded) as error:
            if batch.size == 1:
                return self.fail(name, self.text_of(error), batch.current)
            self.sizes[name] = batch.size // 2
            return Written(None, self.executor.runtime.tail.head)
        except BaseException as error:  # A function may raise anything; it must not end the server.
            return self.fail(name, self.text_of(error), batch.current)
        # Slowly back to what was asked for: a few large documents need not slow down all others.
        self.sizes[name] = min(row.batch, batch.size + max(1, batch.size // 4))
        return written

    def pace(self, name: str, elapsed_ns: int) -> None:
        """Told how long a step took: the next one takes no longer than `STEP_NS`, about."""
        size = self.sizes.get(name)
        if size is not None and elapsed_ns > STEP_NS:
            self.sizes[name] = paced(size, elapsed_ns)

    def fail(self, name: str, problem: str, document: str | None) -> Written[None]:
        executor = self.executor
        executor.executions.record(executor.env.clock_ns(), name, "system", "system", CAUSE_ID, error=problem)
        note = partial(note_failure, name=name, problem=problem, document=document)
        return self.executor.write(name, "system", note, {"fail": True}, CAUSE_ID)

    def running(self) -> tuple[str, ...]:
        return tuple(row.name for row in self.rows().values() if row.state == "running")

    def rows(self) -> dict[str, MigrationRow]:
        """As of the newest commit, by name."""
        versions = self.executor.runtime.tables.table(TABLE).versions.values()
        rows = [version.document for version in versions]
        return {row.name: row for row in rows if isinstance(row, MigrationRow)}

    def known(self) -> dict[str, Endpoint]:
        """Those of the deployed code, by name."""
        return {path: each for path, each in self.executor.app.endpoints.items() if each.kind == "migration"}

    def find(self, name: str) -> Endpoint:
        """A migration by ``module:function``, or by the function alone if there is one of that name.

        Raises MigrationUnknown.
        """
        known = self.known()
        if name in known:
            return known[name]
        found = [endpoint for path, endpoint in known.items() if path.rpartition(":")[2] == name]
        if len(found) != 1:
            raise MigrationUnknown(name, tuple(sorted(known)))
        return found[0]

    def table_of(self, name: str, function: MigrationFunction[Any]) -> str:
        """Raises MigrationRefused if the table does not belong to the deployed code."""
        table: str = function.table.__table__
        codec = self.executor.codecs.get(table)
        if codec is None or codec.cls is not function.table:
            raise MigrationRefused(name, f"is of the class {function.table.__name__}, which is no table of the app")
        return table

    def documents_of(self, table: str) -> int:
        return len(self.executor.runtime.tables.table(table).versions)

    def mismatch(self, row: MigrationRow, endpoint: Endpoint | None) -> str:
        """Why the deployed code cannot go on with a migration; empty if it can."""
        if endpoint is None or endpoint.kind != "migration":
            return f"{MigrationUnknown(row.name, tuple(sorted(self.known())))}: deploy it, then run it again"
        table = migration_of(endpoint).table.__table__
        if table != row.table:
            return f"it was a migration of `{row.table}`, and is one of `{table}` now: run it again with --restart"
        return ""

    def text_of(self, error: BaseException) -> str:
        return failure_of(error, self.executor.app.bundle.folder).text


@define(eq=False)
class Batch:
    """The next documents of one migration, in one transaction."""

    endpoint: Endpoint
    size: int
    current: str | None = field(default=None)
    """Id of the document that the function has; None outside of it."""

    async def run(self, ctx: SystemCtx) -> None:
        row = await row_of(ctx, self.endpoint.path)
        if row is None or row.state != "running":
            return  # Cancelled a moment ago.
        run, function, user = ctx._run, migration_of(self.endpoint), MutationCtx(ctx._run)
        count = changed = 0
        cursor = row.cursor
        for key, document in documents_after(run, row.table, cursor):
            self.current = document.id
            written = run.transaction.usage.documents_written
            await function.handler(user, document)
            changed += run.transaction.usage.documents_written > written
            count, cursor = count + 1, key
            if count == self.size:
                break
        self.current = None
        now = run.run.clock_ns / 1e6
        done = count < self.size
        await ctx.db.patch(
            row.id,
            cursor=cursor,
            processed=row.processed + count,
            changed=row.changed + changed,
            updated=now,
            state="done" if done else "running",
            finished=now if done else None,
        )


def documents_after(run: QueryRun, table: str, cursor: IndexKey | None) -> Iterator[tuple[IndexKey, Document]]:
    """Documents beyond the cursor in the order of creation, each with its key, as they are when their
    turn comes."""
    codec = run.codec(table)
    query = whole_table(run.transaction, codec)
    if cursor is not None:
        query = evolve(query, start=cursor + b"\0")
    for document in query.rows():
        yield codec.definition.keys(document)[1], document


def paced(size: int, elapsed_ns: int) -> int:
    """How many documents to take at once, if ``size`` of them took so long."""
    return max(1, size * STEP_NS // max(elapsed_ns, STEP_NS))


def migration_of(endpoint: Endpoint) -> MigrationFunction[Any]:
    assert isinstance(endpoint.function, MigrationFunction), endpoint.path
    return endpoint.function


async def row_of(ctx: SystemCtx, name: str) -> MigrationRow | None:
    return await ctx.db.query(MigrationRow).index(MigrationRow.by_name, name).unique()


async def begin(ctx: SystemCtx, name: str, table: str, batch: int, total: int, restart: bool) -> MigrationRow:
    now = ctx._run.run.clock_ns / 1e6
    row = await row_of(ctx, name)
    if row is not None and row.state == "running":
        raise MigrationRefused(name, "is running already")
    if row is not None and row.state == "done" and not restart:
        raise MigrationRefused(name, "is done: --restart runs it again, for every document")
    if row is not None and not restart:
        if row.table != table:
            raise MigrationRefused(name, f"has begun with `{row.table}`, and is one of `{table}` now: use --restart")
        return await ctx.db.patch(
            row.id, state="running", batch=batch, updated=now, finished=None, error=None, document=None
        )
    fresh = MigrationRow(
        name=name,
        table=table,
        state="running",
        cursor=None,
        batch=batch,
        total=total,
        processed=0,
        changed=0,
        started=now,
        updated=now,
        finished=None,
        error=None,
        document=None,
    )
    if row is not None:
        return await ctx.db.replace(row.id, fresh)
    made = await ctx.db.get(await ctx.db.insert(fresh))
    assert made is not None, name
    return made


async def end(ctx: SystemCtx, name: str) -> MigrationRow:
    row = await row_of(ctx, name)
    if row is None:
        raise MigrationRefused(name, "was never started")
    if row.state != "running":
        raise MigrationRefused(name, f"is not running: it is {row.state}")
    now = ctx._run.run.clock_ns / 1e6
    return await ctx.db.patch(row.id, state="cancelled", updated=now, finished=now)


async def note_failure(ctx: SystemCtx, name: str, problem: str, document: str | None) -> None:
    row = await row_of(ctx, name)
    if row is not None and row.state == "running":
        now = ctx._run.run.clock_ns / 1e6
        await ctx.db.patch(row.id, state="failed", updated=now, finished=now, error=problem, document=document)
