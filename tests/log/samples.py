"""Entries and logs to test with."""

from __future__ import annotations

from collections.abc import Iterable

from relive.log.encoding import encode, entry_hash
from relive.log.entry import (
    LSN,
    NO_HASH,
    Cause,
    Entry,
    IndexName,
    KeyRange,
    Kind,
    Timestamp,
    Write,
)
from relive.log.log import Log, ignore_entry
from relive.log.memory import MemoryStorage
from relive.log.recovery import Recovered, recover
from relive.log.storage import Storage
from relive.log.writer import BATCH_BYTES_MAX, SEGMENT_BYTES_MAX

DEPLOYMENT = b"deployment-no-01"


def entry(lsn: int, prev: bytes = NO_HASH, document: bytes | None = b"\xa0") -> Entry:
    """A small entry; the document makes it as large as a test wants."""
    return Entry(
        lsn=LSN(lsn),
        ts=Timestamp(1_000 + lsn),
        kind=Kind.MUTATION,
        cause=Cause("client", "", LSN(0)),
        function="messages:send",
        code=b"",
        engine="0.1.0",
        args=b"\xa0",
        identity=None,
        clock=Timestamp(1_000 + lsn),
        seed=b"",
        snapshot=LSN(lsn - 1),
        reads=(KeyRange(IndexName("messages", "by_id"), b"a", None),),
        writes=(Write("messages", f"id{lsn}", LSN(0), document),),
        result_digest=b"",
        result=None,
        logs=(),
        session=None,
        request=None,
        prev=prev,
    )


def chain(count: int, document: bytes | None = b"\xa0") -> tuple[Entry, ...]:
    """Entries 1 to ``count``, each with the hash of the one before it."""
    entries, prev = [], NO_HASH
    for lsn in range(1, count + 1):
        entries.append(entry(lsn, prev, document))
        prev = entry_hash(encode(entries[-1]))
    return tuple(entries)


def open_log(
    storage: Storage,
    seen: list[Entry] | None = None,
    segment_bytes_max: int = SEGMENT_BYTES_MAX,
    batch_bytes_max: int = BATCH_BYTES_MAX,
) -> Log:
    """Open a log; what it holds is put into ``seen``."""
    return Log.open(
        storage,
        deployment_if_new=DEPLOYMENT,
        on_entry=ignore_entry if seen is None else seen.append,
        segment_bytes_max=segment_bytes_max,
        batch_bytes_max=batch_bytes_max,
    )


def queue(log: Log, count: int, document: bytes | None = b"\xa0") -> tuple[Entry, ...]:
    """Queue the next ``count`` entries."""
    queued = []
    for _ in range(count):
        new = entry(log.last_lsn + 1, log.last_hash, document)
        log.writer.queue(new, encode(new))
        queued.append(new)
    return tuple(queued)


def write(log: Log) -> LSN:
    """Take and write one batch."""
    batch = log.writer.take()
    assert batch is not None
    return log.writer.write(batch)


def append(log: Log, count: int, document: bytes | None = b"\xa0") -> tuple[Entry, ...]:
    """Make the next ``count`` entries durable, in one batch."""
    queued = queue(log, count, document)
    write(log)
    return queued


def closed_log(batches: Iterable[int], segment_bytes_max: int = SEGMENT_BYTES_MAX) -> MemoryStorage:
    """A disk with a log that was written in batches of these sizes and closed."""
    storage = MemoryStorage()
    with open_log(storage, segment_bytes_max=segment_bytes_max) as log:
        for count in batches:
            append(log, count)
    return storage


def recovered(storage: Storage) -> tuple[Recovered, list[Entry]]:
    """What recovery finds, and the entries it saw."""
    seen: list[Entry] = []
    return recover(storage, seen.append), seen
