"""How much a log holds, and of what: the price of keeping history.

Invariant: the bytes of a table's current versions are those of the documents that are there after the
last entry that was added; everything else that was written to it is old.
"""

from __future__ import annotations

from attrs import Factory, define

from ...log.encoding import decode
from ...log.entry import DROPPED, FIRST_LSN, LSN, NO_TIME, Entry, Kind, Timestamp, Write
from ...log.reader import LogReader
from ..deployment.retention import history_days, retention_of

DAY_NS = 86_400 * 1_000_000_000
SPAN_NS_MIN = DAY_NS // 24
"""Of a shorter time nothing can be said about a day."""


@define(eq=False)
class Tally:
    """Entries of one kind, or of one function."""

    entries: int = 0
    size: int = 0
    """Bytes of the encoded entries."""

    def add(self, size: int) -> None:
        self.entries += 1
        self.size += size


@define(eq=False)
class TableTally:
    """What was written to one table.  Sizes are bytes of the documents' encoding."""

    versions: int = 0
    """Documents written, the current ones included."""
    tombstones: int = 0
    written: int = 0
    """Bytes of all versions."""
    current: dict[str, int] = Factory(dict[str, int])
    """Bytes of each document that is there, by id."""
    dropped: int = 0
    """Versions that compaction has dropped; not among the others."""
    history_days: float | None = None
    """How long versions are kept that were written over or deleted; None is for ever."""
    beyond: int = 0
    """Versions that the next compaction drops."""
    beyond_size: int = 0

    @property
    def documents(self) -> int:
        return len(self.current)

    @property
    def current_size(self) -> int:
        return sum(self.current.values())

    @property
    def old_size(self) -> int:
        """Bytes of the versions that were written over or deleted."""
        return self.written - self.current_size

    def add(self, write: Write) -> None:
        if write.document == DROPPED:
            self.dropped += 1
            self.current[write.id] = 0
            return
        if write.document is None:
            self.tombstones += 1
            self.current.pop(write.id, None)
            return
        size = len(write.document)
        self.versions += 1
        self.written += size
        self.current[write.id] = size


@define(eq=False)
class Statistics:
    total: Tally = Factory(Tally)
    first: Timestamp = NO_TIME
    """Time of the first entry, in nanoseconds since the Unix epoch; 0 if there is none."""
    last: Timestamp = NO_TIME
    tables: dict[str, TableTally] = Factory(dict[str, TableTally])
    kinds: dict[str, Tally] = Factory(dict[str, Tally])
    functions: dict[str, Tally] = Factory(dict[str, Tally])
    """By path, those of the system included; entries without a function are in `kinds` only."""

    @classmethod
    def of(cls, reader: LogReader, now: Timestamp) -> Statistics:
        """Reads the whole log; what is beyond retention is so at ``now``.  Raises Damaged."""
        statistics, history = cls(), History()
        for lsn, payload in reader.encoded(FIRST_LSN):
            history.add(statistics.add(lsn, payload))
        days = history_days(history.deployment)
        retention = retention_of(days, now)
        for name, table in statistics.tables.items():
            table.history_days = days.get(name)
            for since, size in history.ended.get(name, ()):
                if retention.is_beyond((name, ""), since):
                    table.beyond += 1
                    table.beyond_size += size
        return statistics

    @property
    def growth_per_day(self) -> int | None:
        """Bytes; None if the log is too young to tell."""
        span = self.last - self.first
        return None if span < SPAN_NS_MIN else self.total.size * DAY_NS // span

    def add(self, lsn: LSN, payload: bytes) -> Entry:
        entry, size = decode(payload), len(payload)
        assert entry.lsn == lsn, (entry.lsn, lsn)
        self.first, self.last = self.first or entry.ts, entry.ts
        self.total.add(size)
        self.kinds.setdefault(entry.kind.value, Tally()).add(size)
        if entry.function:
            self.functions.setdefault(entry.function, Tally()).add(size)
        for write in entry.writes:
            self.tables.setdefault(write.table, TableTally()).add(write)
        return entry


@define(eq=False)
class History:
    """When each version that is kept stopped being the newest."""

    newest: dict[tuple[str, str], int] = Factory(dict[tuple[str, str], int])
    """Bytes, by table and id."""
    ended: dict[str, list[tuple[Timestamp, int]]] = Factory(dict[str, list[tuple[Timestamp, int]]])
    """By table: when, and how many bytes it has."""
    deployment: bytes = b""

    def add(self, entry: Entry) -> None:
        if entry.kind is Kind.DEPLOY:
            self.deployment = entry.args
        for write in entry.writes:
            size = self.newest.pop((write.table, write.id), 0)
            if size:
                self.ended.setdefault(write.table, []).append((entry.ts, size))
            if write.document:
                self.newest[write.table, write.id] = len(write.document)
