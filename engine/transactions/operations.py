"""Changes to a field that do not need to know what it holds: `increment`, `maximum`, `append`...

    await ctx.db.merge(post, views=increment(1), last_seen=maximum(now))

Two transactions that only merge into the same document never conflict: at commit each operation is
applied to what the field holds by then.

Invariant: what an operation gives depends on the field's value and the operation alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from ...protocol.errors import InvalidValue
from ...protocol.order import compare
from ...protocol.values import Int64, Value
from ..data.documents import to_value


class Operation:
    """What becomes of a field."""

    def apply(self, held: Value | None, *, missing: bool) -> object:
        """The new value of a field that holds ``held``, or is ``missing``.  Raises InvalidValue."""
        raise NotImplementedError


@frozen
class Increment(Operation):
    by: int | float

    def apply(self, held: Value | None, *, missing: bool) -> object:
        if missing:
            return self.by
        if isinstance(held, bool) or not isinstance(held, (int, float)):
            raise InvalidValue("", f"increment() needs a number to add to, not {type(held).__name__}")
        if isinstance(held, Int64):
            if not isinstance(self.by, int):
                raise InvalidValue("", "an Int64 can be incremented by whole numbers only")
            return Int64(int(held) + int(self.by))
        if isinstance(self.by, Int64):
            raise InvalidValue("", "a number cannot be incremented by an Int64")
        return held + self.by


@frozen
class Extreme(Operation):
    """The greater, or the smaller, of the two in the order of values."""

    value: Value
    greater: bool

    def apply(self, held: Value | None, *, missing: bool) -> object:
        if missing:
            return self.value
        # As in increment(), Python's own int will do for an Int64: by kind every number is greater than it.
        value = Int64(self.value) if type(held) is Int64 and type(self.value) is int else self.value
        wins = compare(value, held) > 0 if self.greater else compare(value, held) < 0
        return value if wins else held


@frozen
class Append(Operation):
    items: tuple[Value, ...]

    def apply(self, held: Value | None, *, missing: bool) -> object:
        if missing:
            return list(self.items)
        if not isinstance(held, list):
            raise InvalidValue("", f"append() needs an array to add to, not {type(held).__name__}")
        return [*held, *self.items]


def increment(by: float = 1, /) -> Operation:
    """Add to a number; a missing field counts as 0."""
    if isinstance(by, bool) or not isinstance(by, (int, float)):
        raise TypeError(f"increment() takes a number, not {type(by).__name__}")
    return Increment(by)


def maximum(value: object, /) -> Operation:
    """Keep the greater of what the field holds and ``value``; a missing field is smaller than all."""
    return Extreme(to_value(value), greater=True)


def minimum(value: object, /) -> Operation:
    """Keep the smaller of what the field holds and ``value``; a missing field becomes ``value``."""
    return Extreme(to_value(value), greater=False)


def append(*items: object) -> Operation:
    """Add to the end of an array; a missing field counts as an empty one."""
    return Append(tuple(to_value(item) for item in items))


def apply_all(operations: Mapping[str, Operation], fields: Mapping[str, Value]) -> dict[str, Value]:
    """Stored fields after one merge.  Raises InvalidValue with the path."""
    merged: dict[str, Any] = dict(fields)
    for name, operation in operations.items():
        try:
            merged[name] = to_value(operation.apply(merged.get(name), missing=name not in merged))
        except InvalidValue as error:
            raise InvalidValue(f"$.{name}", error.problem) from None
    return merged
