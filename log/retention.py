"""What of the log is beyond the retention of its tables: what was written over or deleted long enough ago.

    retention = Retention(keep_ns={"messages": THIRTY_DAYS}, now=now)
    for entry in all_of_them: retention.add(entry)
    reduced = retention.reduce(entry)          None: all of the entry is kept

An entry that loses a document, or made one go, loses what may say the same again: arguments, identity,
ranges read, lines printed, and the result once no client asks for it any more.  What remains says that it
happened: when, which function of which code and why, and which document became which version.

Invariants
    * The newest version of a document is never dropped, nor what another table keeps.
    * Deploys stay whole: the log cannot be read without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import Factory, define, evolve

from .entry import BEFORE_FIRST, DROPPED, LSN, Entry, Kind, Timestamp

RESULT_KEPT_NS: Final = 14 * 86_400 * 1_000_000_000
"""How long a client may resend a request and must get its result again: 14 days."""

DocumentKey = tuple[str, str]
"""Table and id."""


@define(eq=False)
class TableDropped:
    """What one table loses."""

    versions: int = 0
    size: int = 0
    """Bytes of their encoding."""


@define(eq=False)
class Retention:
    keep_ns: Mapping[str, int]
    """By table, how long a version is kept after it was written over or deleted; other tables keep all of them."""
    now: Timestamp
    erased: frozenset[DocumentKey] = frozenset()
    """Documents of which only the newest version is kept."""
    gone: dict[LSN, set[DocumentKey]] = Factory(dict[LSN, set[DocumentKey]])
    """By entry: documents whose version of that entry is beyond retention, tombstones included."""

    def add(self, entry: Entry) -> None:
        """The next entry of the log; all of them must be added before `reduce`."""
        for write in entry.writes:
            key = (write.table, write.id)
            if not self.is_beyond(key, entry.ts):
                continue
            if write.previous != BEFORE_FIRST:
                self.gone.setdefault(write.previous, set()).add(key)
            if write.document is None:
                self.gone.setdefault(entry.lsn, set()).add(key)

    def is_beyond(self, key: DocumentKey, since: Timestamp) -> bool:
        """Whether that document's version is to be dropped that was the newest until ``since``."""
        keep_ns = self.keep_ns.get(key[0])
        return key in self.erased or (keep_ns is not None and self.now - since >= keep_ns)

    def reduce(self, entry: Entry) -> Entry | None:
        """What is kept of an entry; None if that is all that it holds."""
        gone = self.gone.get(entry.lsn)
        if not gone or entry.kind is Kind.DEPLOY:
            return None
        writes = tuple(
            evolve(write, document=DROPPED) if write.document and (write.table, write.id) in gone else write
            for write in entry.writes
        )
        result = entry.result if self.now - entry.ts < RESULT_KEPT_NS else None
        reduced = evolve(entry, args=DROPPED, identity=None, reads=(), writes=writes, result=result, logs=())
        return reduced if reduced != entry else None

    def tally(self, entry: Entry, into: dict[str, TableDropped]) -> None:
        """Add up what the entry loses."""
        gone = self.gone.get(entry.lsn, set())
        for write in entry.writes:
            if write.document and (write.table, write.id) in gone:
                table = into.setdefault(write.table, TableDropped())
                table.versions += 1
                table.size += len(write.document)
