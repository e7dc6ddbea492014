"""Frames: what stands one after another in a segment file.

    magic 4 | header checksum 4 | payload checksum 4 | payload length 4 | lsn 8 | durable 8 | payload | zeros

Little-endian; a frame starts at a multiple of 8 and zeros fill it up to the next one.  Headers can be
found again behind damage, by their magic and checksum.  An *entry* frame holds an entry's encoding.
A *mark* frame is empty and says that the disk has confirmed all entries up to its LSN.

Invariants
    * ``durable`` was confirmed by the disk before the frame was written: ``durable < lsn`` in an
      entry frame, ``durable == lsn`` in a mark.  A header with a good checksum proves that much
      even where its payload is gone.
    * Checksums (CRC-32) begin with the segment's salt: a frame copied from another segment or
      another log, or forged inside a document, is not a frame here.
    * Every bit is under a checksum: the header's covers magic and payload checksum, the payload's
      covers the padding.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from .entry import BEFORE_FIRST, LSN

ALIGNMENT: Final = 8
HEADER: Final = Struct("<4sIIIQQ")
HEADER_BYTES: Final = HEADER.size
PAYLOAD_BYTES_MAX: Final = 256 * 2**20

_COVERED: Final = Struct("<IIQQ")
_COVERED_AT: Final = HEADER_BYTES - _COVERED.size
_ENTRY_MAGIC: Final = b"RLe\n"
_MARK_MAGIC: Final = b"RLm\n"
_PADDING: Final = tuple(bytes(-length % ALIGNMENT) for length in range(ALIGNMENT))


# Named tuples: one is made for each entry read, and they cost a fifth of a frozen class.
class EntryFrame(NamedTuple):
    offset: int
    """Where in its file the frame begins."""
    end: int
    """Where the next frame begins."""
    lsn: LSN
    durable: LSN
    payload: bytes


class Mark(NamedTuple):
    offset: int
    end: int
    lsn: LSN


class Head(NamedTuple):
    """A frame's header whose checksum is good."""

    is_mark: bool
    checksum: int
    length: int
    lsn: LSN
    durable: LSN

    @property
    def frame_bytes(self) -> int:
        return frame_bytes(self.length)


def frame_bytes(length: int) -> int:
    """How long the frame of a payload of ``length`` bytes is."""
    return HEADER_BYTES + length + -length % ALIGNMENT


def entry_frame(payload: bytes, lsn: LSN, durable: LSN, salt: int) -> bytes:
    """One entry's frame, padded."""
    assert durable < lsn, (durable, lsn)
    length = len(payload)
    assert length <= PAYLOAD_BYTES_MAX, length
    body = payload + _PADDING[length % ALIGNMENT]
    return _head(_ENTRY_MAGIC, crc32(body, salt), length, lsn, durable, salt) + body


def mark_frame(lsn: LSN, salt: int) -> bytes:
    """Says that entries up to ``lsn`` are durable."""
    return _head(_MARK_MAGIC, crc32(b"", salt), 0, lsn, lsn, salt)


def read_head(buffer: bytes, at: int, salt: int) -> Head | None:
    """The header at ``buffer[at:]``, or None if there is none that is whole and good."""
    if len(buffer) - at < HEADER_BYTES:
        return None
    magic, own, checksum, length, lsn, durable = HEADER.unpack_from(buffer, at)
    if magic != _ENTRY_MAGIC and magic != _MARK_MAGIC:
        return None
    if own != crc32(buffer[at + _COVERED_AT : at + HEADER_BYTES], crc32(magic, salt)):
        return None
    return Head(magic == _MARK_MAGIC, checksum, length, lsn, durable)


def read_body(buffer: bytes, at: int, head: Head, salt: int) -> bytes | None:
    """The payload of the frame that starts at ``buffer[at:]``, or None if its checksum is wrong."""
    start = at + HEADER_BYTES
    body = buffer[start : at + head.frame_bytes]
    if crc32(body, salt) != head.checksum:
        return None
    return body[: head.length]


def durable_claimed(data: bytes, salt: int) -> LSN:
    """The highest LSN that any header in ``data`` claims durable; 0 if there is no header.

    What lies between headers may be anything, of any length: bytes that were lost or added in the middle
    of a file move what follows, and it must be found all the same.
    """
    claimed = BEFORE_FIRST
    for magic in (_ENTRY_MAGIC, _MARK_MAGIC):
        at = data.find(magic)
        while at >= 0:
            if (head := read_head(data, at, salt)) is not None:
                claimed = max(claimed, head.durable)
            at = data.find(magic, at + 1)
    return claimed


def _head(magic: bytes, checksum: int, length: int, lsn: LSN, durable: LSN, salt: int) -> bytes:
    covered = _COVERED.pack(checksum, length, lsn, durable)
    return magic + crc32(covered, crc32(magic, salt)).to_bytes(4, "little") + covered
