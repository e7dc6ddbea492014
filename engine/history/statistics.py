"""How much a log holds, and of what: the price of keeping history.

Invariant: the bytes of a table's current versions are those of the documents that are there after the
last entry that was added; everything else that was written to it is old.
"""

from __future__ import annotations

from attrs import Factory, define

from ...log.encoding import decode
from ...log.entry import FIRST_LSN, LSN, NO_TIME, Timestamp, Write
from ...log.reader import LogReader

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
    def of(cls, reader: LogReader) -> Statistics:
        """Reads the whole log.  Raises Damaged."""
        statistics = cls()
        for lsn, payload in reader.encoded(FIRST_LSN):
            statistics.add(lsn, payload)
        return statistics

    @property
    def growth_per_day(self) -> int | None:
        """Bytes; None if the log is too young to tell."""
        span = self.last - self.first
        return None if span < SPAN_NS_MIN else self.total.size * DAY_NS // span

    def add(self, lsn: LSN, payload: bytes) -> None:
        entry, size = decode(payload), len(payload)
        assert entry.lsn == lsn, (entry.lsn, lsn)
        self.first, self.last = self.first or entry.ts, entry.ts
        self.total.add(size)
        self.kinds.setdefault(entry.kind.value, Tally()).add(size)
        if entry.function:
            self.functions.setdefault(entry.function, Tally()).add(size)
        for write in entry.writes:
            self.tables.setdefault(write.table, TableTally()).add(write)
