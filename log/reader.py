"""The log reader: durable entries from any LSN on, by cursor.

It never sees an entry that the disk has not confirmed, so it can read while the writer writes.  A
place is found through sparse positions, one for each 64 KiB, and a short scan from there.  If compaction
has put another file in the place of one meanwhile, it goes on in that one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import islice

from attrs import define

from .encoding import decode, decode_checked
from .entry import FIRST_LSN, LSN, NO_TIME, Entry
from .errors import Damaged, Malformed, NoSuchEntry
from .frame import EntryFrame
from .segment import POSITION_EVERY_BYTES, SCAN_BYTES, FrameScan, Segment
from .storage import Storage


@define(eq=False)
class LogReader:
    """Reads what the writer of the same log has made durable."""

    _storage: Storage
    _segments: list[Segment]
    """The writer's."""
    _durable: Callable[[], LSN]

    @property
    def storage(self) -> Storage:
        """Where the files are."""
        return self._storage

    @property
    def is_reduced(self) -> bool:
        """Whether compaction has dropped something of the log."""
        return any(segment.header.generation for segment in self._segments)

    def read(self, after: LSN, limit: int) -> tuple[Entry, ...]:
        """Up to ``limit`` entries that follow ``after``; none if there are none yet."""
        return tuple(islice(self.entries(LSN(after + 1)), limit))

    def entries(self, from_lsn: LSN, *, canonical: bool = True) -> Iterator[Entry]:
        """Every entry from ``from_lsn`` on, up to the last one durable when the iterator gets there.

        Without ``canonical`` it is taken for granted that each is encoded in the one way, which halves the cost.
        Raises ``NoSuchEntry`` below 1, ``Damaged`` where a file is no longer what was written.
        """
        for frame, segment in self._frames(from_lsn, SCAN_BYTES):
            yield self._decode(frame, segment, canonical=canonical)

    def encoded(self, from_lsn: LSN) -> Iterator[tuple[LSN, bytes]]:
        """As ``entries``, without decoding them."""
        for frame, _ in self._frames(from_lsn, SCAN_BYTES):
            yield frame.lsn, frame.payload

    def entry(self, lsn: LSN) -> Entry:
        """One entry.  Raises ``NoSuchEntry`` if it is not in the log, or not durable yet."""
        for frame, segment in self._frames(lsn, POSITION_EVERY_BYTES):
            return self._decode(frame, segment)
        raise NoSuchEntry(lsn, self._durable())

    def _frames(self, lsn: LSN, read_bytes: int) -> Iterator[tuple[EntryFrame, Segment]]:
        if lsn < FIRST_LSN:
            raise NoSuchEntry(lsn, self._durable())
        while lsn <= self._durable():
            segment = self._segments[bisect_right(self._segments, lsn, key=_first) - 1]
            scan = FrameScan(self._storage, segment.name, segment.salt, segment.offset_before(lsn), read_bytes)
            start = lsn
            for frame in scan:
                if not isinstance(frame, EntryFrame) or frame.lsn < lsn:
                    continue
                if frame.lsn > lsn:
                    if _renewed(self._storage, segment):
                        break
                    raise _damaged(segment, frame.offset, lsn, f"entry {frame.lsn} is here instead")
                if lsn > self._durable():
                    return
                yield frame, segment
                lsn = LSN(lsn + 1)
            # Ended early: at the segment's end, or at what was being written when it was read.
            if lsn == start and not _renewed(self._storage, segment):
                problem = scan.problem or "the file ends here"
                raise _damaged(segment, scan.offset, lsn, problem)

    def _decode(self, frame: EntryFrame, segment: Segment, *, canonical: bool = True) -> Entry:
        try:
            entry = decode(frame.payload) if canonical else decode_checked(frame.payload)
        except Malformed as error:
            raise _damaged(segment, frame.offset, frame.lsn, error.problem) from None
        if entry.lsn != frame.lsn:
            raise _damaged(segment, frame.offset, frame.lsn, f"the frame holds entry {entry.lsn}")
        return entry


def _renewed(storage: Storage, segment: Segment) -> bool:
    try:
        return segment.renew(storage)
    except (Malformed, FileNotFoundError):
        return False  # What was found is told already.


def _first(segment: Segment) -> LSN:
    return segment.header.first


def _damaged(segment: Segment, offset: int, lsn: LSN, problem: str) -> Damaged:
    return Damaged(segment.name, offset, lsn, NO_TIME, problem)
