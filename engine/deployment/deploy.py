"""A deploy: another version of an app takes over from the one that is served, or changes nothing.

    pending ──> validated ──> active
       └─────────────┴──────> failed

pending      every stored document is read with the new code, a little at a time; the old code serves
validated    all of them fit
active       in one step: an entry with the new code, its tables, its functions; live queries run again
failed       nothing was changed: not what is served, not what can be imported, not the log

The step is `Database.activate`; here is what it is made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, frozen

from ...actors.messages import Commit
from ...log.entry import BEFORE_FIRST, LSN, Cause, Kind, Timestamp
from ...protocol import cbor
from ..application.app import App, empty_app, load_bundle
from ..application.bundle import bundle_of
from ..application.spec import deployment_record
from ..data.table_codec import TableCodec
from ..errors import AppInvalid, DocumentInvalid, SchemaMismatch
from ..limits import OFFENDERS_SHOWN_MAX
from ..transactions.mutation_run import MutationRun
from ..version import ENGINE_VERSION
from .app_changes import AppChanges
from .rebuild import Rebuild


@define(eq=False)
class Deploy:
    """A deploy under way."""

    app: App
    codecs: Mapping[str, TableCodec]
    rebuild: Rebuild
    changes: AppChanges
    record: bytes
    """What its entry will say."""
    validated: bool = False

    @property
    def checked(self) -> int:
        """Stored documents that were read with the new code so far."""
        return self.rebuild.checked

    @property
    def total(self) -> int:
        return max(self.rebuild.total, self.rebuild.checked)

    def slice(self) -> bool:
        """Do a little of what there is to do; True once every document fits as of the newest commit.

        Raises SchemaMismatch when all were read and some do not fit, DeployInterrupted.
        """
        if not self.rebuild.slice():
            return False
        self.rebuild.require_fit()
        self.validated = True
        return True


@frozen
class Deployed:
    """How a deploy ended that did not fail."""

    app: App
    changes: AppChanges
    checked: int
    """Stored documents that were read with the new code."""
    lsn: LSN | None
    """Its entry; None if nothing was to be deployed, or nothing but a look was asked for."""
    is_new: bool
    """False if it is the code that is being served already."""


@define(eq=False)
class Offenders:
    """Documents that do not fit a schema: how many, and the first ones."""

    shown: tuple[str, ...] = ()
    count: int = 0

    def add(self, table: str, id: str, error: Exception) -> None:
        """Raises the error itself if it says something else."""
        if not isinstance(error, DocumentInvalid):
            raise error
        self.count += 1
        if len(self.shown) < OFFENDERS_SHOWN_MAX:
            self.shown += (f"{table}/{id}: {error.problem}",)

    def require_none(self) -> None:
        """Raises SchemaMismatch."""
        if self.count:
            raise SchemaMismatch(self.shown, self.count)


def deployed_app(deployment: bytes) -> App:
    """The app that an entry of the log holds; an empty one if there is no entry.

    Raises AppInvalid if it does not load here.
    """
    if not deployment:
        return empty_app()
    record: Any = cbor.decode(deployment)
    source = {module: text.encode() for module, text in record["source"]}
    try:
        return load_bundle(record["app"], bundle_of(record["app"], source))
    except AppInvalid as error:
        problem = f"{error.problem}. It was deployed so; `relive serve APP` serves another"
        raise AppInvalid(error.where, problem) from error


def record_of(app: App) -> bytes:
    """What the entry of a deploy says."""
    return cbor.encode(deployment_record(app))


def deployment_of(app: App, record: bytes, run: MutationRun, now: Timestamp) -> Commit:
    """The entry that says which code runs from here on; ``run`` has written numbers for new tables."""
    transaction = run.transaction
    return Commit(
        kind=Kind.DEPLOY,
        cause=Cause("system", app.name, BEFORE_FIRST),
        function="",
        code=app.code,
        engine=ENGINE_VERSION,
        args=record,
        identity=None,
        clock=Timestamp(run.run.clock_ns),
        seed=run.run.seed,
        snapshot=transaction.snapshot,
        reads=transaction.reads(),
        changes=transaction.changes(),
        documents=run.documents(),
        result_digest=b"",
        result=None,
        logs=(),
        session=None,
        request=None,
        now=now,
    )
