"""What the log says the documents are: one entry after another, laid into dicts."""

from __future__ import annotations

from typing import Any

from attrs import Factory, define, frozen

from ..log.entry import Entry
from ..protocol import cbor

SYSTEM = "_"
"""Tables and fields of the engine's own begin with it."""


@frozen
class Change:
    """Of one document, as CBOR; None where there is none."""

    table: str
    id: str
    old: bytes | None
    new: bytes | None


@define
class Fold:
    lsn: int = 0
    documents: dict[str, dict[str, tuple[int, bytes]]] = Factory(dict[str, dict[str, tuple[int, bytes]]])
    """By table and id: the entry that wrote it, and its CBOR."""
    changed: tuple[Change, ...] = ()
    """By the newest entry."""
    problems: list[str] = Factory(list[str])
    """Writes that do not follow from what was there."""
    decoded: dict[bytes, Any] = Factory(dict[bytes, Any])
    """Documents that were looked at, by their CBOR."""

    def apply(self, entry: Entry) -> None:
        self.lsn = entry.lsn
        changes = []
        for write in entry.writes:
            table = self.documents.setdefault(write.table, {})
            previous, old = table.get(write.id, (0, None))
            changes.append(Change(write.table, write.id, old, write.document))
            if previous != write.previous:
                problem = f"entry {entry.lsn} writes over version {write.previous} of {write.id}, not {previous}"
                self.problems.append(problem)
            if write.document is None:
                table.pop(write.id, None)
            else:
                table[write.id] = entry.lsn, write.document
        self.changed = tuple(changes)

    def versions(self, table: str) -> dict[str, int]:
        return {id: lsn for id, (lsn, _) in self.documents.get(table, {}).items()}

    def whole(self, table: str) -> list[dict[str, Any]]:
        """The documents of a table in the order in which they were made."""
        found = [self.decode(document) for _, document in self.documents.get(table, {}).values()]
        return sorted(found, key=creation_time)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """As `whole`, without fields of the engine."""
        return [
            {name: value for name, value in row.items() if not name.startswith(SYSTEM)} for row in self.whole(table)
        ]

    def decode(self, document: bytes) -> dict[str, Any]:
        if document not in self.decoded:
            self.decoded[document] = cbor.decode(document)
        found: dict[str, Any] = self.decoded[document]
        return found


def creation_time(row: dict[str, Any]) -> float:
    time: float = row["_creationTime"]
    return time
