"""Two ways to the same state: entry by entry, and at once from what is stored in the end.

The first is how a server that runs keeps its tables, the second how one that starts fills them.  Where
they differ, one of the two would serve something wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from ...actors.definition import BY_ID
from ...actors.table import Table
from ...log.entry import FIRST_LSN, LSN
from ...log.reader import LogReader
from ...protocol.values import equal
from ..data.table_codec import TableCodec, untyped
from .replica import Replica

PROGRESS_STEP = 100
"""Entries between one report of progress and the next."""


@frozen
class Compared:
    """One table, both ways."""

    table: str
    documents: int
    keys: int
    """In all indexes."""
    problem: str
    """The first difference; empty if there is none."""


def compare_states(
    reader: LogReader, secret: bytes, last: LSN, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Compared]:
    """Every table after the entry ``last``, by name.

    ``on_progress`` is told how many entries were applied, of how many.  Raises Damaged, AppInvalid,
    SchemaMismatch.
    """
    walked = Replica(reader, secret)
    for entry in reader.entries(FIRST_LSN):
        walked.apply(entry)
        if entry.lsn % PROGRESS_STEP == 0:
            on_progress(entry.lsn, last)
        if entry.lsn == last:
            break
    filled = Replica.at(reader, secret, last)
    names = sorted({*walked.tables.by_name, *filled.tables.by_name})
    return [
        compared(walked.tables.table(name), filled.tables.table(name), filled.codecs.get(name) or untyped(name))
        for name in names
    ]


def compared(one: Table, other: Table, codec: TableCodec) -> Compared:
    keys = sum(len(index.entries) for index in other.indexes.values())
    return Compared(codec.name, len(other.versions), keys, difference(one, other, codec))


def difference(one: Table, other: Table, codec: TableCodec) -> str:
    """The first one; empty if both hold the same under the same keys."""
    for id in {**one.versions, **other.versions}:
        first, second = one.versions.get(id), other.versions.get(id)
        if first is None or second is None:
            return f"{id} is there {'after a start only' if first is None else 'until a restart only'}"
        if first.lsn != second.lsn:
            return f"{id} is of entry {first.lsn}, and after a start of entry {second.lsn}"
        if not equal(dict(codec.fields(first)), dict(codec.fields(second))):
            return f"{id} holds something else after a start"
    for name in sorted({*one.indexes, *other.indexes} - {BY_ID}):
        if name not in one.indexes or name not in other.indexes:
            return f"the index {name} is there {'after a start only' if name not in one.indexes else 'until a restart'}"
        if list(one.index(name).entries) != list(other.index(name).entries):
            return f"the index {name} has other keys after a start"
    return ""
