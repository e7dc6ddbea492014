"""Copies of a log: every entry up to one that the disk has confirmed, in another folder.

    sealed segments     copied as they are, or shared
    the last one wanted cut behind its last entry, with a mark that says that this entry is durable

No lock is taken, so the log may be growing meanwhile: sealed segments do not change, and of the last one
only that counts of which a later frame or mark proves that it is durable.

Invariants
    * A copy is a log: byte for byte the entries of the other one, and the end is marked.
    * The file that may grow is never shared.
    * Files are copied oldest first, each is durable before the next: what a crash leaves is a shorter log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from attrs import Factory, define, frozen

from .encoding import decode
from .entry import BEFORE_FIRST, FIRST_LSN, LSN, NO_HASH, NO_TIME, Timestamp
from .errors import Damaged, Malformed, NoLog, NoSuchEntry
from .frame import EntryFrame, durable_claimed, mark_frame
from .recovery import OnProgress
from .segment import (
    FORMAT,
    HEADER_BYTES,
    FrameScan,
    SegmentHeader,
    decode_header,
    first_lsn,
    format_of,
    read_whole,
    segment_names,
)
from .storage import Storage

COPY_BYTES: Final = 2**20
"""Read and written at once."""

Share = Callable[[str], bool]
"""Lets the copy have the very file of that name, durably once the folder is synced; False if it cannot."""


@frozen
class Piece:
    """What of one segment file belongs to an extent."""

    name: str
    header: SegmentHeader
    length: int
    """Bytes from its beginning on."""
    is_sealed: bool
    """It is the whole file, which never changes any more."""


@frozen
class Extent:
    """Where all entries up to one that is durable are."""

    pieces: tuple[Piece, ...]
    """Oldest first, without a hole; only the last one is not sealed."""
    lsn: LSN
    """The last entry; 0 if there is none."""
    ts: Timestamp
    hash: bytes

    @property
    def deployment(self) -> bytes:
        """Which log this is; 16 bytes."""
        return self.pieces[0].header.deployment

    @property
    def mark(self) -> bytes:
        """What stands behind the last entry: that it is durable.  Nothing if the header says so already."""
        last = self.pieces[-1]
        return mark_frame(self.lsn, last.header.salt) if self.lsn >= last.header.first else b""

    @property
    def size(self) -> int:
        """Bytes, the mark included."""
        return sum(piece.length for piece in self.pieces) + len(self.mark)


def extent_of(storage: Storage, until: LSN | None = None) -> Extent:
    """Where the entries up to ``until`` are; None is the last one of which the files prove that it is durable.

    Only headers and the last segment wanted are read: what is in the others is for `verify` to find out.
    Raises ``NoLog``, ``NoSuchEntry`` if that one is not there or not durable, ``Damaged``.
    """
    headers = _headers(storage)
    if not headers:
        raise NoLog(str(storage))
    wanted = [name for name, header in headers.items() if until is None or header.first <= max(until, FIRST_LSN)]
    last = [*headers][-1]
    end = _End.of(storage, wanted[-1], headers[wanted[-1]], until, is_last=wanted[-1] == last)
    if end.entry is None and len(wanted) > 1:
        # Nothing is in it yet: the log ends with the segment before.
        wanted.pop()
        end = _End.of(storage, wanted[-1], headers[wanted[-1]], until, is_last=False)
    if until is not None and end.lsn != until:
        raise NoSuchEntry(until, end.lsn)
    sealed = [Piece(name, headers[name], storage.size(name), is_sealed=True) for name in wanted[:-1]]
    piece = Piece(wanted[-1], headers[wanted[-1]], end.offset, is_sealed=False)
    if end.entry is None:
        return Extent((piece,), BEFORE_FIRST, NO_TIME, NO_HASH)
    return Extent((*sealed, piece), end.lsn, decode(end.entry.payload).ts, end.entry.hash)


def copy_log(
    source: Storage,
    target: Storage,
    until: LSN | None = None,
    *,
    share: Share | None = None,
    on_progress: OnProgress | None = None,
) -> Extent:
    """Copy the entries up to ``until`` (None: all that are durable) into a folder without a log.

    The folder must exist; nobody else may use it.  ``share`` is tried for sealed segments before they are
    copied.  What it returns says what was copied, in terms of the source.
    Raises what `extent_of` raises, ``FileExistsError`` and every other ``OSError`` of the target.
    """
    extent = extent_of(source, until)
    if segment_names(target):
        raise FileExistsError(f"there is a log in {target} already")
    done = 0
    for piece in extent.pieces:
        if share is None or not piece.is_sealed or not share(piece.name):
            target.create(piece.name)
            at = 0
            for data in read_piece(source, piece):
                target.write(piece.name, at, data)
                at += len(data)
                if on_progress is not None:
                    on_progress(done + at, extent.size)
            if piece is extent.pieces[-1]:
                target.write(piece.name, at, extent.mark)
            target.sync(piece.name)
        target.sync_folder()
        done += piece.length
    if on_progress is not None:
        on_progress(extent.size, extent.size)
    return extent


def read_piece(source: Storage, piece: Piece, offset: int = 0) -> Iterator[bytes]:
    """The bytes of a piece from ``offset`` on.  Raises ``Damaged`` if the file has become shorter."""
    while offset < piece.length:
        data = source.read(piece.name, offset, min(COPY_BYTES, piece.length - offset))
        if not data:
            raise Damaged(piece.name, offset, piece.header.first, NO_TIME, "the file was cut while it was copied")
        yield data
        offset += len(data)


def _headers(storage: Storage) -> dict[str, SegmentHeader]:
    """What each segment says of itself, oldest first; without a last one that is not finished yet."""
    names, headers = segment_names(storage), dict[str, SegmentHeader]()
    deployment = b""
    for name in names:
        # In this order: a file that is longer than a header has a durable one.
        size, data = storage.size(name), storage.read(name, 0, HEADER_BYTES)
        try:
            header = decode_header(data)
        except Malformed as error:
            if name == names[-1] and size <= HEADER_BYTES and format_of(data) in (None, FORMAT):
                break
            raise Damaged(name, 0, first_lsn(name), NO_TIME, error.problem) from None
        if header.first != first_lsn(name):
            problem = f"the file was renamed: it begins with entry {header.first}"
            raise Damaged(name, 0, first_lsn(name), NO_TIME, problem)
        deployment = deployment or header.deployment
        if header.deployment != deployment:
            problem = f"it is part of another log, {header.deployment.hex()}"
            raise Damaged(name, 0, header.first, NO_TIME, problem)
        headers[name] = header
    return headers


@define(eq=False)
class _End:
    """Reads one segment up to the last entry that is wanted and proven to be durable."""

    lsn: LSN
    """Of that entry; if there is none, of the one before the segment."""
    entry: EntryFrame | None = None
    unproven: deque[EntryFrame] = Factory(deque[EntryFrame])
    """What was read behind it."""

    @classmethod
    def of(cls, storage: Storage, name: str, header: SegmentHeader, until: LSN | None, *, is_last: bool) -> _End:
        """Raises ``Damaged``."""
        end = cls(LSN(header.first - 1))
        scan = FrameScan(storage, name, header.salt)
        seen_again = -1
        while True:
            for frame in scan:
                if isinstance(frame, EntryFrame):
                    end.unproven.append(frame)
                    end.prove(frame.durable, until)
                else:
                    end.prove(frame.lsn, until)
                if end.lsn == until:
                    return end
            read = end.unproven[-1].lsn if end.unproven else end.lsn
            claimed = durable_claimed(read_whole(storage, name, scan.offset), header.salt)
            if is_last and claimed <= read:
                end.prove(claimed, until)
                return end
            if not is_last and not scan.problem:
                end.prove(read, until)  # That there is a segment behind this one proves all of it.
                return end
            # Its writer may have finished this frame after we read it and before we read the proof.
            if scan.offset == seen_again:
                problem = f"{scan.problem}, but the entry was acknowledged"
                raise Damaged(name, scan.offset, LSN(read + 1), NO_TIME, problem)
            seen_again = scan.offset

    @property
    def offset(self) -> int:
        """Behind the entry."""
        return self.entry.end if self.entry is not None else HEADER_BYTES

    def prove(self, durable: LSN, until: LSN | None) -> None:
        """Go on to the last entry that is durable and wanted."""
        while self.unproven and self.unproven[0].lsn <= durable and (until is None or self.lsn < until):
            self.entry = self.unproven.popleft()
            self.lsn = self.entry.lsn
