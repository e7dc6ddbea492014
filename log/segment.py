"""Segment files: a header, then frames one after another; the last file is the one that grows.

    magic 8 | format 4 | checksum 4 | first lsn 8 | deployment 16 | hash of the entry before it 32

A file is named by the first LSN it holds.  Its checksum is the salt of its frames.  Format 1 is a segment
as it was written; format 2, of which the upper 16 bits count, one that compaction has put in the place of
another: nobody takes the frames of one for those of the other.

Invariants
    * A header is durable, and its name in the folder too, before the first frame is written.
    * A segment exists only if everything in the segments before it is durable: a file that is not
      the last is whole to its last byte.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from struct import Struct
from typing import Final
from zlib import crc32

from attrs import Factory, define, frozen

from .entry import HASH_BYTES, LSN
from .errors import Malformed
from .frame import EntryFrame, Mark, read_body, read_head
from .storage import Storage

MAGIC: Final = b"\x89relive\n"
FORMAT: Final = 1
FORMAT_REDUCED: Final = 2
GENERATION_MAX: Final = 2**16 - 1
_GENERATION_BITS: Final = 16
DEPLOYMENT_BYTES: Final = 16
HEADER: Final = Struct("<8sIIQ16s32s")
HEADER_BYTES: Final = HEADER.size

POSITION_EVERY_BYTES: Final = 64 * 2**10
SCAN_BYTES: Final = 512 * 2**10
"""How much is read at once when a segment is read from end to end."""

_SUFFIX: Final = ".log"
_NAME_DIGITS: Final = 20


def segment_name(first: LSN) -> str:
    return f"{first:0{_NAME_DIGITS}}{_SUFFIX}"


def segment_names(storage: Storage) -> tuple[str, ...]:
    """The names of all segment files, oldest first.  Other files in the folder are not ours."""
    return tuple(sorted(name for name in storage.names() if _is_segment_name(name)))


def first_lsn(name: str) -> LSN:
    assert _is_segment_name(name), name
    return LSN(int(name.removesuffix(_SUFFIX)))


def _is_segment_name(name: str) -> bool:
    digits = name.removesuffix(_SUFFIX)
    return name.endswith(_SUFFIX) and len(digits) == _NAME_DIGITS and digits.isascii() and digits.isdigit()


@frozen
class SegmentHeader:
    """What a segment says about itself."""

    first: LSN
    deployment: bytes
    """Which log this is part of; made up when the log was created; 16 bytes."""
    prev: bytes
    """Hash of the last entry before this segment."""
    generation: int = 0
    """How often compaction has written it anew."""

    def __attrs_post_init__(self) -> None:
        assert len(self.deployment) == DEPLOYMENT_BYTES, len(self.deployment)
        assert len(self.prev) == HASH_BYTES, len(self.prev)
        assert 0 <= self.generation <= GENERATION_MAX, self.generation

    @property
    def format(self) -> int:
        return FORMAT if not self.generation else FORMAT_REDUCED | self.generation << _GENERATION_BITS

    @property
    def salt(self) -> int:
        """The header's checksum, with which the checksums of its frames begin."""
        return _checksum(HEADER.pack(MAGIC, self.format, 0, self.first, self.deployment, self.prev))

    def encode(self) -> bytes:
        return HEADER.pack(MAGIC, self.format, self.salt, self.first, self.deployment, self.prev)


def format_of(data: bytes) -> int | None:
    """The format version that the first bytes of a file name, or None if it is not a segment."""
    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + 4:
        return None
    return int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "little")


def decode_header(data: bytes) -> SegmentHeader:
    """The header in the first bytes of a segment.  Raises ``Malformed``."""
    version = format_of(data)
    if version is None:
        raise Malformed("no segment header")
    generation = version >> _GENERATION_BITS
    if version != FORMAT and (version & 0xFFFF != FORMAT_REDUCED or not generation):
        raise Malformed(f"format {version}, but this relive reads format {FORMAT}: use the one that wrote it")
    if len(data) < HEADER_BYTES:
        raise Malformed("the segment header is cut short")
    _, _, checksum, first, deployment, prev = HEADER.unpack_from(data)
    if checksum != _checksum(data[:HEADER_BYTES]):
        raise Malformed("wrong checksum of the segment header")
    return SegmentHeader(LSN(first), deployment, prev, generation)


def _checksum(header: bytes) -> int:
    return crc32(header[16:], crc32(header[:12]))


@define(eq=False)
class Segment:
    """One segment as the writer and the reader know it.

    The writer alone changes it, in its thread, while readers look: lengths and positions only grow
    by what is complete, except where the writer takes back what was never durable.
    """

    name: str
    header: SegmentHeader
    salt: int
    length: int = HEADER_BYTES
    """Bytes up to the end of the last good frame."""
    _lsns: array[int] = Factory(lambda: array("Q"))
    _offsets: array[int] = Factory(lambda: array("Q"))

    @classmethod
    def of(cls, header: SegmentHeader) -> Segment:
        return cls(segment_name(header.first), header, header.salt)

    def renew(self, storage: Storage) -> bool:
        """Look whether compaction has put another file in the place of this one; True if it has.

        Raises ``Malformed``, ``OSError``.
        """
        header = decode_header(storage.read(self.name, 0, HEADER_BYTES))
        if header == self.header:
            return False
        # Positions first: none of the old file may be used with the new one.
        self._lsns, self._offsets = array("Q"), array("Q")
        self.header, self.salt, self.length = header, header.salt, storage.size(self.name)
        return True

    def note(self, lsn: LSN, offset: int) -> None:
        """Remember where ``lsn`` is, if that is far enough from the last one remembered."""
        if not self._offsets or offset - self._offsets[-1] >= POSITION_EVERY_BYTES:
            # In this order: a reader in another thread bisects LSNs, then looks up the offset.
            self._offsets.append(offset)
            self._lsns.append(lsn)

    def offset_before(self, lsn: LSN) -> int:
        """Where some frame at or before ``lsn`` begins."""
        index = bisect_right(self._lsns, lsn)
        return self._offsets[index - 1] if index else HEADER_BYTES


@define(eq=False)
class FrameScan:
    """Iterates over the good frames of one segment, from ``offset`` up to the first bad one.

    After the iteration ``offset`` is where it stopped, and ``problem`` says why; it is empty at a
    clean end.  Iterating again looks at the file again.
    """

    _storage: Storage
    _name: str
    _salt: int
    offset: int = HEADER_BYTES
    _read_bytes: int = SCAN_BYTES
    problem: str = ""

    def __iter__(self) -> Iterator[EntryFrame | Mark]:
        salt, self.problem = self._salt, ""
        base, buffer = self.offset, b""
        while True:
            offset = self.offset
            at = offset - base
            head = read_head(buffer, at, salt)
            whole = head.frame_bytes if head is not None else 0
            if head is None or len(buffer) - at < whole:
                # Perhaps only the buffer ended: judge the frame again with all of it in hand.
                wanted = max(self._read_bytes, whole)
                base, at, buffer = offset, 0, self._storage.read(self._name, offset, wanted)
                if not buffer:
                    return
                head = read_head(buffer, 0, salt)
                if head is None:
                    self.problem = "there is no frame where one should begin"
                    return
                whole = head.frame_bytes
                if len(buffer) < whole:
                    if len(buffer) == wanted:
                        continue
                    self.problem = "the frame is cut short"
                    return
            payload = read_body(buffer, at, at + whole, head, salt)
            if payload is None:
                self.problem = "the checksum of the frame is wrong"
                return
            self.offset = end = offset + whole
            if head.is_mark:
                yield Mark(offset, end, head.lsn)
            else:
                yield head.frame(offset, end, payload)


def read_whole(storage: Storage, name: str, offset: int) -> bytes:
    """Everything in a file from ``offset`` on."""
    parts = []
    while part := storage.read(name, offset, SCAN_BYTES):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)
