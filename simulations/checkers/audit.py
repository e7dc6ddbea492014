"""What was committed from an old snapshot had read nothing that changed in between.

    snapshot ──> entries in between: keys that they moved ──> none in a range that was read ──> commit

Keys are made anew from the documents in the log.  A document may be written over a version newer than the
snapshot only by what was merged into it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...actors.key_text import key_text, range_text
from ...log.entry import Entry, Kind
from ..history import History
from ..keys import Move, moves, touches
from .violation import Violation

NAME = "audit"
MERGING = frozenset({"counters:bump", "counters:raise_to", "counters:tick"})
"""Mutations of the app that change what they have not read."""


def check(history: History) -> Iterator[Violation]:
    known: dict[int, list[Move]] = {}
    for entry in history.run.entries:
        if entry.kind is Kind.MUTATION and entry.snapshot < entry.lsn - 1:
            yield from check_entry(history, entry, known)


def check_entry(history: History, entry: Entry, known: dict[int, list[Move]]) -> Iterator[Violation]:
    who = f"entry {entry.lsn}, {entry.function}, read as of entry {entry.snapshot}"
    for lsn in range(entry.snapshot + 1, entry.lsn):
        if lsn not in known:
            known[lsn] = [move for change in history.changes[lsn] for move in moves(change)]
        for move in known[lsn]:
            for read in entry.reads:
                if touches(read, move):
                    between = f"entry {lsn}, {history.run.entries[lsn - 1].function}, moved {move_text(move)}"
                    problem = f"{who} {read.index} {range_text(read)}; {between}"
                    yield Violation(NAME, "nothing that was read has changed", problem)
                    return
    for write in entry.writes:
        if write.previous > entry.snapshot and entry.function not in MERGING:
            problem = f"{who}, and wrote over version {write.previous} of {write.id}"
            yield Violation(NAME, "only merges write over what is newer than the snapshot", problem)


def move_text(move: Move) -> str:
    old, new = (key_text(move.index, key) if key is not None else "nowhere" for key in (move.old, move.new))
    return f"{move.index} {old} to {new}"
