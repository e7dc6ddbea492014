"""The newest body of every document: what is left when the log has been replayed.

Recovery replays writes and never runs functions.  Bodies that were written over are never decoded,
so an old document need not fit today's schema; only what is left must.  And what a checkpoint knows to
fit, and where it stands in its indexes, is not decoded either before somebody reads it.

Invariant: filled with the keys of a checkpoint or without, tables hold the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from attrs import Factory, define

from ..log.entry import BEFORE_FIRST, DROPPED, LSN, Entry
from ..log.errors import HistoryDropped
from .definition import TableDefinition
from .stored_keys import StoredKeys, keys_of
from .tables import Tables

PROGRESS_STEP = 1_000
"""Documents between one report of progress and the next."""


@define(eq=False)
class Newest:
    position: LSN = BEFORE_FIRST
    bodies: dict[str, dict[str, tuple[bytes, LSN]]] = Factory(dict)
    """By table and id: the document and the entry that wrote it."""
    keys: dict[str, StoredKeys] = Factory(dict[str, StoredKeys])
    """By table, where a checkpoint had them."""
    dropped: dict[tuple[str, str], LSN] = Factory(dict[tuple[str, str], LSN])
    """Documents of which only is known that an entry wrote them: as of `position` nobody can tell what they were."""

    def apply(self, entry: Entry) -> None:
        assert entry.lsn == self.position + 1, (entry.lsn, self.position)
        for write in entry.writes:
            table = self.bodies.setdefault(write.table, {})
            known = table.get(write.id)
            assert (known[1] if known is not None else BEFORE_FIRST) == write.previous, (write.id, entry.lsn)
            if write.table in self.keys:
                self.keys[write.table].written.add(write.id)
            if write.document == DROPPED:
                self.dropped[write.table, write.id] = entry.lsn
            elif self.dropped:
                self.dropped.pop((write.table, write.id), None)
            if write.document is None:
                del table[write.id]
            else:
                table[write.id] = (write.document, entry.lsn)
        self.position = entry.lsn

    def require_whole(self) -> None:
        """Raises HistoryDropped."""
        for (table, id), lsn in self.dropped.items():
            raise HistoryDropped(table, id, lsn)

    def order(self, definition_of: Callable[[str], TableDefinition]) -> None:
        """Make the keys of all tables, so that a checkpoint holds them."""
        made = {}
        for name, bodies in self.bodies.items():
            definition = definition_of(name)
            if definition.fingerprint and bodies:
                made[name] = keys_of(definition, bodies, self.keys.get(name))
        self.keys = {name: keys for name, keys in made.items() if keys is not None}

    def fill(
        self,
        tables: Tables,
        refuse: Callable[[str, str, Exception], None],
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Bring empty tables up to `position`.  ``refuse`` is told of each document that does not
        fit: table, id and error; it may raise.  ``on_progress`` is told how many documents are done, of
        how many.

        Raises HistoryDropped if one of them is beyond retention as of `position`, which the newest never are.
        """
        self.require_whole()
        assert tables.position == BEFORE_FIRST, tables.position
        assert not tables.by_name, "the tables hold something already"
        done, total = 0, sum(map(len, self.bodies.values()))
        for name, bodies in self.bodies.items():
            table, keys = tables.table(name), self.keys.get(name)
            todo: Collection[str] = bodies
            if keys is not None and keys.fits(table.definition):
                keys.fill(table, bodies)
                todo = [id for id in bodies if id in keys.written]
                done += len(bodies) - len(todo)
            for id in todo:
                done += 1
                if done % PROGRESS_STEP == 0:
                    on_progress(done, total)
                body, lsn = bodies[id]
                try:
                    version = table.definition.decode(body)
                except Exception as error:
                    table.versions.pop(id, None)
                    refuse(name, id, error)
                    continue
                table.take_in(version, lsn)
            table.order_texts()
        tables.position = self.position
