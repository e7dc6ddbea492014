"""Which tables there are and which number each has: the number is part of every document id.

The system table ``_tables`` holds it, so a table comes into being by a write like any other, and
whoever looked for it in vain is told.
"""

from __future__ import annotations

from attrs import Factory, define

from ...actors.tables import Tables
from ...actors.version import Version
from .system_tables import NUMBERS, TABLES, TableRow

USER_TABLE_NUMBER_MIN = 10_001
"""Smaller numbers belong to tables of the system."""


@define(eq=False)
class Catalog:
    tables: Tables
    numbers: dict[str, int] = Factory(lambda: dict(NUMBERS))
    names: dict[int, str] = Factory(lambda: {number: name for name, number in NUMBERS.items()})
    newest: Version | None = None
    """The last row of ``_tables`` that the dictionaries know.  Rows are never changed; the last ones can be
    taken back, and others come in their place."""

    def refresh(self) -> None:
        versions = self.tables.table(TABLES).versions
        newest = next(reversed(versions.values()), None)
        if newest is self.newest:
            return
        self.numbers = dict(NUMBERS)
        for version in versions.values():
            row = version.document
            assert isinstance(row, TableRow)
            self.numbers[row.name] = row.number
        self.names = {number: name for name, number in self.numbers.items()}
        assert len(self.names) == len(self.numbers), "two tables with one number"
        self.newest = newest

    def number_of(self, name: str) -> int | None:
        self.refresh()
        return self.numbers.get(name)

    def name_of(self, number: int) -> str | None:
        self.refresh()
        return self.names.get(number)

    def next_number(self) -> int:
        self.refresh()
        return max([USER_TABLE_NUMBER_MIN - 1, *self.names]) + 1
