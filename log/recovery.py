"""Recovery: read the log from end to end, and tell a torn tail from damage.

A *torn tail* is what a crash leaves of a batch that was never acknowledged: from the first invalid
frame on, nothing counts.  It may hold valid frames behind the invalid one, because the pages of one
batch reach the disk in any order.  Anything else that is wrong is *damage*, and refused:

    * an invalid frame, where a later frame or mark, or a later segment, proves that the disk had
      confirmed its entry;
    * a missing segment or entry, a broken chain of hashes, a foreign log, an unknown format.

What cannot be told apart: rot in the very last batch, in the moment before its mark is durable (the
next batch or a clean close makes it so).

``recover`` only reads, so it also serves to look at a log that another process is writing.  ``mend``
then changes what must be changed before the first append.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import Factory, define, frozen

from .checkpoint import Checkpoint
from .encoding import decode
from .entry import BEFORE_FIRST, LSN, NO_HASH, NO_TIME, Entry, Timestamp
from .errors import Damaged, Malformed, SyncFailed
from .frame import EntryFrame, Mark, durable_claimed
from .segment import (
    FORMAT,
    HEADER_BYTES,
    FrameScan,
    Segment,
    SegmentHeader,
    decode_header,
    first_lsn,
    format_of,
    read_whole,
    segment_name,
    segment_names,
)
from .storage import Storage

PROGRESS_EVERY_BYTES: Final = 4 * 2**20

OnEntry = Callable[[Entry], None]
OnProgress = Callable[[int, int], None]
"""Called with the bytes done and the bytes there are."""


@frozen
class Torn:
    """What a crash left of entries that were never acknowledged."""

    file: str
    offset: int
    """Where it begins; 0 if the file has not even a header."""
    length: int
    """Bytes lost."""
    lsn: LSN
    """The entry that would have been here."""
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.length} unacknowledged bytes from {self.offset} on ({self.problem})"


@frozen
class Recovered:
    """What the files hold."""

    last_lsn: LSN
    last_ts: Timestamp
    last_hash: bytes
    segments: tuple[Segment, ...]
    """Oldest first, without one that a crash left unfinished; none in a new log."""
    torn: Torn | None
    unproven: int
    """Where in the last segment that begins of which nothing proves that the disk has it."""
    is_marked: bool
    """The end of the files proves that their last entry is durable."""
    size: int
    """Bytes of all that is good."""


def recover(
    storage: Storage,
    on_entry: OnEntry,
    on_progress: OnProgress | None = None,
    *,
    after: Checkpoint | None = None,
    sealed_only: bool = False,
) -> Recovered:
    """Read every entry, oldest first.  Changes nothing.  Raises ``Damaged``.

    ``on_entry`` sees entries in order, each valid and in its place; if ``Damaged`` is raised after
    that, throw away what was built from them.  ``after`` skips the segments that a checkpoint covers,
    which must fit this log (`CheckpointFile.check_fits`).  ``sealed_only`` leaves out the last segment,
    which another process may be writing.
    """
    names = segment_names(storage)[: -1 if sealed_only else None]
    recovery = _Recovery(storage, on_entry, on_progress)
    if on_progress is not None:
        recovery.bytes_total = sum(storage.size(name) for name in names)
    torn = None
    if after is not None:
        recovery.skip(after)
    for name in names[len(recovery.segments) :]:
        assert torn is None, "only the last segment may be torn"
        torn = recovery.read(name, is_last=name == names[-1] and not sealed_only)
    recovery.report(0, at_end=True)
    return Recovered(
        recovery.last_lsn,
        recovery.last_ts,
        recovery.last_hash,
        tuple(recovery.segments),
        torn,
        recovery.unproven,
        recovery.is_marked,
        recovery.bytes_done,
    )


def mend(storage: Storage, recovered: Recovered) -> None:
    """Cut the torn tail and make everything before it durable.  Raises ``SyncFailed``.

    Both before the first append: frames written over an unsynced cut could come to stand among what
    was cut, and what was only read from the page cache must not be built upon.
    """
    torn = recovered.torn
    file = torn.file if torn is not None else "the folder"
    try:
        if torn is not None and torn.offset == 0:
            storage.remove(torn.file)
        elif torn is not None:
            storage.truncate(torn.file, torn.offset)
        storage.sync_folder()
        if recovered.segments:
            file = recovered.segments[-1].name
            # If an fsync failed in the last run, these pages count as clean and are not on disk: an
            # fsync alone would write nothing.  Written again, they are dirty again.
            if unproven := read_whole(storage, file, recovered.unproven):
                storage.write(file, recovered.unproven, unproven)
            storage.sync(file)
    except OSError as error:
        raise SyncFailed(file, recovered.last_lsn, error.strerror or str(error)) from error


@define(eq=False)
class _Recovery:
    storage: Storage
    on_entry: OnEntry
    on_progress: OnProgress | None
    last_lsn: LSN = BEFORE_FIRST
    last_ts: Timestamp = NO_TIME
    last_hash: bytes = NO_HASH
    segments: list[Segment] = Factory(list)
    end: int = HEADER_BYTES
    """Of the last entry of the segment."""
    unproven: int = HEADER_BYTES
    is_marked: bool = False
    bytes_done: int = 0
    """Of the segments that were read to their end."""
    bytes_total: int = 0
    bytes_reported: int = 0

    def read(self, name: str, is_last: bool) -> Torn | None:
        """One segment.  Raises ``Damaged``."""
        self.check_no_hole(name)
        header = self.header(name, is_last)
        if isinstance(header, Torn):
            return header
        segment = Segment.of(header)
        self.segments.append(segment)
        # That this segment exists proves all entries before it.
        self.end, self.unproven, self.is_marked = HEADER_BYTES, HEADER_BYTES, True
        scan = FrameScan(self.storage, name, segment.salt)
        seen_again = -1
        while True:
            for frame in scan:
                if isinstance(frame, EntryFrame):
                    self.entry(segment, frame)
                else:
                    self.mark(segment, frame)
            segment.length = scan.offset
            torn = self.torn(segment, scan)
            if torn is None or self.is_unacknowledged(segment, scan, is_last):
                self.bytes_done += segment.length
                return torn
            # If another process writes, it may have finished this frame after we read it and before
            # we read the proof.  Then the frame is good by now.
            if scan.offset == seen_again:
                raise self.damaged(name, scan.offset, f"{scan.problem}, but the entry was acknowledged")
            seen_again = scan.offset

    def skip(self, checkpoint: Checkpoint) -> None:
        """Go on after what a checkpoint covers; of its segments only the headers are read."""
        for first, length in checkpoint.segments:
            name = segment_name(first)
            header = self.header_of_sealed(name)
            if header.deployment != checkpoint.deployment:
                raise self.damaged(name, 0, f"it is part of another log, {header.deployment.hex()}")
            segment = Segment.of(header)
            segment.length = self.storage.size(name) if header.generation else length
            self.segments.append(segment)
            self.bytes_done += segment.length
        self.last_lsn, self.last_ts, self.last_hash = checkpoint.lsn, checkpoint.ts, checkpoint.hash

    def header_of_sealed(self, name: str) -> SegmentHeader:
        try:
            header = decode_header(self.storage.read(name, 0, HEADER_BYTES))
        except Malformed as error:
            raise self.damaged(name, 0, error.problem) from None
        if header.first != first_lsn(name):
            raise self.damaged(name, 0, f"the file was renamed: it begins with entry {header.first}")
        return header

    def check_no_hole(self, name: str) -> None:
        first, expected = first_lsn(name), self.last_lsn + 1
        if first > expected:
            problem = f"entries {expected} to {first - 1} are missing, and so is their segment file"
            raise self.damaged(name, 0, problem)
        if first < expected:
            raise self.damaged(name, 0, f"the segment before it already holds entry {first}")

    def header(self, name: str, is_last: bool) -> SegmentHeader | Torn:
        # In this order: a file that is longer than a header has a durable one.
        size = self.storage.size(name)
        data = self.storage.read(name, 0, HEADER_BYTES)
        try:
            header = decode_header(data)
        except Malformed as error:
            if is_last and size <= HEADER_BYTES and format_of(data) in (None, FORMAT):
                return Torn(name, 0, size, LSN(self.last_lsn + 1), error.problem)
            raise self.damaged(name, 0, error.problem) from None
        if header.first != first_lsn(name):
            raise self.damaged(name, 0, f"the file was renamed: it begins with entry {header.first}")
        if self.segments and header.deployment != self.segments[0].header.deployment:
            raise self.damaged(name, 0, f"it is part of another log, {header.deployment.hex()}")
        if header.prev != self.last_hash:
            raise self.damaged(name, 0, f"it does not follow entry {self.last_lsn}: the hash differs")
        return header

    def entry(self, segment: Segment, frame: EntryFrame) -> None:
        expected = self.last_lsn + 1
        if frame.lsn != expected:
            raise self.damaged(segment.name, frame.offset, f"entry {frame.lsn} is here instead")
        try:
            entry = decode(frame.payload)
        except Malformed as error:
            raise self.damaged(segment.name, frame.offset, error.problem) from None
        if entry.lsn != expected:
            raise self.damaged(segment.name, frame.offset, f"the frame holds entry {entry.lsn}")
        if entry.prev != self.last_hash:
            raise self.damaged(segment.name, frame.offset, "the chain of hashes is broken here")
        if entry.ts <= self.last_ts:
            raise self.damaged(segment.name, frame.offset, f"its time {entry.ts} ns is not later")
        segment.note(entry.lsn, frame.offset)
        if frame.durable == self.last_lsn:
            # Proves the entry before it, not the mark between the two.
            self.unproven = self.end
        self.end, self.is_marked = frame.end, False
        self.last_lsn, self.last_ts, self.last_hash = entry.lsn, entry.ts, frame.hash
        self.on_entry(entry)
        self.report(frame.end)

    def mark(self, segment: Segment, mark: Mark) -> None:
        if mark.lsn != self.last_lsn:
            raise self.damaged(segment.name, mark.offset, f"a mark of entry {mark.lsn} is here")
        self.unproven, self.is_marked = self.end, True

    def torn(self, segment: Segment, scan: FrameScan) -> Torn | None:
        if not scan.problem:
            return None
        length = max(0, self.storage.size(segment.name) - scan.offset)
        return Torn(segment.name, scan.offset, length, LSN(self.last_lsn + 1), scan.problem)

    def is_unacknowledged(self, segment: Segment, scan: FrameScan, is_last: bool) -> bool:
        """Does nothing prove that the disk had confirmed the entry at the invalid frame?"""
        if not is_last:
            return False
        rest = read_whole(self.storage, segment.name, scan.offset)
        return durable_claimed(rest, segment.salt) <= self.last_lsn

    def damaged(self, name: str, offset: int, problem: str) -> Damaged:
        return Damaged(name, offset, LSN(self.last_lsn + 1), self.last_ts, problem)

    def report(self, offset: int, at_end: bool = False) -> None:
        """Tell how far we are, now and then."""
        done = self.bytes_done + offset
        if self.on_progress is not None and (at_end or done - self.bytes_reported >= PROGRESS_EVERY_BYTES):
            self.bytes_reported = done
            self.on_progress(done, max(done, self.bytes_total))
