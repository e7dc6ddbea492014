"""The log writer: entries are queued, taken as a batch, and written with one write and one fsync.

    main thread     queue(entry) ... queue(entry)     take() ──> batch              durable moved on
    worker thread                                         write(batch): frames, fsync, mark

While one batch is in fsync the next one gathers in the queue.  ``queue``, ``take`` and ``withdraw``
never touch a file; ``write`` does nothing else and may run in another thread.

Invariants
    * LSNs are dense, timestamps grow, each entry names the hash of the one before it.
    * ``durable`` moves only after an fsync, and is in every later frame as proof that it did.
    * A batch is on disk as a whole or, after an error that the process survives, not at all.
    * After a failed fsync nothing is written any more: the pages may be gone, so that trying again
      would acknowledge what is lost.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import Final

from attrs import Factory, define, frozen

from .encoding import entry_hash
from .entry import LSN, Entry, Timestamp
from .errors import DiskFull, SyncFailed
from .frame import PAYLOAD_BYTES_MAX, entry_frame, frame_bytes, mark_frame
from .segment import HEADER_BYTES, Segment, SegmentHeader
from .sites import QUIET, Sites
from .storage import Storage

SEGMENT_BYTES_MAX: Final = 16 * 2**20
"""A segment with entries does not grow beyond this; one batch alone may be longer."""
BATCH_BYTES_MAX: Final = 8 * 2**20
"""A batch holds no more, unless a single entry does."""

_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


@frozen
class Head:
    """A position in the chain: the last entry, its time and its hash."""

    lsn: LSN
    ts: Timestamp
    hash: bytes


@define(eq=False)
class Batch:
    """Consecutive entries that become durable together."""

    first: LSN
    prev: bytes
    """Hash of the entry before the first."""
    last: Head
    payloads: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.payloads)


@define(eq=False)
class LogWriter:
    """The one writer of a log.  ``Log.open`` makes it, after recovery."""

    _storage: Storage
    deployment: bytes
    segments: list[Segment]
    """Oldest first; the last one grows.  Readers look at it, too."""
    _safe: Head
    """As far as the disk has confirmed."""
    _is_marked: bool
    """The end of the files says that it has."""
    segment_bytes_max: int = SEGMENT_BYTES_MAX
    batch_bytes_max: int = BATCH_BYTES_MAX
    _head: Head = Factory(lambda self: self._safe, takes_self=True)
    """As far as entries were queued."""
    _queued: deque[tuple[Head, bytes, bytes]] = Factory(deque[tuple[Head, bytes, bytes]])
    """Head after each entry, hash before it, encoding."""
    _queued_bytes: int = 0
    _taken: Batch | None = None
    _is_writing: bool = False
    _failed: SyncFailed | None = None
    sites: Sites = QUIET

    @property
    def durable(self) -> LSN:
        """The disk has confirmed every entry up to this one."""
        return self._safe.lsn

    @property
    def last_lsn(self) -> LSN:
        """The last entry queued; 0 if there is none."""
        return self._head.lsn

    @property
    def last_ts(self) -> Timestamp:
        """Its time; 0 if there is none."""
        return self._head.ts

    @property
    def last_hash(self) -> bytes:
        """Its hash, which the next entry must name as ``prev``."""
        return self._head.hash

    @property
    def queued_bytes(self) -> int:
        """How much waits to be taken.  Whoever queues should stop while this is large."""
        return self._queued_bytes

    def has_room(self, size: int) -> bool:
        """Whether the disk will take so many bytes beyond what is queued, as far as it can tell beforehand."""
        free = self._storage.free()
        return free is None or free >= self._queued_bytes + size

    @property
    def is_idle(self) -> bool:
        """Nothing waits and nothing is being written."""
        return self._taken is None and not self._queued

    def queue(self, entry: Entry, encoded: bytes) -> bytes:
        """Put an entry behind the others; returns its hash.  Raises ``SyncFailed`` after a failure."""
        if self._failed is not None:
            raise self._failed
        head = self._head
        assert entry.lsn == head.lsn + 1, (entry.lsn, head.lsn)  # No holes.
        assert entry.ts > head.ts, (entry.ts, head.ts)
        assert entry.prev == head.hash, "the entry does not continue the chain"
        assert len(encoded) <= PAYLOAD_BYTES_MAX, len(encoded)
        digest = entry_hash(encoded)
        self._head = Head(entry.lsn, entry.ts, digest)
        self._queued.append((self._head, entry.prev, encoded))
        self._queued_bytes += len(encoded)
        return digest

    def take(self) -> Batch | None:
        """The next batch to write, or None.  One batch at a time: the last one must be written."""
        if self._failed is not None:
            raise self._failed
        assert self._taken is None, "one batch at a time"
        if not self._queued:
            return None
        last, prev, payload = self._queued.popleft()
        first, payloads, size = last.lsn, [payload], len(payload)
        limit = 0 if self._queued and self.sites.buggify("a batch of one entry") else self.batch_bytes_max
        while self._queued and size + len(self._queued[0][2]) <= limit:
            last, _, payload = self._queued.popleft()
            payloads.append(payload)
            size += len(payload)
        self._queued_bytes -= size
        self._taken = Batch(first, prev, last, tuple(payloads))
        return self._taken

    def write(self, batch: Batch) -> LSN:
        """Make a batch durable; blocks, for a worker thread.  Returns the durable LSN.

        Raises ``DiskFull``: nothing of it is on disk; write it again, or ``withdraw``.
        Raises ``SyncFailed``: nothing is known; stop the process.
        """
        if self._failed is not None:
            raise self._failed
        assert batch is self._taken, "write what was taken last"
        assert batch.first == self.durable + 1, (batch.first, self.durable)
        self._is_writing = True
        try:
            self._append(self._segment_for(batch), batch)
            self._safe, self._is_marked = batch.last, False
            if not self.sites.buggify("a batch is not marked"):
                self.mark()
            self._taken = None
        finally:
            self._is_writing = False
        return self.durable

    def withdraw(self) -> LSN:
        """Forget every entry that is not durable, after ``DiskFull``; returns the last one that is.

        The next entry queued follows that one.  Not while ``write`` runs.
        """
        if self._failed is not None:
            raise self._failed
        assert not self._is_writing, "a batch is being written"
        self._taken = None
        self._queued.clear()
        self._queued_bytes = 0
        self._head = self._safe
        return self.durable

    def mark(self) -> None:
        """Write down what is durable, without an fsync: the next one makes it so."""
        segment = self.segments[-1]
        if self._is_marked:
            return
        data = mark_frame(self.durable, segment.salt)
        try:
            self._storage.write(segment.name, segment.length, data)
        except OSError as error:
            # The entries are durable whatever happens to their mark, so whoever wrote them gets
            # that answer; only what comes later can fail.
            if error.errno in _NO_SPACE:
                self._drop_mark(segment)
            else:
                self._fail(segment.name, error)
            return
        segment.length += len(data)
        self._is_marked = True

    def start_segment(self, header: SegmentHeader) -> None:
        """A new last segment.  Its header and its name are durable before it is used.

        Raises ``DiskFull``, and then there is no such file, or ``SyncFailed``.
        """
        segment = Segment.of(header)
        try:
            self._storage.create(segment.name)
            self._storage.write(segment.name, 0, header.encode())
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise self._fail(segment.name, error) from error
            self._remove(segment.name)
            raise DiskFull(segment.name, header.first, LSN(header.first - 1)) from None
        self._sync(segment.name)
        self._sync_folder()
        self.segments.append(segment)
        self._is_marked = True  # Its header proves everything before it.

    def seal(self) -> None:
        """Let the next entry begin a new segment, so that no entry is in one that grows.

        Nothing may be queued or being written.  Raises ``DiskFull``, ``SyncFailed``.
        """
        assert self.is_idle, "there are entries on their way"
        segment = self.segments[-1]
        if self.durable >= segment.header.first:
            self._sync(segment.name)
            self.start_segment(SegmentHeader(LSN(self.durable + 1), self.deployment, self._safe.hash))

    def close(self) -> None:
        """Leave a durable mark, so that rot of the last entry cannot pass for a torn write.

        Entries that are not durable yet are forgotten.  Raises ``SyncFailed``.
        """
        if self._failed is None:
            self.withdraw()
            self.mark()
            self._sync(self.segments[-1].name)

    def _segment_for(self, batch: Batch) -> Segment:
        """The last segment, or a new one if the batch does not fit."""
        segment = self.segments[-1]
        size = sum(frame_bytes(len(payload)) for payload in batch.payloads) + frame_bytes(0)
        if segment.length == HEADER_BYTES:
            return segment
        fits = segment.length + size <= self.segment_bytes_max
        if fits and not self.sites.buggify("a segment is sealed early"):
            return segment
        self.sites.probe("a segment is sealed")
        # Its last mark too: a file that is not the last must be whole.
        self._sync(segment.name)
        try:
            self.start_segment(SegmentHeader(batch.first, self.deployment, batch.prev))
        except DiskFull as error:
            raise DiskFull(error.file, batch.first, batch.last.lsn) from None
        return self.segments[-1]

    def _frames(self, segment: Segment, batch: Batch) -> tuple[bytes, list[int]]:
        durable, salt, offset = self.durable, segment.salt, segment.length
        frames, offsets = [], []
        for lsn, payload in enumerate(batch.payloads, batch.first):
            frame = entry_frame(payload, LSN(lsn), durable, salt)
            frames.append(frame)
            offsets.append(offset)
            offset += len(frame)
        return b"".join(frames), offsets

    def _append(self, segment: Segment, batch: Batch) -> None:
        """Frames and fsync.  What readers see of the segment grows only after that."""
        data, offsets = self._frames(segment, batch)
        before = segment.length
        try:
            self._storage.write(segment.name, before, data)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise self._fail(segment.name, error) from error
            self._take_back(segment.name, before)
            raise DiskFull(segment.name, batch.first, batch.last.lsn) from None
        self._sync(segment.name)
        segment.length = before + len(data)
        for lsn, offset in enumerate(offsets, batch.first):
            segment.note(LSN(lsn), offset)

    def _take_back(self, name: str, length: int) -> None:
        """Cut off what a failed write left.  Durably: it was reported as not written."""
        try:
            self._storage.truncate(name, length)
            self._storage.sync(name)
        except OSError as error:
            raise self._fail(name, error) from error

    def _drop_mark(self, segment: Segment) -> None:
        # No fsync: half a mark proves nothing and hides nothing, should a crash bring it back.
        try:
            self._storage.truncate(segment.name, segment.length)
        except OSError as error:
            self._fail(segment.name, error)

    def _remove(self, name: str) -> None:
        try:
            if name in self._storage.names():
                self._storage.remove(name)
        except OSError as error:
            raise self._fail(name, error) from error
        self._sync_folder()

    def _sync(self, name: str) -> None:
        try:
            self._storage.sync(name)
        except OSError as error:
            # No space counts as well: how much of the data is there, nobody knows.
            raise self._fail(name, error) from error

    def _sync_folder(self) -> None:
        try:
            self._storage.sync_folder()
        except OSError as error:
            raise self._fail("the folder", error) from error

    def _fail(self, name: str, error: OSError) -> SyncFailed:
        self._failed = SyncFailed(name, self.durable, error.strerror or str(error))
        return self._failed
