"""Which number each imported table gets: the number is part of every id, so ids of a file need theirs.

Invariants
    * Numbers stay unique.
    * A table with documents that stay keeps its number, for their ids hold it.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define

from ..data.catalog import USER_TABLE_NUMBER_MIN, Catalog
from ..limits import TABLES_MAX
from .errors import ImportRefused

NUMBER_MAX = USER_TABLE_NUMBER_MIN + TABLES_MAX - 1


@define(eq=False)
class Numbering:
    """The numbers of all tables after an import."""

    before: dict[str, int]
    numbers: dict[str, int]

    @classmethod
    def of(cls, catalog: Catalog, wanted: Mapping[str, int | None], staying: frozenset[str]) -> Numbering:
        """Give the tables of a file their numbers; ``wanted`` None takes any.

        ``staying`` are tables with documents that will still be there.  An empty table makes room.
        Raises ImportRefused.
        """
        catalog.refresh()
        before = {name: number for name, number in catalog.numbers.items() if number >= USER_TABLE_NUMBER_MIN}
        made = cls(before, dict(before))
        fixed = {number: name for name, number in before.items() if name in staying}
        for table, number in wanted.items():
            if number is None:
                continue
            made.check(table, number, fixed)
            fixed[number] = table
        made.numbers = {name: number for number, name in fixed.items()}
        for table in (*before, *wanted):
            if table not in made.numbers:
                made.add(table, before.get(table))
        assert len(set(made.numbers.values())) == len(made.numbers), "two tables with one number"
        return made

    def check(self, table: str, number: int, fixed: Mapping[int, str]) -> None:
        if not USER_TABLE_NUMBER_MIN <= number <= NUMBER_MAX:
            span = f"from {USER_TABLE_NUMBER_MIN} to {NUMBER_MAX}"
            problem = f"table {table!r} has the number {number}, and only those {span} are allowed"
            raise ImportRefused(problem)
        holder = fixed.get(number)
        if holder is not None and holder != table:
            raise ImportRefused(
                f"ids of table {table!r} in the file hold the table number {number}, which is that of {holder!r} "
                f"here, and that table has documents: import into an empty deployment, or replace {holder!r} as well"
            )
        own = next((held for held, name in fixed.items() if name == table), None)
        if own is not None and own != number:
            raise ImportRefused(
                f"ids of table {table!r} in the file hold the table number {number}, but here it is {own}, and its "
                "documents stay: use --replace, or leave `_id` out of the file"
            )

    def add(self, table: str, kept: int | None) -> None:
        taken = set(self.numbers.values())
        if kept is None or kept in taken:
            kept = max([USER_TABLE_NUMBER_MIN - 1, *taken, *self.before.values()]) + 1
        if kept > NUMBER_MAX:
            raise ImportRefused(f"there are {TABLES_MAX:,} tables already")
        self.numbers[table] = kept

    def changed(self) -> dict[str, int]:
        """New tables and those with another number, and which."""
        return {name: number for name, number in self.numbers.items() if self.before.get(name) != number}

    @property
    def renumbered(self) -> frozenset[str]:
        """Tables that were there and had another number."""
        return frozenset(name for name in self.changed() if name in self.before)
