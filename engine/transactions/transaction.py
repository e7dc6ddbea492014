"""One run of a function: a snapshot, a read set, a write set.

    reads   add index ranges to the read set, absence and empty ranges too
    writes  are staged in an overlay that later reads of the same transaction see

Invariants
    * The tables do not change while a transaction is open: it runs without suspension.
    * The read set covers everything that the function could have noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from attrs import Factory, define

from ...actors.definition import BY_ID
from ...actors.sums import NOTHING, Totals
from ...actors.tables import Tables
from ...actors.version import Change, Version
from ...log.entry import LSN, IndexKey, IndexName, KeyRange
from .journal import Pages
from .overlay import Overlay
from .scan import Scan
from .usage import FULL, TransactionLimits, Usage


@define(eq=False)
class Transaction:
    tables: Tables
    snapshot: LSN
    overlay: Overlay
    pages: Pages | None = None
    """None for transactions of the system itself, which read no pages."""
    usage: Usage = Factory(Usage)
    points: dict[tuple[str, str], None] = Factory(dict[tuple[str, str], None])
    """Documents looked for by table and id."""
    scans: list[Scan] = Factory(list[Scan])
    counted: dict[KeyRange, None] = Factory(dict[KeyRange, None])
    """Ranges of which only the keys were looked at, or what all of it adds up to; no document was read."""
    origin_needed: bool = False
    """Whether it had to end because the database does not say under which address it is reached."""
    handed_out: dict[str, Version] = Factory(dict[str, Version])
    """Versions whose documents the handler was given, by id.

    A result made of these documents is sent as the JSON that the versions carry already."""

    @classmethod
    def at_head(cls, tables: Tables, pages: Pages | None = None, limits: TransactionLimits = FULL) -> Transaction:
        return cls(tables, tables.position, Overlay(tables), pages, Usage(whole=limits))

    def get(self, table: str, id: str) -> Version | None:
        """The document of that id, or None; either way the read set has it."""
        self.usage.ranged()
        self.points[table, id] = None
        version = self.overlay.find(table, id)
        if version is not None:
            self.usage.read(version.size)
            self.handed_out[id] = version
        return version

    def committed(self, table: str, id: str) -> Version | None:
        """The document as of the snapshot, whatever this transaction has written; the read set is the caller's."""
        change = self.overlay.staged.get((table, id))
        if change is None:
            return self.tables.get(table, id)
        # In a mutation the overlay holds its own writes; in the past, what the tables looked like.
        return change.old if self.snapshot == self.tables.position else change.new

    def peek(self, table: str, id: str) -> Version | None:
        """The document of that id, for operations that do not depend on what it holds.

        Only that there is none goes to the read set; whoever uses what it holds has to `get` it.
        """
        self.usage.ranged()
        version = self.overlay.find(table, id)
        if version is None:
            self.points[table, id] = None
        else:
            self.usage.read(version.size)
        return version

    def scan(self, index: IndexName, start: IndexKey, stop: IndexKey | None, *, reverse: bool) -> Scan:
        """A reader of the range; what it consumes goes to the read set."""
        scan = Scan(self.overlay, self.usage, index, start, stop, reverse)
        self.scans.append(scan)
        return scan

    def count(self, index: IndexName, start: IndexKey, stop: IndexKey | None) -> int:
        """How many documents are in the range, without reading them; which keys there are is recorded."""
        self.usage.ranged(len(start) + len(stop or b""))
        if stop is not None and start >= stop:
            return 0
        self.counted[KeyRange(index, start, stop, keys_only=True)] = None
        return self.overlay.count(index, start, stop)

    def exists(self, index: IndexName, start: IndexKey, stop: IndexKey | None, *, reverse: bool) -> bool:
        """Whether any document is in the range.  If one is, the answer depends on that one alone."""
        self.usage.ranged(len(start) + len(stop or b""))
        if stop is not None and start >= stop:
            return False
        key = self.overlay.first_key(index, start, stop, reverse=reverse)
        witness = KeyRange(index, start, stop, True) if key is None else KeyRange(index, key, key + b"\0", True)
        self.counted[witness] = None
        return key is not None

    def totals(self, index: IndexName, start: IndexKey, stop: IndexKey | None) -> Totals:
        """What the numbers in the range add up to, without reading its documents; all of them are recorded."""
        self.usage.ranged(len(start) + len(stop or b""))
        if stop is not None and start >= stop:
            return NOTHING
        self.counted[KeyRange(index, start, stop)] = None
        return self.overlay.totals(index, start, stop)

    def at(self, index: IndexName, start: IndexKey, stop: IndexKey | None, position: int) -> Version | None:
        """The document at a position of the range, from its end if that is negative; None if there are fewer.

        Recorded is the document, and which keys there are from that end to it.
        """
        self.usage.ranged(len(start) + len(stop or b""))
        if stop is not None and start >= stop:
            return None
        place = position if position >= 0 else self.overlay.count(index, start, stop) + position
        key = self.overlay.at(index, start, stop, place) if place >= 0 else None
        if key is None:
            passed = KeyRange(index, start, stop, keys_only=True)
        elif position >= 0:
            passed = KeyRange(index, start, key + b"\0", keys_only=True)
        else:
            passed = KeyRange(index, key, stop, keys_only=True)
        self.counted[passed] = None
        return self.get(index.table, self.overlay.version_at(index, key).id) if key is not None else None

    def keys(self, index: IndexName, start: IndexKey, stop: IndexKey) -> Iterator[IndexKey]:
        """The keys of the range, in order; which there are is recorded, and no document is read."""
        self.usage.ranged(len(start) + len(stop))
        self.counted[KeyRange(index, start, stop, keys_only=True)] = None
        return self.overlay.keys_in(index, start, stop)

    def keys_first(self, index: IndexName, start: IndexKey, stop: IndexKey, at_most: int) -> list[IndexKey]:
        """As `keys`, and no more of them than that: only what was looked at is recorded."""
        found = list(islice(self.overlay.keys_in(index, start, stop), at_most))
        if len(found) == at_most:
            stop = found[-1] + b"\0" if found else start
        self.usage.ranged(len(start) + len(stop))
        if start < stop:
            self.counted[KeyRange(index, start, stop, keys_only=True)] = None
        return found

    def has_scanned(self, table: str) -> bool:
        """Whether a range of any of the table's indexes was looked at."""
        return any(scan.index.table == table and scan.read_range() is not None for scan in self.scans) or any(
            key_range.index.table == table for key_range in self.counted
        )

    def write(self, table: str, id: str, new: Version | None) -> None:
        self.usage.wrote(new.size if new is not None else 0)
        self.overlay.stage(table, id, new)

    def reads(self) -> tuple[KeyRange, ...]:
        """The read set, each range once, in the order of reading."""
        ranges: dict[KeyRange, None] = {}
        for table, id in self.points:
            key = id.encode()
            ranges[KeyRange(IndexName(table, BY_ID), key, key + b"\0")] = None
        for scan in self.scans:
            key_range = scan.read_range()
            if key_range is not None:
                ranges[key_range] = None
        return (*ranges, *self.counted)

    def changes(self) -> tuple[Change, ...]:
        """The write set: for each document the change from the snapshot's version."""
        return tuple(self.overlay.staged.values())
