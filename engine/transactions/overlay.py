"""Versions laid over the tables: what a transaction has written, or what the past looked like.

Invariants
    * For each document there is at most one staged change, from the tables' version.
    * Every staged change stands in the overlay of each index: its old key as a tombstone (None),
      its new key as the new version.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import Factory, define
from sortedcontainers import SortedDict

from ...actors.sums import NOTHING, Totals
from ...actors.tables import Tables
from ...actors.tail import Tail
from ...actors.version import Change, Version
from ...log.entry import LSN, IndexKey, IndexName


@define(eq=False)
class Overlay:
    tables: Tables
    staged: dict[tuple[str, str], Change] = Factory(dict[tuple[str, str], Change])
    """By table and id, in the order of the first write."""
    keys: dict[IndexName, dict[IndexKey, Version | None]] = Factory(dict)
    """Plain until a scan needs the order (`ordered`): most transactions write and never look back."""
    generation: int = 0
    """Counts changes, so that a scan in progress notices them."""

    @classmethod
    def of_the_past(cls, tables: Tables, tail: Tail, lsn: LSN) -> Overlay:
        """What the tables looked like as of ``lsn``; `tail` must hold every commit after it."""
        overlay = cls(tables)
        assert tail.holds_after(lsn), (lsn, tail.oldest)
        for committed in tail.newest_first():
            if committed.entry.lsn <= lsn:
                break
            for change in reversed(committed.changes):
                overlay.stage(change.table, change.id, change.old)
        return overlay

    def find(self, table: str, id: str) -> Version | None:
        change = self.staged.get((table, id))
        return change.new if change is not None else self.tables.get(table, id)

    def stage(self, table: str, id: str, new: Version | None) -> Change | None:
        """``id`` becomes ``new``; None if that is what the tables hold anyway."""
        known = self.tables.table(table)
        base = known.versions.get(id)
        self.unstage(table, id)
        self.generation += 1
        if (base is None and new is None) or base is new:
            return None
        change = known.definition.change(id, base, new)
        self.staged[table, id] = change
        for name, old_key, new_key in change.keys:
            keys = self.keys.setdefault(name, {})
            if old_key is not None:
                keys[old_key] = None
            if new_key is not None:
                keys[new_key] = new
        return change

    def ordered(self, index: IndexName) -> SortedDict[IndexKey, Version | None] | None:
        """What is staged in an index, in its order; None if nothing is."""
        keys = self.keys.get(index)
        if not keys:
            return None
        if not isinstance(keys, SortedDict):
            keys = self.keys[index] = SortedDict(keys)
        return keys

    def count(self, index: IndexName, start: IndexKey, stop: IndexKey | None) -> int:
        """How many documents are in a range that is not empty."""
        base = self.tables.table(index.table).index(index.index)
        total = base.count(start, stop)
        staged = self.ordered(index)
        if staged is not None:
            for key in staged.irange(start, stop, inclusive=(True, False)):
                total += (staged[key] is not None) - (key in base.entries)
        return total

    def at(self, index: IndexName, start: IndexKey, stop: IndexKey | None, position: int) -> IndexKey | None:
        """The key before which there are ``position`` others in the range; None if there are not so many."""
        entries = self.tables.table(index.table).index(index.index).entries
        staged = self.ordered(index)
        below, left = entries.bisect_left(start), position
        keys: Iterator[IndexKey] = iter(())
        if staged is not None:
            keys = staged.irange(start, stop, inclusive=(True, False))
        for key in keys:
            place = entries.bisect_left(key)
            if left < place - below:
                break
            left -= place - below
            below = place + (key in entries)
            if staged is not None and staged[key] is not None:
                if left == 0:
                    return key
                left -= 1
        if below + left >= len(entries):
            return None
        found: IndexKey = entries.peekitem(below + left)[0]
        return found if stop is None or found < stop else None

    def version_at(self, index: IndexName, key: IndexKey) -> Version:
        """What stands under a key that is there."""
        version = self.keys.get(index, {}).get(key)
        return version if version is not None else self.tables.table(index.table).index(index.index).entries[key]

    def totals(self, index: IndexName, start: IndexKey, stop: IndexKey | None) -> Totals:
        """What the numbers in a range add up to, in an index that adds up."""
        sums = self.tables.table(index.table).index(index.index).sums
        assert sums is not None, index
        found = NOTHING
        staged = self.ordered(index)
        for key in staged.irange(start, stop, inclusive=(True, False)) if staged is not None else ():
            found = found.plus(sums.within(start, key))
            version = staged[key] if staged is not None else None
            if version is not None:
                found = found.plus(sums.of(version.document))
            start = key + b"\0"
        return found.plus(sums.within(start, stop))

    def first_key(self, index: IndexName, start: IndexKey, stop: IndexKey | None, *, reverse: bool) -> IndexKey | None:
        """The first key of the range, in either order; None if there is none."""
        return next((key for key, _ in self.merged(index, start, stop, (True, False), reverse)), None)

    def keys_in(self, index: IndexName, start: IndexKey, stop: IndexKey) -> Iterator[IndexKey]:
        """The keys of a range, in order, without looking at the documents."""
        if self.ordered(index) is not None:
            return (key for key, _ in self.merged(index, start, stop, (True, False), False))
        return self.tables.table(index.table).index(index.index).scan(start, stop)

    def merged(
        self, index: IndexName, start: IndexKey, stop: IndexKey | None, inclusive: tuple[bool, bool], reverse: bool
    ) -> Iterator[tuple[IndexKey, Version]]:
        """What a range holds, tables and overlay as one, in order."""
        entries = self.tables.table(index.table).index(index.index).entries
        base: Iterator[IndexKey] = entries.irange(start, stop, inclusive=inclusive, reverse=reverse)
        over = self.ordered(index)
        if over is None:
            for key in base:
                yield key, entries[key]
            return
        staged: Iterator[IndexKey] = over.irange(start, stop, inclusive=inclusive, reverse=reverse)
        for key in merge(base, staged, reverse):
            version = over[key] if key in over else entries[key]
            if version is not None:
                yield key, version

    def unstage(self, table: str, id: str) -> None:
        change = self.staged.pop((table, id), None)
        if change is None:
            return
        for name, old_key, new_key in change.keys:
            if old_key is not None:
                del self.keys[name][old_key]
            if new_key is not None and new_key != old_key:
                del self.keys[name][new_key]

    def check(self) -> None:
        for (table, id), change in self.staged.items():
            assert change.old is self.tables.get(table, id)
            for name, old_key, new_key in change.keys:
                if new_key is not None:
                    assert self.keys[name][new_key] is change.new
                elif old_key is not None:
                    assert self.keys[name][old_key] is None


def merge(left: Iterator[IndexKey], right: Iterator[IndexKey], reverse: bool) -> Iterator[IndexKey]:
    """Keys of both, in order, each once."""
    a, b = next(left, None), next(right, None)
    while a is not None and b is not None:
        if a == b:
            yield a
            a, b = next(left, None), next(right, None)
        elif (a < b) is not reverse:
            yield a
            a = next(left, None)
        else:
            yield b
            b = next(right, None)
    if a is not None:
        yield a
        yield from left
    if b is not None:
        yield b
        yield from right
