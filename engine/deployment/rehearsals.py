"""A migration rehearsed: the function is given every document that a run would give it, and nothing is kept.

What it would change is counted, what it cannot do is told with the document, and a few changes are
shown.  Each batch begins with the stored documents: what the batches before would have written is
not there.
"""

from __future__ import annotations

from typing import Any

from attrs import Factory, define, frozen

from ...actors.version import Change, Version
from ...log.entry import IndexKey
from ...protocol.values import Value
from ..application.endpoint import Endpoint
from ..data.documents import to_value
from ..determinism.errors import Interruption
from ..errors import LimitReached
from ..execution.system_writes import SystemCtx
from ..limits import MIGRATION_FAILURES_SHOWN_MAX, MIGRATION_SAMPLES_MAX
from ..transactions.context import MutationCtx
from ..transactions.mutation_run import MutationRun
from ..transactions.overlay import Overlay
from .migrations import Migrations, documents_after, migration_of, paced


@frozen(eq=False)
class Failed:
    """A document that the function could not migrate."""

    document: str
    problem: str


@frozen(eq=False)
class Rewritten:
    """What the function would write; None where there is no document."""

    table: str
    id: str
    before: Value
    after: Value


@frozen(eq=False)
class Sample:
    """What the function would write for one document."""

    document: str
    writes: tuple[Rewritten, ...]


@define(eq=False)
class Outcomes:
    """Of one batch."""

    processed: int = 0
    changed: int = 0
    failed: list[tuple[str, BaseException]] = Factory(list[tuple[str, BaseException]])
    samples: list[Sample] = Factory(list[Sample])
    cursor: IndexKey | None = None
    """Key of the last document."""
    next: tuple[IndexKey, str] | None = None
    """Key and id of the document that the function has."""


@define(eq=False)
class Rehearsal:
    """Call `step` until it returns False."""

    migrations: Migrations
    endpoint: Endpoint
    table: str
    cursor: IndexKey | None
    batch: int
    size: int
    """Of the next batch."""
    total: int
    """Documents that a run would go through, about."""
    processed: int = 0
    changed: int = 0
    failed: int = 0
    failures: list[Failed] = Factory(list[Failed])
    """The first ones."""
    samples: list[Sample] = Factory(list[Sample])
    outcomes: Outcomes = Factory(Outcomes)
    """Of the newest batch."""

    @classmethod
    def of(cls, migrations: Migrations, name: str, *, batch: int | None = None, restart: bool = False) -> Rehearsal:
        """What `Migrations.start` would begin, or go on with.  Raises MigrationUnknown, MigrationRefused."""
        endpoint = migrations.find(name)
        function = migration_of(endpoint)
        table = migrations.table_of(endpoint.path, function)
        row = migrations.rows().get(endpoint.path)
        begins = row is None or restart or row.state == "done"
        size = batch or function.batch
        left = migrations.documents_of(table) - (0 if begins or row is None else row.processed)
        return cls(migrations, endpoint, table, None if begins or row is None else row.cursor, size, size, max(0, left))

    def step(self) -> bool:
        """One batch; whether there is more."""
        executor, path = self.migrations.executor, self.endpoint.path
        if executor.app.endpoints.get(path) is not self.endpoint:
            # Other code was deployed meanwhile: its documents are no longer those of this function.
            self.endpoint = self.migrations.find(path)
            self.migrations.table_of(path, migration_of(self.endpoint))
        try:
            executor.rehearse(path, self.run)
        except (LimitReached, Interruption) as error:
            outcomes = self.outcomes
            # Such errors end a whole transaction; the documents before are tried without this one.
            if outcomes.next is None:
                raise
            if outcomes.processed:
                self.size = outcomes.processed
                return True
            key, id = outcomes.next
            self.cursor, self.size = key, self.batch
            self.processed += 1
            self.note_failure(id, error)
            return True
        outcomes = self.outcomes
        self.processed += outcomes.processed
        self.changed += outcomes.changed
        self.samples += outcomes.samples
        for id, problem in outcomes.failed:
            self.note_failure(id, problem)
        more = outcomes.processed == self.size
        self.cursor, self.size = outcomes.cursor, self.batch
        return more

    async def run(self, ctx: SystemCtx) -> None:
        outcomes = self.outcomes = Outcomes()
        run, user = ctx._run, MutationCtx(ctx._run)
        function = migration_of(self.endpoint)
        for key, document in documents_after(run, self.table, self.cursor):
            outcomes.next = (key, document.id)
            await self.hand_over(run, user, function.handler, document, outcomes)
            outcomes.processed, outcomes.cursor = outcomes.processed + 1, key
            if outcomes.processed == self.size:
                break
        outcomes.next = None

    async def hand_over(self, run: MutationRun, user: MutationCtx, handler: Any, document: Any, out: Outcomes) -> None:
        overlay, usage = run.transaction.overlay, run.transaction.usage
        is_sample = len(self.samples) + len(out.samples) < MIGRATION_SAMPLES_MAX
        staged = dict(overlay.staged) if is_sample else {}
        savepoint, written = run.savepoint(), usage.documents_written
        try:
            await handler(user, document)
        except LimitReached:
            raise
        except Exception as error:
            run.rollback(savepoint)
            out.failed.append((document.id, error))
        else:
            if usage.documents_written > written:
                out.changed += 1
                if is_sample:
                    out.samples.append(sample_of(document.id, overlay, staged))
        finally:
            run.release()

    def pace(self, elapsed_ns: int) -> None:
        """Told how long a step took: the next ones take no longer, about, than those of a run."""
        self.batch = paced(self.batch, elapsed_ns)
        self.size = min(self.size, self.batch)

    def note_failure(self, document: str, error: BaseException) -> None:
        self.failed += 1
        if len(self.failures) < MIGRATION_FAILURES_SHOWN_MAX:
            self.failures.append(Failed(document, self.migrations.text_of(error)))


def sample_of(document: str, overlay: Overlay, before: dict[tuple[str, str], Change]) -> Sample:
    """What was written since ``before`` was staged."""
    writes = [
        Rewritten(table, id, stored(change.old), stored(change.new))
        for (table, id), change in overlay.staged.items()
        if change is not before.get((table, id)) and not table.startswith("_")
    ]
    return Sample(document, tuple(writes))


def stored(version: Version | None) -> Value:
    """A document as the log holds it."""
    if version is None:
        return None
    return to_value(version.document if version.stored is None else version.stored)
