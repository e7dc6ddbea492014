"""One table: the newest version of each document, and its indexes.

Invariants
    * Every version stands in every index under exactly one key; in ``by_id`` that is its id.  In a text
      index it stands under the keys of its words; an index of vectors holds no keys, but `vectors`.
    * Changes are applied in the order of their entries and undone in the opposite order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import Factory, define
from sortedcontainers import SortedDict

from ..log.entry import BEFORE_FIRST, LSN, IndexKey
from .definition import BY_ID, TableDefinition
from .index import Index
from .version import Change, Version, looked_into

if TYPE_CHECKING:
    from .vectors import Vectors


@define(eq=False)
class Table:
    definition: TableDefinition
    versions: dict[str, Version]
    indexes: dict[str, Index]
    """By name; ``by_id`` only from the first time that somebody asks for its order (`index`)."""
    compared: dict[str, Vectors] = Factory(dict)
    """Indexes of vectors, by name, from the first time that somebody searches in them (`vectors`)."""

    @classmethod
    def empty(cls, definition: TableDefinition) -> Table:
        names = [name for name in (*definition.indexes, *definition.text_indexes) if name.index != BY_ID]
        return cls(definition, {}, {name.index: Index(name, sums=definition.sums(name.index)) for name in names})

    def index(self, name: str) -> Index:
        """The index of that name.  Raises KeyError if the table has no such index.

        To find a document by its id `versions` is enough, and most tables are never read in the order
        of ids.  The first to ask pays for sorting them; from then on each change moves its key.
        """
        index = self.indexes.get(name)
        if index is None and name == BY_ID:
            entries = SortedDict({id.encode(): version for id, version in self.versions.items()})
            index = self.indexes[BY_ID] = Index(self.definition.indexes[0], entries)
        return self.indexes[name] if index is None else index

    def vectors(self, name: str) -> Vectors:
        """The index of vectors of that name, to be caught up.  Raises KeyError if the table has none."""
        found = self.compared.get(name)
        if found is None:
            # Loading numpy takes a while, and most apps have no vectors.
            from .vectors import Vectors

            found = self.compared[name] = Vectors.of(self.definition.vectors[name], self.versions)
        return found

    def change(self, id: str, new: Version | None) -> Change:
        """What it means for this table that ``id`` becomes ``new``."""
        return self.definition.change(id, self.versions.get(id), new)

    def apply(self, change: Change, lsn: LSN) -> None:
        assert self.versions.get(change.id) is change.old, ("applied out of order", change.id, lsn)
        if change.new is not None:
            assert change.new.lsn == BEFORE_FIRST, ("a version is committed once", change.id, lsn)
            change.new.lsn = lsn
        self.move(change.id, change.new, [(key.name.index, key.old, key.new) for key in change.keys])

    def take_in(self, version: Version, lsn: LSN) -> None:
        """A version of a document that stands in no index yet; it keeps the place that its id may have.

        Its text is for `order_texts`.
        """
        assert not self.compared, self.definition.name
        version.lsn = lsn
        self.versions[version.id] = version
        for name, key in zip(self.definition.indexes, self.definition.keys(version.document), strict=True):
            if name.index in self.indexes:
                self.indexes[name.index].put(key, version)

    def order_texts(self) -> None:
        """Fill the text indexes, which nobody has written to yet, with all documents at once."""
        names = self.definition.text_indexes
        if not names:
            return
        entries: list[dict[IndexKey, Version]] = [{} for _ in names]
        for version in self.versions.values():
            for into, keys in zip(entries, self.definition.text_keys(looked_into(version)), strict=True):
                into.update(dict.fromkeys(keys, version))
        for name, found in zip(names, entries, strict=True):
            assert not self.indexes[name.index].entries, name
            self.indexes[name.index] = Index(name, SortedDict(found))

    def undo(self, change: Change) -> None:
        """Take back the newest change; the opposite of `apply`."""
        assert self.versions.get(change.id) is change.new, ("undone out of order", change.id)
        self.move(change.id, change.old, [(key.name.index, key.new, key.old) for key in change.keys])

    def move(self, id: str, version: Version | None, keys: list[tuple[str, bytes | None, bytes | None]]) -> None:
        if version is None:
            del self.versions[id]
        else:
            self.versions[id] = version
        for vectors in self.compared.values():
            vectors.move(id, version)
        for name, old, new in keys:
            if name not in self.indexes:
                assert name == BY_ID or name in self.definition.vectors, name
                continue
            if old is not None and old != new:
                self.indexes[name].remove(old)
            if new is not None:
                assert version is not None
                self.indexes[name].put(new, version)

    def check(self) -> None:
        for name, index in self.indexes.items():
            index.check()
            if index.name in self.definition.text_indexes:
                continue
            assert len(index.entries) == len(self.versions), (name, len(index.entries))
            assert all(self.versions[v.id] is v for v in index.entries.values()), name
        self.check_texts()
        for vectors in self.compared.values():
            vectors.check(self.versions)
        if BY_ID in self.indexes:
            assert all(key == version.id.encode() for key, version in self.indexes[BY_ID].entries.items())

    def check_texts(self) -> None:
        fresh = Table(
            self.definition, self.versions, {name.index: Index(name) for name in self.definition.text_indexes}
        )
        fresh.order_texts()
        for name, index in fresh.indexes.items():
            held = self.indexes[name].entries
            assert list(held) == list(index.entries), name
            assert all(held[key] is version for key, version in index.entries.items()), name
