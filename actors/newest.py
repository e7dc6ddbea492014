"""The newest body of every document: what is left when the log has been replayed.

Recovery replays writes and never runs functions.  Bodies that were written over are never decoded,
so an old document need not fit today's schema; only what is left must.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import Factory, define

from ..log.entry import BEFORE_FIRST, LSN, Entry
from .tables import Tables

PROGRESS_STEP = 1_000
"""Documents between one report of progress and the next."""


@define(eq=False)
class Newest:
    position: LSN = BEFORE_FIRST
    bodies: dict[str, dict[str, tuple[bytes, LSN]]] = Factory(dict)
    """By table and id: the document and the entry that wrote it."""

    def apply(self, entry: Entry) -> None:
        assert entry.lsn == self.position + 1, (entry.lsn, self.position)
        for write in entry.writes:
            table = self.bodies.setdefault(write.table, {})
            known = table.get(write.id)
            assert (known[1] if known is not None else BEFORE_FIRST) == write.previous, (write.id, entry.lsn)
            if write.document is None:
                del table[write.id]
            else:
                table[write.id] = (write.document, entry.lsn)
        self.position = entry.lsn

    def fill(
        self,
        tables: Tables,
        refuse: Callable[[str, str, Exception], None],
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Bring empty tables up to `position`.  ``refuse`` is told of each document that does not
        fit: table, id and error; it may raise.  ``on_progress`` is told how many documents are done, of
        how many."""
        assert tables.position == BEFORE_FIRST, tables.position
        assert not tables.by_name, "the tables hold something already"
        done, total = 0, sum(map(len, self.bodies.values()))
        for name, bodies in self.bodies.items():
            table = tables.table(name)
            for id, (body, lsn) in bodies.items():
                done += 1
                if done % PROGRESS_STEP == 0:
                    on_progress(done, total)
                try:
                    version = table.definition.decode(body)
                except Exception as error:
                    refuse(name, id, error)
                    continue
                table.apply(table.change(id, version), lsn)
        tables.position = self.position
