"""What reading a table must give, said in the simplest way: filter all documents, then sort them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cmp_to_key
from typing import Any

from attrs import frozen
from hypothesis import strategies as st
from relive.engine.data.schema import UNSET, Document, Int64, field, index
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.range_query import Query
from relive.protocol import order
from relive.protocol.values import NAN


class Row(Document):
    a: Any = field(default=UNSET)
    b: Any = field(default=UNSET)
    c: int = 0
    by_a = index(a)
    by_ab = index(a, b)


FIELDS: dict[str, tuple[str, ...]] = {"by_creation_time": (), "by_a": ("a",), "by_ab": ("a", "b")}
INDEXES: dict[str, Any] = {"by_a": Row.by_a, "by_ab": Row.by_ab}

NUMBERS = (Int64(-1), Int64(0), Int64(300), -1, 0, 1, 2, -0.0, 0.5, float("-inf"), float("inf"), NAN)
TEXTS = ("", "a", "a\0", "ab", "b", "é", b"", b"a", b"a\0")
values = st.sampled_from([UNSET, None, False, True, *NUMBERS, *TEXTS, [], [1], [1, "a"], {}, {"k": 1}])
some_values = st.sampled_from([UNSET, None, 1, 2, "a"])
"""Few, so that documents share them."""


def compare(one: Any, other: Any) -> int:
    """The order of values; a missing field is before all."""
    if one is UNSET or other is UNSET:
        return (one is not UNSET) - (other is not UNSET)
    return order.compare(one, other)


def compare_all(one: Iterable[Any], other: Iterable[Any]) -> int:
    return next((outcome for a, b in zip(one, other, strict=True) if (outcome := compare(a, b))), 0)


def key_of(name: str, row: Any) -> tuple[Any, ...]:
    return (*(getattr(row, item) for item in FIELDS[name]), row.creation_time, row.id)


@frozen
class Range:
    """A read: which index, which part of it, in which order."""

    index: str
    equal: tuple[Any, ...]
    bounds: tuple[tuple[str, Any], ...]
    """``gt``, ``gte``, ``lt``, ``lte`` with what they compare to."""
    reverse: bool

    def query(self, ctx: QueryCtx) -> Query[Row]:
        query = ctx.db.query(Row)
        if self.index != "by_creation_time":
            query = query.index(INDEXES[self.index], *self.equal, **dict(self.bounds))
        return query.order("desc") if self.reverse else query

    def holds(self, row: Row) -> bool:
        key = key_of(self.index, row)
        if any(compare(wanted, found) for wanted, found in zip(self.equal, key, strict=False)):
            return False
        return all(TESTS[name](compare(key[len(self.equal)], bound)) for name, bound in self.bounds)

    def sorted(self, rows: Iterable[Row]) -> list[Row]:
        by_key = cmp_to_key(lambda one, other: compare_all(key_of(self.index, one), key_of(self.index, other)))
        return sorted(filter(self.holds, rows), key=by_key, reverse=self.reverse)

    def next(self, rows: Iterable[Row], last: tuple[Any, ...] | None) -> Row | None:
        """The first row beyond the key ``last``."""
        beyond = -1 if self.reverse else 1
        left = (
            row for row in self.sorted(rows) if last is None or compare_all(key_of(self.index, row), last) == beyond
        )
        return next(left, None)


TESTS: dict[str, Callable[[int], bool]] = {
    "gt": lambda outcome: outcome > 0,
    "gte": lambda outcome: outcome >= 0,
    "lt": lambda outcome: outcome < 0,
    "lte": lambda outcome: outcome <= 0,
}


@st.composite
def ranges(draw: st.DrawFn, values: st.SearchStrategy[Any] = values) -> Range:
    name = draw(st.sampled_from(["by_a", "by_a", "by_ab", "by_ab", "by_creation_time"]))
    equal = draw(st.lists(values, max_size=len(FIELDS[name])))
    bounds: list[tuple[str, Any]] = []
    if name != "by_creation_time":
        # After all fields of an index comes the creation time.
        operand = values if len(equal) < len(FIELDS[name]) else st.floats(1.7e12, 1.7e12 + 0.1)
        sides = [draw(st.sampled_from(["gte", "gt", ""])), draw(st.sampled_from(["lte", "lt", ""]))]
        bounds = [(side, draw(operand)) for side in sides if side]
    return Range(name, tuple(equal), tuple(bounds), draw(st.booleans()))


palettes = st.lists(values, min_size=2, max_size=4).map(st.sampled_from)
"""A few values out of all: documents and bounds that are made of them often meet."""


@frozen
class Change:
    """One write; which document is counted from the oldest, and round and round."""

    verb: str
    position: int
    fields: dict[str, Any]

    async def make(self, ctx: MutationCtx, ids: list[str]) -> None:
        """Write, keeping ``ids`` what the table holds, the oldest first."""
        if self.verb == "insert" or not ids:
            ids.append(await ctx.db.insert(Row(**self.fields)))
            return
        database: Any = ctx.db
        id = ids[self.position % len(ids)]
        match self.verb:
            case "patch":
                await database.patch(id, **self.fields)
            case "replace":
                await database.replace(id, Row(**self.fields))
            case _:
                await database.delete(id)
                ids.remove(id)


def changes(values: st.SearchStrategy[Any] = values) -> st.SearchStrategy[Change]:
    whole = st.fixed_dictionaries({"a": values, "b": values}, optional={"c": st.integers(0, 1)})
    part: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {}, optional={"a": values, "b": values, "c": st.integers(0, 1)}
    )
    position = st.integers(0, 9)
    return st.one_of(
        st.builds(Change, st.just("insert"), position, whole),
        st.builds(Change, st.just("insert"), position, whole),
        st.builds(Change, st.just("patch"), position, part),
        st.builds(Change, st.just("replace"), position, whole),
        st.builds(Change, st.just("delete"), position, st.just({})),
    )


async def all_rows(ctx: QueryCtx, ids: list[str]) -> list[Row]:
    """Every document, each by its id."""
    found: list[Any] = [await ctx.db.get(id) for id in ids]  # type: ignore[arg-type]
    assert None not in found
    return found
