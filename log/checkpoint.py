"""Checkpoint files: what a log comes to as of one entry, so that a start need not read all of it again.

    magic 8 | format 4 | lsn 8 | ts 8 | deployment 16 | hash of that entry 32
    parts, each: length 4 | digest 32 | bytes; the first lists segments, one without bytes is the last

What the parts hold is nobody's business here.  A file is named by its entry, the last one of a sealed
segment: the header of the next segment must name that entry's hash.

Invariants
    * Each part's digest covers all that stands before it, the header too: no bit, part or order can be
      another one unnoticed.
    * A file has its name only once it is whole and durable.
    * No file of the log depends on it: it may be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from struct import Struct, iter_unpack
from typing import Final

from attrs import frozen

from .entry import HASH_BYTES, LSN, Timestamp
from .errors import CheckpointFailed, Malformed
from .segment import HEADER_BYTES as SEGMENT_HEADER_BYTES
from .segment import decode_header, segment_name
from .storage import Storage

MAGIC: Final = b"\x89relivC\n"
FORMAT: Final = 2
HEADER: Final = Struct("<8sIQQ16s32s")
PART: Final = Struct("<I32s")
SEGMENT: Final = Struct("<QQ")
PART_BYTES_MAX: Final = 512 * 2**20

_SUFFIX: Final = ".checkpoint"
_UNFINISHED: Final = ".unfinished"
_NAME_DIGITS: Final = 20


def checkpoint_name(lsn: LSN) -> str:
    return f"{lsn:0{_NAME_DIGITS}}{_SUFFIX}"


def checkpoint_names(storage: Storage) -> tuple[str, ...]:
    """The names of all checkpoints, oldest first; unfinished ones are none."""
    return tuple(sorted(name for name in storage.names() if _is_checkpoint_name(name)))


def _is_checkpoint_name(name: str) -> bool:
    digits = name.removesuffix(_SUFFIX)
    return name.endswith(_SUFFIX) and len(digits) == _NAME_DIGITS and digits.isascii() and digits.isdigit()


@frozen
class Checkpoint:
    """What a checkpoint says of itself."""

    lsn: LSN
    """The last entry that it covers."""
    ts: Timestamp
    hash: bytes
    """Of that entry."""
    deployment: bytes
    """Which log it belongs to; 16 bytes."""
    segments: tuple[tuple[LSN, int], ...]
    """First entry and length in bytes of the segments that it covers, oldest first."""

    @property
    def name(self) -> str:
        return checkpoint_name(self.lsn)

    def encode(self) -> bytes:
        return HEADER.pack(MAGIC, FORMAT, self.lsn, self.ts, self.deployment, self.hash)


def write_checkpoint(storage: Storage, checkpoint: Checkpoint, parts: Iterable[bytes]) -> None:
    """Write it beside the segments: all of it or nothing.  Raises ``CheckpointFailed``; nothing is lost then."""
    unfinished = checkpoint.name + _UNFINISHED
    try:
        with suppress(FileNotFoundError):
            storage.remove(unfinished)  # A crash left it.
        storage.create(unfinished)
        offset = 0
        for piece in _pieces(checkpoint, parts):
            storage.write(unfinished, offset, piece)
            offset += len(piece)
        storage.sync(unfinished)
        storage.rename(unfinished, checkpoint.name)
        storage.sync_folder()
    except OSError as error:
        with suppress(OSError):
            storage.remove(unfinished)
        raise CheckpointFailed(checkpoint.name, error.strerror or str(error)) from error


def _pieces(checkpoint: Checkpoint, parts: Iterable[bytes]) -> Iterator[bytes]:
    header = checkpoint.encode()
    yield header
    digest = _digest(b"", header)
    segments = b"".join(SEGMENT.pack(first, length) for first, length in checkpoint.segments)
    for part in (segments, *parts, b""):
        assert len(part) <= PART_BYTES_MAX, len(part)
        digest = _digest(digest, part)
        yield PART.pack(len(part), digest) + part


def _digest(before: bytes, data: bytes) -> bytes:
    return blake2b(before + len(data).to_bytes(8, "little") + data, digest_size=HASH_BYTES).digest()


@frozen
class CheckpointFile:
    """One that is there; iterating over it gives its parts, each of them checked.

    Iteration raises ``Malformed`` where it is not what was written: throw away what was made of it.
    """

    checkpoint: Checkpoint
    _storage: Storage
    _first: int
    _digest: bytes

    @classmethod
    def open(cls, storage: Storage, name: str) -> CheckpointFile:
        """Raises ``Malformed``."""
        data = storage.read(name, 0, HEADER.size)
        if len(data) < HEADER.size or not data.startswith(MAGIC):
            raise Malformed("no header of a checkpoint")
        _, format, lsn, ts, deployment, hash = HEADER.unpack(data)
        if format != FORMAT:
            raise Malformed(f"format {format}, but this relive reads format {FORMAT}")
        if checkpoint_name(LSN(lsn)) != name:
            raise Malformed(f"the file was renamed: it is of entry {lsn}")
        part, digest, offset = _part(storage, name, HEADER.size, _digest(b"", data))
        if len(part) % SEGMENT.size:
            raise Malformed("its list of segments is cut short")
        segments = tuple((LSN(first), length) for first, length in iter_unpack(SEGMENT.format, part))
        return cls(Checkpoint(LSN(lsn), Timestamp(ts), hash, deployment, segments), storage, offset, digest)

    def __iter__(self) -> Iterator[bytes]:
        name, offset, digest = self.checkpoint.name, self._first, self._digest
        while True:
            part, digest, offset = _part(self._storage, name, offset, digest)
            if not part:
                break
            yield part
        if self._storage.size(name) != offset:
            raise Malformed("there is something behind its end")

    def check_fits(self) -> None:
        """Raises ``Malformed`` unless it is of the log beside it, and ends where one of its segments ends."""
        checkpoint, storage = self.checkpoint, self._storage
        for first, length in checkpoint.segments:
            try:
                size = storage.size(segment_name(first))
            except FileNotFoundError:
                raise Malformed(f"{segment_name(first)}, which it covers, is missing") from None
            if size != length and not self._is_reduced(first):
                raise Malformed(f"{segment_name(first)}, which it covers, has {size} bytes instead of {length}")
        try:
            header = decode_header(storage.read(segment_name(LSN(checkpoint.lsn + 1)), 0, SEGMENT_HEADER_BYTES))
        except FileNotFoundError:
            raise Malformed(f"no segment begins after entry {checkpoint.lsn}") from None
        if header.deployment != checkpoint.deployment:
            raise Malformed("it belongs to another log")
        if header.prev != checkpoint.hash:
            raise Malformed(f"entry {checkpoint.lsn} of the log is another one: the hash differs")

    def _is_reduced(self, first: LSN) -> bool:
        """Whether compaction has written that segment anew.  What is newest is in it all the same."""
        header = decode_header(self._storage.read(segment_name(first), 0, SEGMENT_HEADER_BYTES))
        return header.first == first and header.generation > 0


def _part(storage: Storage, name: str, offset: int, before: bytes) -> tuple[bytes, bytes, int]:
    """A part, its digest, and where the next one begins."""
    head = storage.read(name, offset, PART.size)
    if len(head) < PART.size:
        raise Malformed("it is cut short")
    length, digest = PART.unpack(head)
    if length > PART_BYTES_MAX:
        raise Malformed("the length of a part is wrong")
    part = storage.read(name, offset + PART.size, length)
    if len(part) < length:
        raise Malformed("it is cut short")
    if _digest(before, part) != digest:
        raise Malformed(f"the checksum at byte {offset} is wrong")
    return part, digest, offset + PART.size + length
