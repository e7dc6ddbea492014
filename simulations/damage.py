"""What a start makes of a disk that rotted, or that reads from the wrong place: tried on a copy, at any moment.

    the disk as it is ──> copy ──> damage ──> recovery ──> Outcome ── judged against the whole log

Invariants
    * The run itself goes on as if nothing had been tried.
    * What is allowed is in `judge`, and nothing else is: refused with a place; the very same state; or, where
      nothing proves that the disk ever confirmed it, without the last batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from attrs import Factory, define, frozen

from ..actors.checkpoints import load_newest
from ..actors.recovery import Recovery
from ..log.checkpoint import checkpoint_names
from ..log.entry import LSN, Entry
from ..log.errors import Damaged
from ..log.log import Log
from ..log.memory import MemoryStorage
from ..log.recovery import Recovered, recover
from ..log.segment import segment_names

DEPLOYMENT = bytes(16)


@frozen
class Outcome:
    """Of a start."""

    refused: Damaged | None = None
    recovery: Recovery | None = None
    lsn: LSN = LSN(0)
    bad: tuple[str, ...] = ()
    """Checkpoints that were left out."""


def start(storage: MemoryStorage) -> Outcome:
    """As `Database.open` reads a disk."""
    bad: list[str] = []
    try:
        recovery, checkpoint = load_newest(storage, lambda file, problem: bad.append(file))
        log = Log.open(storage, deployment_if_new=DEPLOYMENT, on_entry=recovery.apply, after=checkpoint)
    except Damaged as error:
        return Outcome(refused=error, bad=tuple(bad))
    log.close()
    return Outcome(None, recovery, log.last_lsn, tuple(bad))


@define(eq=False)
class Whole:
    """A log before anything happened to it."""

    storage: MemoryStorage
    entries: list[Entry] = Factory(list[Entry])
    recovered: Recovered | None = None

    def __attrs_post_init__(self) -> None:
        self.recovered = recover(self.storage, self.entries.append)

    @property
    def proven(self) -> LSN:
        """The last entry of which the files prove that it is durable."""
        assert self.recovered is not None
        segments = self.recovered.segments
        if not segments:
            return LSN(0)
        last = segments[-1]
        return LSN(sum(1 for entry in self.entries if entry.lsn < last.header.first) + self.proven_in(last.name))

    def proven_in(self, name: str) -> int:
        assert self.recovered is not None
        cut = self.storage.copy()
        cut.replace(name, self.storage.content(name)[: self.recovered.unproven])
        found: list[Entry] = []
        recover(cut, found.append)
        return len([entry for entry in found if entry.lsn >= self.recovered.segments[-1].header.first])

    def recovery(self, lsn: LSN) -> Recovery:
        made = Recovery()
        for entry in self.entries:
            if entry.lsn <= lsn:
                made.apply(entry)
        return made


def judge(whole: Whole, outcome: Outcome, file: str) -> tuple[str, str]:
    """What happened, as a probe says it, and what is wrong with that; empty if nothing is."""
    if outcome.refused is not None:
        # What stands in one file may be missed first in the next.
        names = segment_names(whole.storage)
        position = names.index(file) if file in names else -1
        near = names[position : position + 2] if position >= 0 else ()
        wrong = "" if outcome.refused.file in near else f"damage of {file} is said to be in {outcome.refused.file}"
        return "a start refused a damaged log", wrong
    assert outcome.recovery is not None
    expected = whole.recovery(outcome.lsn)
    if outcome.recovery.newest.bodies != expected.newest.bodies:
        return "", f"damage of {file} gave another state at entry {outcome.lsn}"
    if outcome.lsn == whole.entries[-1].lsn:
        return ("a start fell back to another checkpoint" if outcome.bad else "damage was of no consequence"), ""
    if outcome.lsn < whole.proven:
        return "", f"damage of {file} lost the entries from {outcome.lsn + 1} on, silently; {whole.proven} was proven"
    return "rot of what nothing proves passed for a torn end", ""


def rot(storage: MemoryStorage, random: Random, *, in_checkpoint: bool) -> tuple[str, str]:
    """One bit of a segment, or of a checkpoint, is another one."""
    names = checkpoint_names(storage) if in_checkpoint else segment_names(storage)
    whole = Whole(storage.copy())
    if not names or not whole.entries:
        return "", ""
    file = names[int(random.random() * len(names))]
    damaged = storage.copy()
    damaged.flip(file, int(random.random() * max(1, storage.size(file) * 8)))
    outcome = start(damaged)
    if in_checkpoint and outcome.refused is not None:
        return "", f"rot in the checkpoint {file} kept the log from being opened: {outcome.refused}"
    return judge(whole, outcome, file)


def misread(storage: MemoryStorage, random: Random) -> tuple[str, str]:
    """One read gives what stands somewhere else; the disk itself is whole."""
    whole = Whole(storage.copy())
    if not whole.entries:
        return "", ""
    damaged = storage.copy()
    damaged.misread_at, damaged.misread_by = 1 + int(random.random() * 8), 1 + int(random.random() * 3)
    outcome = start(damaged)
    if not damaged.misread:
        return "", ""
    if damaged.misread not in segment_names(storage) and outcome.refused is not None:
        return "", f"a misread checkpoint kept the log from being opened: {outcome.refused}"
    return judge(whole, outcome, damaged.misread)


def lost_checkpoints(storage: MemoryStorage, confirmed: Mapping[str, bytes]) -> set[str]:
    """Those that a crash has damaged after a lie: themselves, or a segment that they are made of."""
    left = set(storage.names())
    changed = {name for name, content in confirmed.items() if name not in left or storage.content(name) != content}
    segments = changed & set(segment_names(storage))
    # Names are numbers of equal length: of a segment its first entry, of a checkpoint the last one that it covers.
    return {
        name
        for name in checkpoint_names(storage)
        if name in changed or any(stem(segment) <= stem(name) for segment in segments)
    }


def stem(name: str) -> str:
    return name.partition(".")[0]
