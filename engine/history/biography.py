"""The life of one document: every entry that changed it, what it changed, and what caused that.

Found through the newest write of the document, and from there by each write's `previous`.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from ...log.encoding import decode
from ...log.entry import BEFORE_FIRST, DROPPED, FIRST_LSN, LSN, Entry, Write
from ...log.errors import HistoryDropped
from ...log.reader import LogReader
from ...protocol import cbor
from ...protocol.values import Value, equal
from .errors import NoHistory

Fields = dict[str, Value]


@frozen(eq=False)
class FieldChange:
    """A field that is another one than before."""

    path: str
    """Names of fields inside of objects are joined by dots."""
    before: Value
    after: Value
    was_there: bool
    is_there: bool


@frozen(eq=False)
class Chapter:
    """One change of the document."""

    entry: Entry
    write: Write
    before: Fields | None
    """None if there was no document."""
    after: Fields | None
    """None if it was deleted."""
    causes: tuple[Entry, ...]
    """What made the entry happen, the nearest first: the mutation that scheduled it, and so on."""
    is_before_kept: bool = True
    """False if what the document was before is beyond retention, so that nobody can tell what changed."""

    def changes(self) -> list[FieldChange]:
        return list(differences(self.before or {}, self.after or {})) if self.is_before_kept else []


def biography(reader: LogReader, table: str, id: str) -> Iterator[Chapter]:
    """Every change of a document, the newest first; ``table`` may be empty.

    Raises NoHistory if there is none, HistoryDropped where its versions are beyond retention, Damaged.
    """
    entry, write = newest_write(reader, table, id)
    while True:
        if write.document == DROPPED:
            raise HistoryDropped(write.table, id, entry.lsn)
        older = reader.entry(write.previous) if write.previous != BEFORE_FIRST else None
        before = write_of(older, write.table, id) if older is not None else None
        causes = causes_of(reader, entry)
        is_before_kept = before is None or before.document != DROPPED
        yield Chapter(
            entry, write, fields_of(before) if is_before_kept else None, fields_of(write), causes, is_before_kept
        )
        if older is None or before is None:
            return
        entry, write = older, before


def newest_write(reader: LogReader, table: str, id: str) -> tuple[Entry, Write]:
    """The last write of a document, tombstones included.  Raises NoHistory, Damaged."""
    name, newest = id.encode(), None
    for _, payload in reader.encoded(FIRST_LSN):
        # Most entries do not even mention it, and need not be decoded.
        if name not in payload:
            continue
        entry = decode(payload)
        found = next((write for write in entry.writes if write.id == id and table in ("", write.table)), None)
        if found is not None:
            newest = (entry, found)
    if newest is None:
        raise NoHistory(table, id)
    return newest


def write_of(entry: Entry, table: str, id: str) -> Write:
    return next(write for write in entry.writes if (write.table, write.id) == (table, id))


def fields_of(write: Write | None) -> Fields | None:
    if write is None or write.document is None:
        return None
    fields = cbor.decode(write.document)
    assert isinstance(fields, dict), "a document is an object"
    return fields


def causes_of(reader: LogReader, entry: Entry) -> tuple[Entry, ...]:
    """Entries that made this one happen, the nearest first."""
    causes: list[Entry] = []
    parent: LSN = entry.cause.parent
    while parent != BEFORE_FIRST:
        causes.append(reader.entry(parent))
        assert causes[-1].cause.parent < parent, "what comes later causes nothing"
        parent = causes[-1].cause.parent
    return tuple(causes)


def differences(before: Fields, after: Fields, path: str = "") -> Iterator[FieldChange]:
    """Fields that differ, inside of objects too; arrays are compared as wholes."""
    for name in sorted({*before, *after}):
        old, new, where = before.get(name), after.get(name), f"{path}{name}"
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(old, new, f"{where}.")
        elif name not in before or name not in after or not equal(old, new):
            yield FieldChange(where, old, new, name in before, name in after)
