"""A mutation does at its commit what it did at its snapshot: executed again as of both, it comes out the same.

If it does not, an entry in between changed something that it had read, and the read set does not say so:
that is a hole, and the violation names the entry that changed the outcome.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...actors.key_text import range_text
from ...log.entry import Entry, Kind
from ...protocol import cbor, json
from ..history import History
from ..model.rows import NUMBER, Refusal, Row
from ..model.state import State
from .audit import MERGING
from .violation import Violation

NAME = "agreement"

Outcome = tuple[bytes | None, str]
"""Result, None if it is refused, and what is written."""


def check(history: History) -> Iterator[Violation]:
    for entry in history.run.entries:
        if entry.kind is not Kind.MUTATION or entry.snapshot >= entry.lsn - 1:
            continue
        found, expected = outcome(history, entry, entry.snapshot), outcome(history, entry, entry.lsn - 1)
        if found != expected:
            yield Violation(NAME, "a mutation reads the same at its snapshot and at its commit", why(history, entry))


def outcome(history: History, entry: Entry, lsn: int) -> Outcome:
    """What the model makes of the mutation as of an entry."""
    args: Any = cbor.decode(entry.args)
    before = history.states[lsn]
    after = before.copy()
    try:
        result = json.encode(after.mutate(entry.function, args))
    except Refusal:
        return None, ""
    # A merge is made of whatever is there at the commit; all else is not.
    return result, "" if entry.function in MERGING else repr(written(before, after))


def written(before: State, after: State) -> list[tuple[str, object, object]]:
    """Each row that is another one afterwards, by table and number; a new one has none."""
    changes: list[tuple[str, object, object]] = []
    for table, rows in sorted(after.tables.by_name.items()):
        old = {row[NUMBER]: row for row in before.tables.by_name.get(table, ())}
        new = {row[NUMBER]: row for row in rows}
        changes += [(table, number, None) for number in old if number not in new]
        changes += [(table, number, fields(row)) for number, row in new.items() if number in old and old[number] != row]
        changes += [(table, None, fields(row)) for number, row in new.items() if number not in old]
    return changes


def fields(row: Row) -> list[tuple[str, object]]:
    return [(name, value) for name, value in row.items() if name != NUMBER]


def why(history: History, entry: Entry) -> str:
    """Which entry changed the outcome, and what was recorded as read."""
    first = outcome(history, entry, entry.snapshot)
    lsn = next(lsn for lsn in range(entry.snapshot + 1, entry.lsn) if outcome(history, entry, lsn) != first)
    between, then = history.run.entries[lsn - 1], outcome(history, entry, lsn)
    wrote = ", ".join(f"{write.table}/{write.id}" for write in between.writes)
    reads = "; ".join(f"{read.index} {range_text(read)}" for read in entry.reads) or "nothing"
    change = f"its result is {first[0]!r}, and {then[0]!r}" if first[0] != then[0] else "it writes other documents"
    return (
        f"entry {entry.lsn}, {entry.function}, read as of entry {entry.snapshot}; entry {lsn}, {between.function}, "
        f"wrote {wrote}, after which {change}; it is said to have read {reads}"
    )
