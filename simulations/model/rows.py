"""Rows and tables of the model.

Invariant: a row is never changed, and neither is the tuple that a table is; so states share what is equal.
"""

from __future__ import annotations

from typing import Any

from attrs import Factory, define, field, frozen

Row = dict[str, Any]
"""With the row's number under `NUMBER`."""
NUMBER = "#"


class Refusal(Exception):
    """The function raises an application error."""


@frozen
class Ref:
    """The id of a row, which the model does not know."""

    number: int


class Stamp:
    """Stands for the time of the commit."""


STAMP = Stamp()


@define
class Tables:
    """The rows of each table, in the order in which they were made."""

    by_name: dict[str, tuple[Row, ...]] = Factory(dict[str, tuple[Row, ...]])
    made: int = field(default=0, eq=False)
    """Rows that there ever were."""
    version: int = 1
    """Of the app."""
    looked: set[str] = field(factory=set[str], eq=False)
    """Tables that were read."""

    def copy(self) -> Tables:
        return Tables(dict(self.by_name), self.made, self.version)

    def rows(self, table: str) -> tuple[Row, ...]:
        self.looked.add(table)
        return self.by_name.get(table, ())

    def where(self, table: str, **fields: Any) -> list[Row]:
        return [row for row in self.rows(table) if all(row[name] == value for name, value in fields.items())]

    def first(self, table: str, **fields: Any) -> Row | None:
        return next(iter(self.where(table, **fields)), None)

    def insert(self, table: str, **fields: Any) -> Row:
        self.made += 1
        row = {NUMBER: self.made, **fields}
        self.by_name[table] = (*self.rows(table), row)
        return row

    def patch(self, table: str, old: Row, **fields: Any) -> Row:
        new = {**old, **fields}
        self.by_name[table] = tuple(new if row is old else row for row in self.rows(table))
        return new

    def delete(self, table: str, old: Row) -> None:
        self.by_name[table] = tuple(row for row in self.rows(table) if row is not old)

    def of(self, table: str, ref: Ref) -> Row | None:
        return next((row for row in self.rows(table) if row[NUMBER] == ref.number), None)
