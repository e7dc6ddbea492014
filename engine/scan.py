"""Reading an index in order: the tables' keys and the overlay's, merged, and what was consumed.

Invariant: `read_range` covers every key whose presence or absence the reader could have noticed,
and nothing else.  An early stop records only up to the last key consumed.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define

from ..actors.version import Version
from ..log.entry import IndexKey, IndexName, KeyRange
from .overlay import Overlay
from .usage import Usage


@define(eq=False)
class Scan:
    overlay: Overlay
    usage: Usage
    index: IndexName
    start: IndexKey
    stop: IndexKey | None
    reverse: bool
    last: IndexKey | None = None
    """The last key consumed."""
    exhausted: bool = False

    def __iter__(self) -> Iterator[Version]:
        """Versions in the order of their keys.  Writes made in the meantime are seen."""
        self.usage.ranged(len(self.start) + len(self.stop or b""))
        if self.stop is not None and self.start >= self.stop:
            self.exhausted = True
            return
        while not self.exhausted:
            generation = self.overlay.generation
            for key, version in self.merged():
                self.last = key
                self.usage.read(version.size)
                yield version
                if self.overlay.generation != generation:
                    break  # Something was written meanwhile: go on from `last` in what is there now.
            else:
                self.exhausted = True

    def merged(self) -> Iterator[tuple[IndexKey, Version]]:
        """What lies beyond `last`, tables and overlay as one."""
        start, stop, include_start = self.start, self.stop, True
        if self.last is not None and self.reverse:
            stop = self.last
        elif self.last is not None:
            start, include_start = self.last, False
        entries = self.overlay.tables.table(self.index.table).indexes[self.index.index].entries
        options = {"inclusive": (include_start, False), "reverse": self.reverse}
        base: Iterator[IndexKey] = entries.irange(start, stop, **options)
        over = self.overlay.ordered(self.index)
        if over is None:
            for key in base:
                yield key, entries[key]
            return
        staged: Iterator[IndexKey] = over.irange(start, stop, **options)
        for key in merge(base, staged, self.reverse):
            version = over[key] if key in over else entries[key]
            if version is not None:
                yield key, version

    def read_range(self) -> KeyRange | None:
        """The range to record; None if nothing was looked at."""
        start, stop = self.start, self.stop
        if not self.exhausted:
            if self.last is None:
                return None
            if self.reverse:
                start = self.last
            else:
                stop = self.last + b"\0"
        if stop is not None and start >= stop:
            return None
        return KeyRange(self.index, start, stop)


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
