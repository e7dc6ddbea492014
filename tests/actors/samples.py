"""Small documents, and the actors over a log in memory, for tests that feed them messages."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define
from relive.actors.definition import BY_CREATION_TIME, BY_ID, TableDefinition
from relive.actors.errors import CannotMerge
from relive.actors.messages import Answer, Commit, Merge
from relive.actors.recovery import Recovery
from relive.actors.runtime import InThread, Runtime
from relive.actors.tables import Tables
from relive.actors.tail import Committed
from relive.actors.version import Change, Version
from relive.engine.log_thread import LogThread
from relive.log.entry import BEFORE_FIRST, LSN, NO_HASH, Cause, Entry, IndexName, KeyRange, Kind, Timestamp, Write
from relive.log.log import Log
from relive.log.memory import MemoryStorage
from relive.protocol.order import sort_key

from .replica import Replica

NOW = 1_700_000_000_000_000_000
TABLE = "notes"
BY_RANK = IndexName(TABLE, "by_rank")
BY_ID_NAME = IndexName(TABLE, BY_ID)
CREATED = 1_700_000_000_000.5
"""Creation time of every document, in milliseconds."""
DEPLOYMENT = b"deployment-no-01"

Ranks = Mapping[str, int | None]
"""What becomes of documents: id to rank; None is gone."""
NOTHING: Mapping[str, int] = {}
RANK_MAX = 10_000
"""What merges may come to."""


def body_of(id: str, rank: int) -> bytes:
    return f"{id} {rank}".encode()


def key_of(id: str, rank: int) -> bytes:
    """Where a document stands in ``by_rank``."""
    return sort_key(rank) + suffix_of(id)


def suffix_of(id: str) -> bytes:
    """Where a document stands in ``by_creation_time``, and what ends its keys in other indexes."""
    return sort_key(CREATED) + sort_key(id)


def body_of_version(version: Version | None) -> bytes | None:
    if version is None:
        return None
    assert isinstance(version.document, tuple)
    return body_of(*version.document)


def decode(body: bytes) -> Version:
    id, rank = body.decode().split()
    return Version(id, (id, int(rank)), len(body))


def keys(document: object) -> tuple[bytes, ...]:
    assert isinstance(document, tuple)
    id, rank = document
    return id.encode(), suffix_of(id), key_of(id, rank)


def definition(name: str) -> TableDefinition:
    names = (BY_ID, BY_CREATION_TIME, "by_rank")
    return TableDefinition(name, tuple(IndexName(name, index) for index in names), decode, keys)


def ranks(start: int, stop: int | None, *, keys_only: bool = False) -> KeyRange:
    """Every document with ``start <= rank < stop``."""
    return KeyRange(BY_RANK, sort_key(start), None if stop is None else sort_key(stop), keys_only)


def by_id(id: str) -> KeyRange:
    return KeyRange(BY_ID_NAME, id.encode(), id.encode() + b"\0")


def changes_of(tables: Tables, wanted: Ranks) -> tuple[Change, ...]:
    changes = []
    for id, rank in wanted.items():
        old = tables.get(TABLE, id)
        if old is not None or rank is not None:
            new = None if rank is None else decode(body_of(id, rank))
            changes.append(definition(TABLE).change(id, old, new))
    return tuple(changes)


def rank_of(version: Version) -> int:
    assert isinstance(version.document, tuple)
    rank: int = version.document[1]
    return rank


def adding_to(amount: int) -> Merge:
    """Adds to the rank of whatever version there is."""

    def merge(newest: Version) -> tuple[Change, bytes]:
        rank = rank_of(newest) + amount
        if rank > RANK_MAX:
            raise CannotMerge(f"{rank} is more than {RANK_MAX}")
        body = body_of(newest.id, rank)
        return definition(TABLE).change(newest.id, newest, decode(body)), body

    return merge


def commit_of(
    tables: Tables,
    wanted: Ranks,
    *,
    add: Mapping[str, int] = NOTHING,
    reads: tuple[KeyRange, ...] = (),
    snapshot: int | None = None,
    now: int = NOW,
    request: tuple[bytes, int] | None = None,
    kind: Kind = Kind.MUTATION,
    function: str = "notes:write",
) -> Commit:
    """A transaction that read ``reads`` at ``snapshot`` (the head if not given) and writes ``wanted``.

    To the ranks of ``add`` it adds, without having looked at them.
    """
    added = {id: rank_of(tables.table(TABLE).versions[id]) + amount for id, amount in add.items()}
    changes = changes_of(tables, {**wanted, **added})
    return Commit(
        kind=kind,
        cause=Cause("client", "", BEFORE_FIRST),
        function=function,
        code=b"code",
        engine="test",
        args=b"\xa0",
        identity=None,
        clock=Timestamp(now),
        seed=bytes(16),
        snapshot=tables.position if snapshot is None else LSN(snapshot),
        reads=reads,
        changes=changes,
        documents=tuple(body_of_version(change.new) for change in changes),
        result_digest=b"",
        result=b"null" if request is not None else None,
        logs=(),
        session=request[0] if request is not None else None,
        request=request[1] if request is not None else None,
        now=Timestamp(now),
        merges={(TABLE, id): adding_to(amount) for id, amount in add.items()},
    )


def entry_of(
    lsn: int, *, ts: int | None = None, request: tuple[bytes, int] | None = None, writes: tuple[Write, ...] = ()
) -> Entry:
    """An entry for actors that look at a few of its fields only."""
    at = Timestamp(NOW + lsn if ts is None else ts)
    session, number = request if request is not None else (None, None)
    return Entry(
        LSN(lsn),
        at,
        Kind.MUTATION,
        Cause("client", "", BEFORE_FIRST),
        "notes:write",
        b"",
        "test",
        b"\xa0",
        None,
        at,
        bytes(16),
        LSN(lsn - 1),
        (),
        writes,
        b"",
        None,
        (),
        session,
        number,
        NO_HASH,
    )


def committed(lsn: int, changes: tuple[Change, ...] = (), *, ts: int | None = None) -> Committed:
    return Committed(entry_of(lsn, ts=ts), changes)


@define(eq=False)
class Machine:
    """The actors and their log.  Nothing becomes durable until `flush`, unless a test runs the writer task."""

    storage: MemoryStorage
    runtime: Runtime
    now: int = NOW

    @classmethod
    def start(cls, storage: MemoryStorage | None = None, in_thread: InThread | None = None) -> Machine:
        """Recover what the storage holds."""
        storage = storage if storage is not None else MemoryStorage()
        recovery = Recovery()
        log = Log.open(storage, deployment_if_new=DEPLOYMENT, on_entry=recovery.apply)
        tables = Tables.empty(definition)
        recovery.newest.fill(tables, refuse)
        return cls(storage, Runtime.start(log, tables, recovery.requests, in_thread or LogThread()))

    def commit(self, **wanted: int | None) -> Answer:
        """Commit, a millisecond after the last one, that documents get these ranks."""
        return self.transact(wanted)

    def transact(
        self,
        wanted: Ranks,
        *,
        add: Mapping[str, int] = NOTHING,
        reads: tuple[KeyRange, ...] = (),
        snapshot: int | None = None,
        request: tuple[bytes, int] | None = None,
        replica: Replica | None = None,
        function: str = "notes:write",
    ) -> Answer:
        """Commit what a transaction has read and written; it saw what the replica holds, if one is given."""
        self.now += 1_000_000
        node = self.runtime if replica is None else replica
        return node.commit(
            commit_of(
                node.tables,
                wanted,
                add=add,
                reads=reads,
                snapshot=snapshot,
                now=self.now,
                request=request,
                function=function,
            )
        )

    def flush(self) -> None:
        """Make everything durable."""
        writer = self.runtime.log.writer
        while (batch := writer.take()) is not None:
            self.runtime.written(writer.write(batch))

    def ranks(self) -> dict[str, int]:
        """What the tables hold."""
        return ranks_in(self.runtime.tables)

    def check(self) -> None:
        self.runtime.tables.check()
        self.runtime.committer.check()
        self.runtime.gate.check()
        assert self.runtime.tables.position == self.runtime.tail.head


def ranks_in(tables: Tables) -> dict[str, int]:
    return {id: rank_of(version) for id, version in tables.table(TABLE).versions.items()}


def refuse(table: str, id: str, error: Exception) -> None:
    raise error
