"""Compaction of a log that nobody serves: what is beyond the retention of its tables is dropped for good.

    recover ──> estimate ──> seal ──> write anew ──> record ──> checkpoint ──> put in place ──> older checkpoints go

An entry says what is dropped before it is: the log never lacks anything silently.  Checkpoints that were made
before hold what was dropped, so they are removed; the one made here is of the newest versions alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from attrs import define, frozen

from ..actors.checkpoints import Definer, OnBad, fold
from ..actors.recovery import Recovery
from ..log.checkpoint import checkpoint_name, checkpoint_names
from ..log.compaction import Prepared, discard, estimate, prepare, publish
from ..log.encoding import encode
from ..log.entry import BEFORE_FIRST, LSN, Cause, Entry, Kind, Timestamp
from ..log.errors import CheckpointFailed, NoLog
from ..log.log import Log
from ..log.recovery import OnProgress
from ..log.retention import DocumentKey
from ..log.segment import segment_names
from ..log.storage import Storage
from ..protocol import cbor
from ..protocol.errors import ReliveError
from ..protocol.values import Value
from .deployment.recovered import definer_of
from .deployment.retention import history_days, retention_of
from .env import Env
from .execution.attempt import SEED_BYTES
from .version import ENGINE_VERSION

FUNCTION = "_system/log:compact"


@define(auto_exc=True)
class StillThere(ReliveError):
    """A document that is to be erased has not been deleted.  Delete it first."""

    table: str
    id: str

    def __str__(self) -> str:
        return f"{self.table}/{self.id} is still there, and a newest version is never erased: delete it first"


@define(auto_exc=True)
class NeverThere(ReliveError):
    """No entry wrote a document that is to be erased.  Check its table and id."""

    table: str
    id: str

    def __str__(self) -> str:
        return f"no entry of the log wrote {self.table}/{self.id}: check the table and the id"


@frozen
class Compacted:
    """What a compaction dropped, or would drop."""

    prepared: Prepared
    lsn: LSN | None
    """The entry that says so; None if nothing was dropped."""


def compact(
    storage: Storage,
    env: Env,
    on_bad: OnBad,
    *,
    erased: frozenset[DocumentKey] = frozenset(),
    dry_run: bool = False,
    on_progress: OnProgress | None = None,
    definer: bool = True,
) -> Compacted:
    """Drop what is beyond retention, and every old version of ``erased``.  Blocks; the folder must not be served.

    ``definer`` False makes the checkpoint without keys, and runs no code of the app.
    Raises NoLog, FolderInUse, Damaged, StillThere, NeverThere, DiskFull, SyncFailed, OSError.
    """
    if not segment_names(storage):
        raise NoLog(str(storage))
    recovery, seen, recorded = Recovery(), set[DocumentKey](), BEFORE_FIRST

    def apply(entry: Entry) -> None:
        nonlocal recorded
        recovery.apply(entry)
        if entry.function == FUNCTION:
            recorded = entry.lsn
        if erased:
            seen.update((write.table, write.id) for write in entry.writes if (write.table, write.id) in erased)

    with Log.open(storage, deployment_if_new=env.entropy(SEED_BYTES), on_entry=apply, on_progress=on_progress) as log:
        for table, id in sorted(erased):
            if id in recovery.newest.bodies.get(table, {}):
                raise StillThere(table, id)
            if (table, id) not in seen:
                raise NeverThere(table, id)
        now = Timestamp(max(env.clock_ns(), log.last_ts))
        days = history_days(recovery.deployment)
        retention = retention_of(days, now, erased)
        expected = estimate(storage, retention)
        if not dry_run and not expected.segments:
            remove_checkpoints_before(storage, recorded)  # A crash may have left them.
        if dry_run or not expected.segments:
            return Compacted(expected, None)
        log.writer.seal()
        prepared = prepare(storage, retention)
        try:
            lsn = record(log, recovery.code, env, Timestamp(now + 1), prepared, days, erased)
        except BaseException:
            with suppress(OSError):
                discard(storage)
            raise
        with suppress(CheckpointFailed):  # The log says all of it, only slower.
            fold(storage, on_bad, None, definer_of if definer else no_definer)
        publish(storage, prepared)
        remove_checkpoints_before(storage, lsn)
        return Compacted(prepared, lsn)


def no_definer(recovery: Recovery) -> Definer | None:
    return None


def record(
    log: Log,
    code: bytes,
    env: Env,
    ts: Timestamp,
    prepared: Prepared,
    days: Mapping[str, float],
    erased: frozenset[DocumentKey],
) -> LSN:
    """Write down, durably, what is about to be dropped.  Raises DiskFull, SyncFailed."""
    tables: dict[str, Value] = {
        name: {"versions": dropped.versions, "bytes": dropped.size, "historyDays": days.get(name)}
        for name, dropped in sorted(prepared.tables.items())
    }
    listed: list[Value] = [f"{table}/{id}" for table, id in sorted(erased)]
    args: Value = {"tables": tables, "entries": prepared.entries, "erased": listed}
    lsn = LSN(log.last_lsn + 1)
    cause = Cause("cli", "compact", BEFORE_FIRST)
    entry = Entry(
        lsn,
        ts,
        Kind.SYSTEM,
        cause,
        FUNCTION,
        code,
        ENGINE_VERSION,
        cbor.encode(args),
        None,
        ts,
        env.entropy(SEED_BYTES),
        log.last_lsn,
        (),
        (),
        b"",
        None,
        (),
        None,
        None,
        log.last_hash,
    )
    log.writer.queue(entry, encode(entry))
    batch = log.writer.take()
    assert batch is not None
    log.writer.write(batch)
    return lsn


def remove_checkpoints_before(storage: Storage, compaction: LSN) -> None:
    """Those that the log came to before that compaction, which may hold what it dropped."""
    for name in checkpoint_names(storage):
        if name < checkpoint_name(LSN(max(compaction - 1, BEFORE_FIRST))):
            storage.remove(name)
    storage.sync_folder()
