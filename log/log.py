"""The log of one data folder: locked, recovered, with a writer and a reader.

log = Log.open(FolderStorage(folder), deployment_if_new=sixteen_bytes, on_entry=state.apply)
log.writer.queue(entry, encode(entry))
log.writer.write(log.writer.take())
log.close()
"""

from __future__ import annotations

from types import TracebackType

from attrs import define

from .asserts import require_asserts
from .checkpoint import Checkpoint
from .entry import FIRST_LSN, LSN, NO_HASH, Entry, Timestamp
from .reader import LogReader
from .recovery import OnEntry, OnProgress, Recovered, Torn, mend, recover
from .segment import SegmentHeader
from .sites import QUIET, Sites
from .storage import Storage
from .writer import BATCH_BYTES_MAX, SEGMENT_BYTES_MAX, Head, LogWriter


@define(eq=False)
class Log:
    """An open log.  Everything that ``on_entry`` saw is durable when ``open`` returns."""

    _storage: Storage
    writer: LogWriter
    reader: LogReader
    torn: Torn | None
    """What recovery cut off, to be told to people; None if the log ended cleanly."""

    @classmethod
    def open(
        cls,
        storage: Storage,
        *,
        deployment_if_new: bytes,
        on_entry: OnEntry,
        on_progress: OnProgress | None = None,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        batch_bytes_max: int = BATCH_BYTES_MAX,
        after: Checkpoint | None = None,
        sites: Sites = QUIET,
    ) -> Log:
        """Lock the folder, read every entry into ``on_entry``, mend a torn end.  Blocks.

        ``after`` leaves out what a checkpoint covers, which must fit this log.
        ``deployment_if_new`` (16 bytes) names the log if there is none yet.
        Raises ``FolderInUse``, ``Damaged``, ``SyncFailed``, ``DiskFull``, ``AssertsOff``; also what
        ``on_entry`` raises.  The folder is then unlocked and, but for a torn end, as before.
        """
        require_asserts()
        storage.lock()
        try:
            recovered = recover(storage, on_entry, on_progress, after=after)
            mend(storage, recovered)
            writer = _writer(storage, recovered, deployment_if_new, segment_bytes_max, batch_bytes_max)
            writer.sites = sites
        except BaseException:
            storage.unlock()
            raise
        reader = LogReader(storage, writer.segments, lambda: writer.durable)
        return cls(storage, writer, reader, recovered.torn)

    @property
    def deployment(self) -> bytes:
        """Which log this is: 16 bytes, made up when it was created."""
        return self.writer.deployment

    @property
    def last_lsn(self) -> LSN:
        """The last entry, durable or queued; 0 if there is none."""
        return self.writer.last_lsn

    @property
    def last_ts(self) -> Timestamp:
        """Its time, in nanoseconds since the epoch; 0 if there is none."""
        return self.writer.last_ts

    @property
    def last_hash(self) -> bytes:
        """Its hash: what the next entry names as ``prev``."""
        return self.writer.last_hash

    def close(self) -> None:
        """Leave a durable mark and unlock the folder.  Entries not durable yet are forgotten.

        Not while ``writer.write`` runs.  Raises ``SyncFailed``; the folder is unlocked all the same.
        """
        try:
            self.writer.close()
        finally:
            self._storage.unlock()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def ignore_entry(entry: Entry) -> None:
    """For those who open a log only to read or append."""


def _writer(
    storage: Storage, recovered: Recovered, deployment_if_new: bytes, segment_max: int, batch_max: int
) -> LogWriter:
    segments = list(recovered.segments)
    deployment = segments[0].header.deployment if segments else deployment_if_new
    head = Head(recovered.last_lsn, recovered.last_ts, recovered.last_hash)
    writer = LogWriter(storage, deployment, segments, head, recovered.is_marked, segment_max, batch_max)
    if not segments:
        writer.start_segment(SegmentHeader(FIRST_LSN, deployment, NO_HASH))
    else:
        writer.mark()
    return writer
