"""Transactions as data: what a function does, step by step, to be carried out by the engine and by the reference.

A program is a tuple of steps.  Each gives one item of the result; if it raises, the program ends, unless the
step is `Caught`.  Documents are named by their ids, or by the number of the insert that made them in the
same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen


class Refused(Exception):
    """What programs raise themselves."""


@frozen
class Own:
    """The document of an insert of this transaction, counted from the first, and round and round."""

    number: int


Target = str | Own


@frozen
class Condition:
    """A filter: the field equals the value, or does not, or the filter raises where it does."""

    kind: Literal["is", "is not", "raises"]
    field: str
    value: Any

    def holds(self, held: object) -> bool:
        """Raises Refused."""
        equal = bool(held == self.value)
        if equal and self.kind == "raises":
            raise Refused
        return equal is (self.kind == "is")


@frozen
class Read:
    """A range of an index, an order, filters."""

    table: str
    by_name: bool = False
    """Name the table and the index by text, not by their classes."""
    index: str = ""
    """Empty: the whole table, by creation time."""
    equal: tuple[Any, ...] = ()
    bounds: Mapping[str, Any] = field(factory=dict)
    reverse: bool = False
    conditions: tuple[Condition, ...] = ()


@frozen
class Get:
    target: Target


@frozen
class Rows:
    read: Read
    way: Literal["collect", "take", "first", "unique", "count", "exists", "stop"]
    count: int = 1
    """For ``take`` and ``stop``, which leaves a loop after so many."""


@frozen
class Pages:
    """Pages of one query, each where the one before ended, until there are no more."""

    read: Read
    items: int
    count: int = 1
    cursor: str | None = None
    end: str | None = None
    rows_max: int | None = None


@frozen
class Insert:
    table: str
    fields: Mapping[str, Any]
    as_mapping: bool = False


@frozen
class Patch:
    target: Target
    changes: Mapping[str, Any]
    """`UNSET` removes a field."""


@frozen
class Replace:
    target: Target
    table: str
    """Whose class is used, if it is not given as a mapping."""
    fields: Mapping[str, Any]
    as_mapping: bool = False


@frozen
class Delete:
    target: Target


@frozen
class Merge:
    target: Target
    operations: Mapping[str, tuple[Literal["increment", "maximum", "minimum", "append"], Any]]


@frozen
class Each:
    """Change every row of a range while it is read, and leave the loop after so many."""

    read: Read
    most: int
    change: Patch | Insert | Delete
    """The target of a patch or a deletion is the row."""


@frozen
class Call:
    """Another function within the transaction."""

    kind: Literal["query", "mutation", "stale query"]
    program: Program
    by_name: bool = False


@frozen
class Raise:
    """The function fails."""


@frozen
class Caught:
    """What the step raises is caught, and the program goes on."""

    step: Step


Step = Get | Rows | Pages | Insert | Patch | Replace | Delete | Merge | Each | Call | Raise | Caught
Program = tuple[Step, ...]
