"""Reading a log beside its writer: without a lock, and without reading all of it first.

What is shown may be so new that the disk has not confirmed it.  Whether the log is whole is the
question of `relive log verify`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen

from ..log.entry import BEFORE_FIRST, LSN, NO_TIME
from ..log.errors import Damaged, Malformed, NoLog
from ..log.frame import EntryFrame
from ..log.reader import LogReader
from ..log.segment import HEADER_BYTES, FrameScan, Segment, SegmentHeader, decode_header, first_lsn, segment_names
from ..log.storage import FolderStorage


@frozen
class OpenLog:
    reader: LogReader
    last: LSN
    """The last entry that can be read; 0 if there is none."""
    problem: str
    """What stands behind it: an unfinished write, or damage.  Empty if nothing does."""


@contextmanager
def named_in_full(storage: FolderStorage) -> Iterator[None]:
    """Damage is told with the whole path of the file."""
    try:
        yield
    except Damaged as error:
        error.file = str(storage.folder / error.file)
        raise


def open_log(storage: FolderStorage) -> OpenLog:
    """Raises NoLog, Damaged."""
    segments = [Segment.of(header) for header in headers_of(storage)]
    last, problem = end_of(storage, segments[-1]) if segments else (BEFORE_FIRST, "")
    return OpenLog(LogReader(storage, segments, lambda: last), last, problem)


def headers_of(storage: FolderStorage) -> list[SegmentHeader]:
    names = segment_names(storage)
    if not names:
        raise NoLog(str(storage))
    headers = []
    for name in names:
        try:
            headers.append(decode_header(storage.read(name, 0, HEADER_BYTES)))
        except Malformed as error:
            if name != names[-1]:  # The last one may be about to be written.
                raise Damaged(name, 0, first_lsn(name), NO_TIME, error.problem) from None
    return headers


def end_of(storage: FolderStorage, segment: Segment) -> tuple[LSN, str]:
    """The last entry of a segment, and why there is none behind it."""
    last = LSN(segment.header.first - 1)
    scan = FrameScan(storage, segment.name, segment.salt)
    for frame in scan:
        if isinstance(frame, EntryFrame):
            segment.note(frame.lsn, frame.offset)
            last = frame.lsn
    return last, scan.problem
