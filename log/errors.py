"""What can go wrong with the log, and what the caller can do about each.

LogError                       base of everything the log raises on purpose
├── Malformed                  bytes that are not what we write; nothing to do but refuse them
├── Damaged                    the log on disk is not what was written: restore from a backup
├── LogTooShort                the log ends before what it once held: restore from a backup
├── NoLog                      there is no log in that place: look for it elsewhere
├── NoSuchEntry                an LSN outside the log: ask for another
├── FolderInUse                another process writes here: stop that one first
├── SyncFailed                 the disk broke its promise: the process must stop
├── DiskFull                   no space, nothing written: free some and write the batch again
├── HistoryDropped             it was beyond its table's retention: ask for a later time
├── CheckpointFailed           a checkpoint could not be written; the log does without
└── AssertsOff                 Python was started with -O: start it without
"""

from __future__ import annotations

from attrs import define

from ..protocol.errors import ReliveError
from .entry import LSN, Timestamp


class LogError(ReliveError):
    """Base of every error of the log."""


@define(auto_exc=True)
class Malformed(LogError):
    """Bytes that are not the one encoding that we write.  Refuse them."""

    problem: str

    def __str__(self) -> str:
        return f"not something relive wrote: {self.problem}"


@define(auto_exc=True)
class Damaged(LogError):
    """The log differs from what was written and acknowledged.  Never repaired here: restore it."""

    file: str
    offset: int
    """Where in ``file``, in bytes."""
    lsn: LSN
    """The first entry that cannot be trusted."""
    last_ts: Timestamp
    """Time of the last good entry, in nanoseconds since the epoch; 0 if there is none."""
    problem: str

    def __str__(self) -> str:
        return (
            f"the log is damaged in {self.file} at byte {self.offset}, before entry {self.lsn} could be read "
            f"({self.last_good}): {self.problem}. Nothing was changed. "
            f"Keep a copy of the folder, then restore this file from a backup."
        )

    @property
    def last_good(self) -> str:
        """The last good entry, in words."""
        if not self.last_ts:
            return "there is no good entry before it"
        return f"the last good entry is of {self.last_ts} ns since 1970"


@define(auto_exc=True)
class LogTooShort(LogError):
    """The log ends before an entry that was durable.  Never repaired here: restore it."""

    place: str
    last: LSN
    """Where it ends; 0 if it is empty."""
    reached: LSN
    """An entry that it held once."""

    def __str__(self) -> str:
        return (
            f"the log in {self.place} ends at entry {self.last}, but entry {self.reached} was durable: "
            f"files were cut or removed. Restore them from a backup."
        )


@define(auto_exc=True)
class NoLog(LogError):
    """No segment file is there.  Name the folder that holds them."""

    place: str

    def __str__(self) -> str:
        return f"there is no log in {self.place}: name the folder that holds its segment files"


@define(auto_exc=True)
class NoSuchEntry(LogError):
    """An LSN that the log does not hold.  Ask for one from 1 to ``last``."""

    lsn: LSN
    last: LSN

    def __str__(self) -> str:
        if not self.last:
            return f"there is no entry {self.lsn}: the log is empty"
        return f"there is no entry {self.lsn}: the log holds 1 to {self.last}"


@define(auto_exc=True)
class FolderInUse(LogError):
    """Another process holds the folder.  Stop it, or use another folder."""

    folder: str
    pid: int | None
    """Who holds it; None if it has not yet said so."""

    def __str__(self) -> str:
        holder = "another process" if self.pid is None else f"process {self.pid}"
        return f"{self.folder} is in use by {holder}: stop that process, or choose another data folder"


@define(auto_exc=True)
class SyncFailed(LogError):
    """A write or an fsync failed.  Stop the process; never try again, the pages may be gone."""

    file: str
    durable: LSN
    """Entries up to this one are safe; of later ones nothing is known."""
    problem: str

    def __str__(self) -> str:
        return (
            f"the disk did not take {self.file} ({self.problem}): entries after {self.durable} may be lost. "
            f"Check the disk, then start again: what is on it will be read and checked."
        )


@define(auto_exc=True)
class DiskFull(LogError):
    """No space.  Nothing of the batch is left on disk: free space and write it again, or withdraw it."""

    file: str
    first: LSN
    """First entry that was not written."""
    last: LSN
    """Last entry that was not written; ``first - 1`` if there was none to write."""

    def __str__(self) -> str:
        return f"no space left for entries {self.first} to {self.last} in {self.file}: none was written"


@define(auto_exc=True)
class CheckpointFailed(LogError):
    """A checkpoint could not be written.  Nothing depends on it: make room, and make another."""

    file: str
    problem: str

    def __str__(self) -> str:
        return f"the checkpoint {self.file} could not be written ({self.problem}); the log is as it was without it"


@define(auto_exc=True)
class HistoryDropped(LogError):
    """What an old version held is not kept any more.  Ask for a later time, or for fewer versions."""

    table: str
    id: str
    """Of a document whose version was dropped; empty if it is arguments and results that were."""
    lsn: LSN
    """The entry that wrote the version."""

    def __str__(self) -> str:
        what = (
            f"what {self.table}/{self.id} was after entry {self.lsn}"
            if self.id
            else f"what entry {self.lsn} did, or found,"
        )
        return (
            f"{what} is beyond the history that its table keeps (history_days, or it was erased), and was dropped: "
            f"ask for a later time"
        )


class AssertsOff(LogError):
    """Python runs with ``-O``, which removes the checks that the log relies on.  Start it without."""

    def __str__(self) -> str:
        return "relive relies on its assertions: start Python without -O and without PYTHONOPTIMIZE"
