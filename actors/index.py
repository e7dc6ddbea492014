"""One index: order-preserving bytes in a sorted mapping, each to the version it stands for.

Invariants
    * A key ends with the id of its document, so keys are unique.
    * Where numbers are added up, `sums` holds the same keys as `entries`.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import Factory, define
from sortedcontainers import SortedDict

from ..log.entry import IndexKey, IndexName
from .sums import Sums
from .version import Version


@define(eq=False)
class Index:
    name: IndexName
    entries: SortedDict[IndexKey, Version] = Factory(SortedDict)
    sums: Sums | None = None
    """None for an index that adds nothing up."""

    def put(self, key: IndexKey, version: Version) -> None:
        if self.sums is not None:
            change = self.sums.replace if key in self.entries else self.sums.add
            change(key, version.document)
        self.entries[key] = version

    def remove(self, key: IndexKey) -> None:
        del self.entries[key]
        if self.sums is not None:
            self.sums.remove(key)

    def scan(self, start: IndexKey, stop: IndexKey | None, *, reverse: bool = False) -> Iterator[IndexKey]:
        """Keys with ``start <= key < stop`` in order; ``stop`` None is without end.

        The index must not change while the iterator is in use.
        """
        keys: Iterator[IndexKey] = self.entries.irange(start, stop, inclusive=(True, False), reverse=reverse)
        return keys

    def count(self, start: IndexKey, stop: IndexKey | None) -> int:
        """How many keys there are with ``start <= key < stop``; the documents are not gone through."""
        below: int = self.entries.bisect_left(start)
        up_to: int = len(self.entries) if stop is None else self.entries.bisect_left(stop)
        return max(0, up_to - below)

    def check(self) -> None:
        keys = list(self.entries)
        assert keys == sorted(set(keys)), self.name
        if self.sums is not None:
            self.sums.check((key, version.document) for key, version in self.entries.items())
