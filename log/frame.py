"""Frames: what stands one after another in a segment file.

    magic 4 | header checksum 4 | payload checksum 4 | payload length 4 | lsn 8 | durable 8 | payload | zeros

Little-endian; a frame starts at a multiple of 8 and zeros fill it up to the next one.  Headers can be
found again behind damage, by their magic and checksum.  An *entry* frame holds an entry's encoding.
A *reduced* frame holds the hash that an entry had when it was whole, and the encoding of what is kept of it.
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

from .encoding import entry_hash
from .entry import BEFORE_FIRST, HASH_BYTES, LSN

ALIGNMENT: Final = 8
HEADER: Final = Struct("<4sIIIQQ")
HEADER_BYTES: Final = HEADER.size
PAYLOAD_BYTES_MAX: Final = 256 * 2**20

_COVERED: Final = Struct("<IIQQ")
_COVERED_AT: Final = HEADER_BYTES - _COVERED.size
_ENTRY_MAGIC: Final = b"RLe\n"
_REDUCED_MAGIC: Final = b"RLr\n"
_MARK_MAGIC: Final = b"RLm\n"
_MAGICS: Final = (_ENTRY_MAGIC, _REDUCED_MAGIC, _MARK_MAGIC)
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
    hash_whole: bytes = b""
    """Of the entry before it was reduced; empty if it is whole."""

    @property
    def hash(self) -> bytes:
        """What the next entry names as ``prev``."""
        return self.hash_whole or entry_hash(self.payload)


class Mark(NamedTuple):
    offset: int
    end: int
    lsn: LSN


class Head(NamedTuple):
    """A frame's header whose checksum is good."""

    magic: bytes
    checksum: int
    length: int
    lsn: LSN
    durable: LSN

    @property
    def is_mark(self) -> bool:
        return self.magic == _MARK_MAGIC

    @property
    def frame_bytes(self) -> int:
        return frame_bytes(self.length)

    def frame(self, offset: int, end: int, payload: bytes) -> EntryFrame:
        """The frame that it is of, which stands from ``offset`` to ``end``; it must not be a mark."""
        if self.magic == _ENTRY_MAGIC:
            return EntryFrame(offset, end, self.lsn, self.durable, payload)
        assert self.magic == _REDUCED_MAGIC
        return EntryFrame(offset, end, self.lsn, self.durable, payload[HASH_BYTES:], payload[:HASH_BYTES])


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


def reduced_frame(payload: bytes, hash_whole: bytes, lsn: LSN, durable: LSN, salt: int) -> bytes:
    """The frame of an entry of which only ``payload`` is kept, padded."""
    assert len(hash_whole) == HASH_BYTES, len(hash_whole)
    assert durable < lsn, (durable, lsn)
    length = HASH_BYTES + len(payload)
    body = hash_whole + payload + _PADDING[length % ALIGNMENT]
    return _head(_REDUCED_MAGIC, crc32(body, salt), length, lsn, durable, salt) + body


def mark_frame(lsn: LSN, salt: int) -> bytes:
    """Says that entries up to ``lsn`` are durable."""
    return _head(_MARK_MAGIC, crc32(b"", salt), 0, lsn, lsn, salt)


def read_head(buffer: bytes, at: int, salt: int) -> Head | None:
    """The header at ``buffer[at:]``, or None if there is none that is whole and good."""
    if len(buffer) - at < HEADER_BYTES:
        return None
    magic, own, checksum, length, lsn, durable = HEADER.unpack_from(buffer, at)
    if magic not in _MAGICS:
        return None
    if own != crc32(buffer[at + _COVERED_AT : at + HEADER_BYTES], crc32(magic, salt)):
        return None
    return Head(magic, checksum, length, lsn, durable)


def read_body(buffer: bytes, at: int, end: int, head: Head, salt: int) -> bytes | None:
    """The payload of the frame ``buffer[at:end]``, which begins with ``head``; None if its checksum is wrong."""
    body = buffer[at + HEADER_BYTES : end]
    if crc32(body, salt) != head.checksum:
        return None
    return body[: head.length]


def durable_claimed(data: bytes, salt: int) -> LSN:
    """The highest LSN that any header in ``data`` claims durable; 0 if there is no header.

    What lies between headers may be anything, of any length: bytes that were lost or added in the middle
    of a file move what follows, and it must be found all the same.
    """
    claimed = BEFORE_FIRST
    for magic in _MAGICS:
        at = data.find(magic)
        while at >= 0:
            if (head := read_head(data, at, salt)) is not None:
                claimed = max(claimed, head.durable)
            at = data.find(magic, at + 1)
    return claimed


def _head(magic: bytes, checksum: int, length: int, lsn: LSN, durable: LSN, salt: int) -> bytes:
    covered = _COVERED.pack(checksum, length, lsn, durable)
    return magic + crc32(covered, crc32(magic, salt)).to_bytes(4, "little") + covered
