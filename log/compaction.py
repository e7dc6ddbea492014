"""Compaction: sealed segments written anew without what is beyond retention.

    survey   reads every sealed segment, and finds what is beyond retention
    prepare  writes the segments that lose something anew, under other names, durably
    publish  gives them the names of those that they replace

A sealed file is never changed in place, so whoever shares it or reads it keeps it whole.  An entry that is
reduced keeps the hash that it had, so the chain of hashes goes on through it.

Invariants
    * After a crash at any point each segment is the old one or the new one, whole.
    * What the log comes to is the same before and after.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from attrs import Factory, define, frozen

from .encoding import decode, encode
from .entry import NO_TIME
from .errors import Damaged
from .frame import EntryFrame, Mark, entry_frame, mark_frame, reduced_frame
from .recovery import recover
from .retention import Retention, TableDropped
from .segment import GENERATION_MAX, HEADER_BYTES, FrameScan, SegmentHeader, decode_header, segment_name, segment_names
from .storage import Storage

REDUCED_SUFFIX: Final = ".reduced"


@frozen
class Reduced:
    """A segment and the one that is to take its place."""

    name: str
    size_before: int
    size_after: int

    @property
    def new_name(self) -> str:
        return self.name + REDUCED_SUFFIX


@define(eq=False)
class Prepared:
    """What `publish` will put in place."""

    segments: list[Reduced] = Factory(list[Reduced])
    tables: dict[str, TableDropped] = Factory(dict[str, TableDropped])
    entries: int = 0
    """How many are reduced."""

    @property
    def freed(self) -> int:
        """Bytes."""
        return sum(each.size_before - each.size_after for each in self.segments)


def survey(storage: Storage, retention: Retention) -> None:
    """Read and check all sealed segments.  Raises ``Damaged``."""
    recover(storage, retention.add, sealed_only=True)


def estimate(storage: Storage, retention: Retention) -> Prepared:
    """What `survey` and `prepare` would find and do if all segments were sealed.  Raises ``Damaged``.

    Nobody must be writing to the log.
    """
    recover(storage, retention.add)
    prepared = Prepared()
    for name in segment_names(storage):
        _reduce(storage, name, retention, prepared)
    return prepared


def prepare(storage: Storage, retention: Retention) -> Prepared:
    """Write anew what loses something, after `survey`.  Raises ``Damaged``, ``OSError``; nothing is changed then."""
    discard(storage)
    prepared = Prepared()
    try:
        for name in segment_names(storage)[:-1]:
            data = _reduce(storage, name, retention, prepared)
            if data is not None:
                new_name = prepared.segments[-1].new_name
                storage.create(new_name)
                storage.write(new_name, 0, data)
                storage.sync(new_name)
    except BaseException:
        with suppress(OSError):
            discard(storage)
        raise
    return prepared


def publish(storage: Storage, prepared: Prepared) -> None:
    """Put them in place.  Raises ``OSError``; then some may be in place, and others not."""
    for each in prepared.segments:
        storage.rename(each.new_name, each.name)
    storage.sync_folder()


def discard(storage: Storage) -> None:
    """Remove what a crash, or an error, left of segments that were not put in place."""
    for name in storage.names():
        if name.endswith(REDUCED_SUFFIX):
            storage.remove(name)


def _reduce(storage: Storage, name: str, retention: Retention, prepared: Prepared) -> bytes | None:
    """The segment without what is beyond retention; None if it loses nothing."""
    header = decode_header(storage.read(name, 0, HEADER_BYTES))
    assert header.generation < GENERATION_MAX, name
    new = SegmentHeader(header.first, header.deployment, header.prev, header.generation + 1)
    assert segment_name(new.first) == name
    pieces, entries = [new.encode()], 0
    for frame in _frames(storage, name, header):
        if isinstance(frame, Mark):
            pieces.append(mark_frame(frame.lsn, new.salt))
            continue
        entry = decode(frame.payload)
        kept = retention.reduce(entry)
        if kept is not None:
            entries += 1
            retention.tally(entry, prepared.tables)
            pieces.append(reduced_frame(encode(kept), frame.hash, frame.lsn, frame.durable, new.salt))
        elif frame.hash_whole:
            pieces.append(reduced_frame(frame.payload, frame.hash_whole, frame.lsn, frame.durable, new.salt))
        else:
            pieces.append(entry_frame(frame.payload, frame.lsn, frame.durable, new.salt))
    if not entries:
        return None
    data = b"".join(pieces)
    prepared.entries += entries
    prepared.segments.append(Reduced(name, storage.size(name), len(data)))
    return data


def _frames(storage: Storage, name: str, header: SegmentHeader) -> Iterator[EntryFrame | Mark]:
    scan = FrameScan(storage, name, header.salt)
    yield from scan
    if scan.problem:
        raise Damaged(name, scan.offset, header.first, NO_TIME, scan.problem)
