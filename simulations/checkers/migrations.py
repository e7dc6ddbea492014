"""A migration that is done has been given each document of its table once, whatever went on meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ...log.entry import Entry, Kind
from ...protocol import cbor
from ..fold import Fold
from ..history import History
from ..model.items import ITEMS
from .violation import Violation

NAME = "migrations"
ROWS = "_migrations"


def check(history: History) -> Iterator[Violation]:
    fold, given = Fold(), Counter[str]()
    for entry in history.run.entries:
        fold.apply(entry)
        if entry.kind is not Kind.SYSTEM:
            continue
        given.update(write.id for write in entry.writes if write.table == ITEMS)
        state = state_in(entry)
        if state == "failed":
            yield Violation(NAME, "a migration does not fail", f"entry {entry.lsn}: {entry.function}")
        if state == "done":
            for document in fold.whole(ITEMS):
                count = given[document["_id"]]
                if count != 1:
                    problem = (
                        f"{entry.function} is done as of entry {entry.lsn}, and was given {document} {count} times"
                    )
                    yield Violation(NAME, "each document is migrated once", problem)


def state_in(entry: Entry) -> str | None:
    """What the entry says of the migration; None if nothing."""
    for write in entry.writes:
        if write.table == ROWS and write.document is not None:
            row: Any = cbor.decode(write.document)
            state: str = row["state"]
            return state
    return None
