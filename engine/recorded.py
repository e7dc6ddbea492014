"""One recorded request, run again in a test: the documents that it read, its arguments, clock, seed and identity.

    recorded_from(reader, secret, lsn)   from the log: what it needs, and what came of it
    run_recorded(app, ...)               with the code of a test's author: what comes of it now

Invariant: run with the code of then, what comes out is what the log says; or `recorded_from` refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

from attrs import evolve, frozen

from ..actors.table import Table
from ..log.encoding import encode
from ..log.entry import BEFORE_FIRST, FIRST_LSN, LSN, NO_HASH, Cause, Entry, Kind, Timestamp, Write
from ..log.log import Log
from ..log.memory import MemoryStorage
from ..log.reader import LogReader
from ..protocol import cbor, json
from .application.app import App
from .application.isolation import folder_of, load_source, put_away, put_back
from .data.system_tables import TABLES
from .deployment.deploy import deployed_app
from .determinism import driver
from .errors import FunctionFailed, FunctionNotFound
from .execution.attempt import DIGEST_BYTES
from .execution.callers import session_of_entry
from .history.errors import NotReproducible
from .history.reexecution import Difference, run_again
from .history.replica import Replica
from .history.starting import state_at
from .version import ENGINE_VERSION

SECRET = b"secret of a recorded request"
DEPLOYMENT = bytes(16)
Documents = Mapping[str, list[Any]]
"""By table, as Convex JSON."""


@frozen
class RecordedRun:
    """What came of it, as Convex JSON."""

    result: Any
    writes: dict[str, Any]
    """By ``table/id``: the document, or None if it was deleted."""


@frozen
class Recorded:
    """One request: all that decides what comes of it, and what did."""

    lsn: LSN
    app: str
    function: str
    args: Any
    clock_ns: int
    committed_ns: int
    seed: str
    request_id: str
    identity: Any
    """Claims; an empty object for nobody, None if the function did not look."""
    session: str | None
    """Of the client that called it over its socket."""
    documents: dict[str, list[Any]]
    outcome: RecordedRun

    def run(self, app: App) -> RecordedRun:
        return run_with(
            app,
            self.function,
            self.args,
            clock_ns=self.clock_ns,
            committed_ns=self.committed_ns,
            seed=self.seed,
            request_id=self.request_id,
            identity=self.identity,
            session=self.session,
            documents=self.documents,
        )


def recorded_from(reader: LogReader, secret: bytes, lsn: LSN) -> Recorded:
    """What one entry of the log was made of.

    Raises NotReproducible if that is not all in the entry and in what it read, NoSuchEntry, Damaged,
    AppInvalid if the code of then does not load here.
    """
    entry = reader.entry(lsn)
    if entry.kind is not Kind.MUTATION:
        raise NotReproducible(lsn, f"no mutation made it, but a request of the kind {entry.kind.value}")
    deployment = state_at(reader, LSN(lsn - 1)).deployment
    app = deployed_app(deployment)
    # What it read has not changed since its snapshot: that is what its commit was checked for.
    replica = Replica.at(reader, secret, LSN(lsn - 1), app)
    recorded = Recorded(
        lsn,
        app.name,
        entry.function,
        json.to_json(cbor.decode(entry.args)),
        entry.clock,
        entry.ts,
        entry.seed.hex(),
        entry.cause.id,
        None if entry.identity is None else json.to_json(cbor.decode(entry.identity)),
        session_of_entry(entry),
        documents_of(replica, entry),
        outcome_of(entry, entry.result),
    )
    try:
        again = recorded.run(app)
    except (FunctionFailed, FunctionNotFound) as error:
        raise NotReproducible(lsn, f"run again, it fails: {error}") from error
    digest = blake2b(json.dump(again.result), digest_size=DIGEST_BYTES).digest()
    if again.writes != recorded.outcome.writes or digest != entry.result_digest:
        problem = "run again, something else comes out: it uses secrets, the history of documents, or older versions"
        raise NotReproducible(lsn, problem)
    return evolve(recorded, outcome=again)


def outcome_of(entry: Entry, result: bytes | None) -> RecordedRun:
    documents = ((f"{write.table}/{write.id}", write.document) for write in entry.writes)
    return outcome(documents, result or b"null")


def outcome(documents: Any, result: bytes) -> RecordedRun:
    return RecordedRun(json.parse(result), {key: None if body is None else tree_of(body) for key, body in documents})


def tree_of(body: bytes) -> Any:
    return json.to_json(cbor.decode(body))


def documents_of(replica: Replica, entry: Entry) -> dict[str, list[Any]]:
    """What stands in the ranges that it read, what it wrote over, and which tables there are."""
    wanted: dict[tuple[str, str], None] = dict.fromkeys((TABLES, id) for id in replica.bodies.bodies.get(TABLES, {}))
    for read in entry.reads:
        table = replica.tables.table(read.index.table)
        for id in ids_in(table, read.index.index, read.start, read.stop):
            wanted[read.index.table, id] = None
    for write in entry.writes:
        if write.previous != BEFORE_FIRST:
            wanted[write.table, write.id] = None
    documents: dict[str, list[Any]] = {}
    for table_name, id in wanted:
        held = replica.bodies.bodies.get(table_name, {}).get(id)
        if held is not None:
            documents.setdefault(table_name, []).append(tree_of(held[0]))
    return documents


def ids_in(table: Table, index: str, start: bytes, stop: bytes | None) -> Iterator[str]:
    if index in table.definition.vectors:
        # Nothing is found by its range: all that have a vector were compared, or could have been.
        vector_of = table.definition.vectors[index].vector_of
        yield from [id for id, version in table.versions.items() if vector_of(version.document) is not None]
        return
    if index not in table.indexes and index != "by_id":
        return
    entries = table.index(index).entries
    for key in entries.irange(start, stop, inclusive=(True, False)):
        yield entries[key].id


def run_recorded(
    source: str | Path | ModuleType | Mapping[str, str],
    function: str,
    args: Any,
    *,
    clock_ns: int,
    seed: str,
    documents: Documents,
    committed_ns: int | None = None,
    request_id: str = "",
    identity: Any = None,
    session: str | None = None,
) -> RecordedRun:
    """Run one mutation of an app as the log has recorded it, on these documents alone.

    ``source`` is the app's folder, its imported package, or its texts by module; values are Convex JSON.
    Raises FunctionFailed if it fails, FunctionNotFound, AppInvalid, SchemaMismatch if the documents do not
    fit the app's tables.
    """
    driver.install([])
    outside = {} if isinstance(source, Mapping) else put_away(folder_of(source).resolve())
    try:
        app = load_source(source)
        try:
            return run_with(
                app,
                function,
                args,
                clock_ns=clock_ns,
                seed=seed,
                documents=documents,
                committed_ns=clock_ns if committed_ns is None else committed_ns,
                request_id=request_id,
                identity=identity,
                session=session,
            )
        finally:
            if app.modules is not None:
                app.modules.uninstall()
    finally:
        put_back(outside)


def run_with(
    app: App,
    function: str,
    args: Any,
    *,
    clock_ns: int,
    committed_ns: int,
    seed: str,
    request_id: str,
    identity: Any,
    session: str | None,
    documents: Documents,
) -> RecordedRun:
    first = entry_of(FIRST_LSN, Kind.IMPORT, 1, writes=writes_of(documents))
    log = Log.open(MemoryStorage(), deployment_if_new=DEPLOYMENT, on_entry=lambda entry: None)
    try:
        encoded = encode(first)
        prev = log.writer.queue(first, encoded)
        batch = log.writer.take()
        assert batch is not None, "an entry was queued"
        log.writer.write(batch)
        replica = Replica.at(log.reader, SECRET, FIRST_LSN, app)
        endpoint = app.endpoints.get(function)
        if endpoint is None or endpoint.kind != "mutation":
            raise FunctionNotFound(function)
        entry = entry_of(
            LSN(FIRST_LSN + 1),
            Kind.MUTATION,
            committed_ns,
            function=function,
            args=cbor.encode(json.from_json(args)),
            identity=None if identity is None else cbor.encode(json.from_json(identity)),
            clock=clock_ns,
            seed=bytes.fromhex(seed),
            cause=request_id,
            code=app.code,
            prev=prev,
        )
        if session is not None:
            entry = evolve(entry, session=UUID(session).bytes, request=0)
        again = run_again(replica, entry, endpoint)
        if isinstance(again, Difference):
            raise FunctionFailed(again.again)
        return outcome(((f"{table}/{id}", body) for (table, id), body in again.writes.items()), again.result)
    finally:
        log.close()


def writes_of(documents: Documents) -> tuple[Write, ...]:
    return tuple(
        Write(table, document["_id"], BEFORE_FIRST, cbor.encode(json.from_json(document)))
        for table, held in documents.items()
        for document in held
    )


def entry_of(
    lsn: LSN,
    kind: Kind,
    ts: int,
    *,
    function: str = "",
    args: bytes = b"\xa0",
    identity: bytes | None = None,
    clock: int = 0,
    seed: bytes = bytes(16),
    cause: str = "",
    code: bytes = b"",
    prev: bytes = NO_HASH,
    writes: tuple[Write, ...] = (),
) -> Entry:
    return Entry(
        lsn=lsn,
        ts=Timestamp(ts),
        kind=kind,
        cause=Cause("test", cause, BEFORE_FIRST),
        function=function,
        code=code,
        engine=ENGINE_VERSION,
        args=args,
        identity=identity,
        clock=Timestamp(clock),
        seed=seed,
        snapshot=LSN(lsn - 1),
        reads=(),
        writes=writes,
        result_digest=b"",
        result=None,
        logs=(),
        session=None,
        request=None,
        prev=prev,
    )
