"""All tables as of the newest commit: what transactions read.

A follower of the log that is brought up at once: `position` is always the committer's head when a
transaction begins.

Invariant: every applied change went to the table that its definition says, at its entry's LSN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import define

from ..log.entry import BEFORE_FIRST, LSN, Entry, Write
from .definition import TableDefinition
from .table import Table
from .tail import Committed
from .version import Change, Version


@define(eq=False)
class Tables:
    definition_of: Callable[[str], TableDefinition]
    """What the engine knows of a table, by name; called once for each."""
    position: LSN
    by_name: dict[str, Table]

    @classmethod
    def empty(cls, definition_of: Callable[[str], TableDefinition]) -> Tables:
        return cls(definition_of, BEFORE_FIRST, {})

    def table(self, name: str) -> Table:
        """The table of that name; an empty one if nothing was ever written to it."""
        table = self.by_name.get(name)
        if table is None:
            table = self.by_name[name] = Table.empty(self.definition_of(name))
        return table

    def get(self, table: str, id: str) -> Version | None:
        return self.table(table).versions.get(id)

    def apply(self, committed: Committed) -> None:
        entry = committed.entry
        assert entry.lsn == self.position + 1, (entry.lsn, self.position)
        for change in committed.changes:
            self.table(change.table).apply(change, entry.lsn)
        self.position = entry.lsn

    def undo(self, committed: Committed) -> None:
        assert committed.entry.lsn == self.position, (committed.entry.lsn, self.position)
        for change in reversed(committed.changes):
            self.table(change.table).undo(change)
        self.position = LSN(self.position - 1)

    def replay(self, entry: Entry) -> tuple[Change, ...]:
        """Apply an entry as the log holds it.  Recovery replays writes; it never runs functions."""
        assert entry.lsn == self.position + 1, (entry.lsn, self.position)
        changes = []
        for write in entry.writes:
            change = self.decode(write)
            self.table(write.table).apply(change, entry.lsn)
            changes.append(change)
        self.position = entry.lsn
        return tuple(changes)

    def become(self, fresh: Tables) -> None:
        """Take over the state of a rebuilt follower; whoever holds this one keeps holding it."""
        self.position, self.by_name = fresh.position, fresh.by_name

    def decode(self, write: Write) -> Change:
        table = self.table(write.table)
        old = table.versions.get(write.id)
        assert (old.lsn if old is not None else BEFORE_FIRST) == write.previous, (write.id, write.previous)
        new = table.definition.decode(write.document) if write.document is not None else None
        return table.change(write.id, new)

    def adopt(self, definition_of: Callable[[str], TableDefinition], fresh: Mapping[str, Table]) -> list[Table]:
        """Go on with these tables, which other code has read and ordered, in place of those of their names.

        ``definition_of`` defines the tables to come.  Returns what was replaced.
        """
        replaced = [self.by_name[name] for name in fresh if name in self.by_name]
        self.definition_of = definition_of
        self.by_name.update(fresh)
        return replaced

    def check(self) -> None:
        for table in self.by_name.values():
            table.check()
