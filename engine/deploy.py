"""What a deploy does beside switching the code: it reads every stored document, and makes an entry.

Invariant: stored documents that do not fit are all counted before anything is changed.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define

from ..actors.messages import Commit
from ..actors.tables import Tables
from ..actors.version import Version
from ..log.entry import BEFORE_FIRST, Cause, Kind, Timestamp
from ..protocol import cbor
from .app import App
from .documents import to_value
from .errors import DocumentInvalid, SchemaMismatch
from .limits import OFFENDERS_SHOWN_MAX
from .mutation_run import MutationRun
from .spec import deployment_record
from .table_codec import TableCodec, untyped
from .version import ENGINE_VERSION


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


def reread(tables: Tables, codecs: Mapping[str, TableCodec]) -> dict[str, dict[str, Version]]:
    """Every stored document as other code reads it, by table and id.  Raises SchemaMismatch."""
    offenders = Offenders()
    documents: dict[str, dict[str, Version]] = {}
    for name, table in tables.by_name.items():
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


def deployment_of(app: App, run: MutationRun, now: Timestamp) -> Commit:
    """The entry that says which code runs from here on; ``run`` has written numbers for new tables."""
    transaction = run.transaction
    return Commit(
        kind=Kind.DEPLOY,
        cause=Cause("system", app.name, BEFORE_FIRST),
        function="",
        code=app.code,
        engine=ENGINE_VERSION,
        args=cbor.encode(deployment_record(app)),
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
