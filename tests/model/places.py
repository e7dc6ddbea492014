"""Where documents stand in an index, and what lies between two places, said by the values of their fields.

Nothing here knows of the bytes that the engine makes.  The key of a document is the tuple of what the index
names in it, with creation time and id; a cut is a place between such tuples.  A change touches what was read
if the old or the new document lies there; of a count, if the document comes in or goes out.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen
from relive.engine.data.schema import UNSET, Int64
from relive.protocol.order import compare

from .programs import Read
from .schemas import Path, Table

Fields = dict[str, Any]
Key = tuple[Any, ...]
INT_MAX: Final = 2**53 - 1


def compare_items(one: Any, other: Any) -> int:
    """The order of values; a missing one is before all."""
    if one is UNSET or other is UNSET:
        return (one is not UNSET) - (other is not UNSET)
    return compare(one, other)


def compare_keys(one: Key, other: Key) -> int:
    """As far as both go."""
    return next((outcome for a, b in zip(one, other, strict=False) if (outcome := compare_items(a, b))), 0)


def same(one: Fields, other: Fields) -> bool:
    return compare(one, other) == 0


def token(value: Any) -> object:
    """The same for equal values, and for no others; can be a key of a dictionary."""
    if isinstance(value, dict):
        return "object", tuple((name, token(value[name])) for name in sorted(value))
    if isinstance(value, list):
        return "array", tuple(map(token, value))
    if isinstance(value, float) and value.is_integer() and abs(value) <= INT_MAX and str(value) != "-0.0":
        value = int(value)
    kind = type(value).__name__ if isinstance(value, (bool, Int64, str, bytes)) else "number"
    return kind, repr(value)


@frozen(eq=False)
class Cut:
    """A place in an index: before, or behind, all keys that begin with these values."""

    values: Key
    behind: bool

    def is_below(self, key: Key) -> bool:
        """Whether the key stands on the far side."""
        outcome = compare_keys(self.values, key)
        return outcome < 0 if outcome else not self.behind

    def comes_before(self, other: Cut) -> bool:
        outcome = compare_keys(self.values, other.values)
        if outcome:
            return outcome < 0
        if len(self.values) == len(other.values):
            return other.behind and not self.behind
        # What begins with the longer one lies within what begins with the shorter one.
        return not self.behind if len(self.values) < len(other.values) else other.behind

    def token(self) -> object:
        return tuple(map(token, self.values)), self.behind


def before(*key: Any) -> Cut:
    return Cut(key, behind=False)


def behind(*key: Any) -> Cut:
    return Cut(key, behind=True)


BEGINNING: Final = before()
END: Final = behind()


def later(one: Cut, other: Cut) -> Cut:
    return other if one.comes_before(other) else one


def earlier(one: Cut, other: Cut) -> Cut:
    return one if one.comes_before(other) else other


def at(document: Fields, path: Path) -> Any:
    """What stands there; UNSET if nothing does."""
    held: Any = document
    for name in path:
        held = held.get(name, UNSET) if isinstance(held, dict) else UNSET
    return held


def key_of(table: Table, index: str, document: Fields) -> Key:
    if index == "by_id":
        return (document["_id"],)
    paths = table.indexes[index] if index != "by_creation_time" else ()
    return (*(at(document, path) for path in paths), document["_creationTime"], document["_id"])


@frozen(eq=False)
class Change:
    table: str
    id: str
    old: Fields | None
    new: Fields | None


@frozen(eq=False)
class Span:
    """A part of an index; ``keys_only`` if only which documents lie there was looked at, not what they hold."""

    table: Table
    index: str
    low: Cut
    high: Cut
    keys_only: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.low.comes_before(self.high)

    def holds(self, document: Fields | None) -> bool:
        if document is None:
            return False
        key = key_of(self.table, self.index, document)
        return self.low.is_below(key) and not self.high.is_below(key)

    def touched(self, change: Change) -> bool:
        if change.table != self.table.name:
            return False
        was_inside, is_inside = self.holds(change.old), self.holds(change.new)
        return was_inside is not is_inside if self.keys_only else was_inside or is_inside


def span_of(table: Table, read: Read) -> Span:
    """What a read names, all of it."""
    index = read.index or "by_creation_time"
    kinds = [table.kind_at(path) for path in table.indexes.get(index, ())]
    prefix = tuple(as_held(value, kind) for value, kind in zip(read.equal, kinds, strict=False))
    kind = kinds[len(prefix)] if len(prefix) < len(kinds) else "any"
    low, high = before(*prefix), behind(*prefix)
    for name, value in read.bounds.items():
        place = (*prefix, as_held(value, kind))
        match name:
            case "gt":
                low = behind(*place)
            case "gte":
                low = before(*place)
            case "lt":
                high = before(*place)
            case "lte":
                high = behind(*place)
    return Span(table, index, low, high)


def as_held(value: Any, kind: str) -> Any:
    """Where an Int64 is declared, Python's own int will do."""
    return Int64(value) if kind == "int64" and type(value) is int else value
