"""Index keys of one table as a checkpoint holds them, so that a start need read no document to order it.

Keys follow from documents and from how the table is read (`TableDefinition.fingerprint`): where that is
another one by now, they are left out and made anew.  Documents stay what the log holds of them until
somebody reads them.

Invariants
    * That there are keys says that each document of ``ids`` was read under ``fingerprint``, and fits.
    * Keys are sorted; each position is that of the key's document in ``ids``.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Collection, Iterator, Mapping

from attrs import Factory, define
from sortedcontainers import SortedDict

from ..log.entry import LSN, IndexKey
from ..log.errors import Malformed
from .definition import TableDefinition
from .index import Index
from .table import Table
from .version import Version, looked_into, unread

POSITION_BYTES = 4


def no_positions() -> array[int]:
    positions = array("I")
    assert positions.itemsize == POSITION_BYTES
    return positions


@define(eq=False)
class Column:
    """One index."""

    keys: list[IndexKey] = Factory(list[IndexKey])
    positions: array[int] = Factory(no_positions)

    def add(self, keys: list[IndexKey], positions: bytes) -> None:
        """The next ones, as `parts_of_keys` wrote them.  Raises Malformed."""
        if len(positions) != POSITION_BYTES * len(keys):
            raise Malformed("a key without a document, or a document without a key")
        self.keys.extend(keys)
        self.positions.extend(little_endian(array("I", positions)))


@define(eq=False)
class StoredKeys:
    fingerprint: bytes
    ids: list[str]
    """The documents that were there, in their order."""
    columns: list[Column]
    """One for each index, without the first, which is by id."""
    written: set[str] = Factory(set[str])
    """Documents that were written since: what stands here of them counts no more."""

    def fits(self, definition: TableDefinition) -> bool:
        """Whether the table is read as it was when the keys were made."""
        return bool(definition.fingerprint) and definition.fingerprint == self.fingerprint

    def check(self) -> None:
        """Raises Malformed unless each index has one key for each document."""
        for column in self.columns:
            if len(column.keys) != len(self.ids) or len(column.positions) != len(self.ids):
                raise Malformed("an index has more keys than there are documents, or fewer")
            if max(column.positions, default=-1) >= len(self.ids):
                raise Malformed("a key is of no document")

    def fill(self, table: Table, bodies: Mapping[str, tuple[bytes, LSN]]) -> None:
        """Bring an empty table up to what is stored, but for documents written since: those are for the caller."""
        assert not table.versions, table.definition.name
        assert self.fits(table.definition)
        make = unread(table.definition.decode)
        table.versions.update({id: make(id, body, lsn) for id, (body, lsn) in bodies.items()})
        known: list[Version | None] = [*map(table.versions.get, self.ids)]
        if self.written:
            known = [None if id in self.written else known[place] for place, id in enumerate(self.ids)]
        for name, column in zip(table.definition.indexes[1:], self.columns, strict=True):
            pairs = zip(column.keys, map(known.__getitem__, column.positions), strict=True)
            entries = {key: version for key, version in pairs if version is not None} if self.written else dict(pairs)
            # They are sorted already, so that sorting them again is one pass.
            index = table.indexes[name.index] = Index(name, SortedDict(entries), table.definition.sums(name.index))
            if index.sums is not None:
                # What documents add up to stands in no key: these have to be read.
                index.sums.fill((key, looked_into(version)) for key, version in index.entries.items())


def keys_of(
    definition: TableDefinition, bodies: Mapping[str, tuple[bytes, LSN]], known: StoredKeys | None
) -> StoredKeys | None:
    """The keys of all documents; of ``known`` is taken over what still holds.  None if a document does not fit."""
    assert definition.fingerprint
    if known is not None and not known.fits(definition):
        known = None
    places = {id: place for place, id in enumerate(bodies)}
    pairs: list[list[tuple[IndexKey, int]]] = [[] for _ in definition.indexes[1:]]
    new: Collection[str] = bodies.keys()
    if known is not None:
        moved = [-1 if id in known.written else places.get(id, -1) for id in known.ids]
        for column, into in zip(known.columns, pairs, strict=True):
            into.extend(pair for pair in zip(column.keys, map(moved.__getitem__, column.positions), strict=True))
            into[:] = [pair for pair in into if pair[1] >= 0]
        new = [id for id in known.written if id in bodies] + [*bodies.keys() - {*known.ids} - known.written]
    try:
        for id in new:
            keys = definition.keys(definition.decode(bodies[id][0]).document)
            for into, key in zip(pairs, keys[1:], strict=True):
                into.append((key, places[id]))
    except Exception:
        return None  # A start finds out what is wrong with it, and says so.
    return StoredKeys(definition.fingerprint, [*bodies], [*map(column_of, pairs)])


def column_of(pairs: list[tuple[IndexKey, int]]) -> Column:
    pairs.sort()
    return Column([key for key, _ in pairs], array("I", [place for _, place in pairs]))


def parts_of_keys(table: str, stored: StoredKeys, keys_per_part: int) -> Iterator[list[object]]:
    """As a checkpoint holds them, a moderate number in each part."""
    yield ["ordered", table, stored.fingerprint, len(stored.columns)]
    for number, column in enumerate(stored.columns):
        for start in range(0, len(column.keys), keys_per_part):
            stop = start + keys_per_part
            positions = array("I", column.positions[start:stop])
            yield ["keys", table, number, column.keys[start:stop], little_endian(positions).tobytes()]


def little_endian(positions: array[int]) -> array[int]:
    """In place, both ways."""
    if sys.byteorder == "big":
        positions.byteswap()
    return positions
