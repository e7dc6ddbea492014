"""Verification: is the log, byte for byte, one unbroken history?

Reads every frame, checksum, entry and hash, and changes nothing.  It takes no lock, so it may run
beside the server; entries that the server adds meanwhile are read or not.
"""

from __future__ import annotations

from attrs import define, frozen

from .entry import NO_TIME, Entry, Timestamp
from .errors import NoLog
from .recovery import OnEntry, OnProgress, Torn, recover
from .segment import segment_names
from .storage import Storage


@frozen
class Verified:
    """A log without fault."""

    entries: int
    first: Timestamp
    """Time of the first entry, in nanoseconds since the epoch; 0 if there is none."""
    last: Timestamp
    size: int
    """Bytes of all that is good."""
    segments: int
    hash: bytes
    """Of the last entry; stands for the whole history, as each entry holds the hash of the one before."""
    deployment: bytes
    """Which log this is; empty if the first file is not finished yet."""
    torn: Torn | None
    """An unfinished end: a write in progress, or one that a crash cut off.  No fault."""


def verify(storage: Storage, progress: OnProgress | None = None, on_entry: OnEntry = lambda entry: None) -> Verified:
    """Read everything; ``on_entry`` sees it, too.

    Raises ``Damaged`` at the first fault, ``NoLog`` if there is nothing to read.
    """
    if not segment_names(storage):
        raise NoLog(str(storage))
    times = _Times(on_entry)
    recovered = recover(storage, times.add, progress)
    return Verified(
        entries=recovered.last_lsn,
        first=times.first,
        last=recovered.last_ts,
        size=recovered.size,
        segments=len(recovered.segments),
        hash=recovered.last_hash,
        deployment=recovered.segments[0].header.deployment if recovered.segments else b"",
        torn=recovered.torn,
    )


@define(eq=False)
class _Times:
    on_entry: OnEntry
    first: Timestamp = NO_TIME

    def add(self, entry: Entry) -> None:
        if not self.first:
            self.first = entry.ts
        self.on_entry(entry)
