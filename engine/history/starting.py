"""Where looking at the past begins: the state after some entry, with as little of the log read as possible.

newest good checkpoint up to the entry + what the log wrote since ──> state
"""

from __future__ import annotations

from collections.abc import Callable

from ...actors.checkpoints import load
from ...actors.recovery import Recovery
from ...log.checkpoint import CheckpointFile, checkpoint_names
from ...log.entry import BEFORE_FIRST, LSN
from ...log.errors import Malformed
from ...log.reader import LogReader

PROGRESS_STEP = 1_000
"""Entries between one report of progress and the next."""


def state_at(
    reader: LogReader, lsn: LSN, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Recovery:
    """What recovery would derive from the log up to an entry.

    ``on_progress`` is told how many entries are behind it, of how many.  Raises NoSuchEntry, Damaged.
    """
    if lsn == BEFORE_FIRST:
        return Recovery()
    reader.entry(lsn)  # Or it would be found out after reading all of the log.
    recovery = newest_checkpoint(reader, lsn)
    position = recovery.newest.position
    if position == lsn:
        return recovery
    for entry in reader.entries(LSN(position + 1), canonical=False):
        recovery.apply(entry)
        if entry.lsn % PROGRESS_STEP == 0:
            on_progress(entry.lsn, lsn)
        if entry.lsn == lsn:
            break
    return recovery


def newest_checkpoint(reader: LogReader, until: LSN) -> Recovery:
    """The state of the newest good checkpoint that covers nothing after an entry; an empty one if there is none.

    One that is bad is passed over: `relive log verify` tells of it.
    """
    for name in reversed(checkpoint_names(reader.storage)):
        try:
            file = CheckpointFile.open(reader.storage, name)
            if file.checkpoint.lsn <= until:
                file.check_fits()
                return load(file)
        except (Malformed, OSError):
            continue
    return Recovery()
