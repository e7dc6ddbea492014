"""Reading an index in order: the tables' keys and the overlay's, merged, and what was consumed.

Invariant: `read_range` covers every key whose presence or absence the reader could have noticed,
and nothing else.  An early stop records only up to the last key consumed.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define

from ...actors.version import Version
from ...log.entry import IndexKey, IndexName, KeyRange
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
        return self.overlay.merged(self.index, start, stop, (include_start, False), self.reverse)

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
