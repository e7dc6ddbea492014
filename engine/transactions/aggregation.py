"""``ctx.db.aggregate(T.total)``: how many documents a range holds, what they add up to, who stands where.

    await ctx.db.aggregate(Sale.by_shop, "here").sum()
    await ctx.db.aggregate(Score.board, game).rank(points)

Nothing reads the documents of the range, and the time hardly grows with their number.  A count and a rank
depend on which documents there are; sum, least and greatest on what is in them, too.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from attrs import frozen

from ...actors.sums import Totals
from ...log.entry import IndexKey
from ..data.aggregates import Adds
from ..data.index_fields import SummedField, key_of_bound
from .range_query import Query

N_co = TypeVar("N_co", covariant=True)


@frozen(eq=False, repr=False)
class Aggregated(Generic[N_co]):
    """A range of an aggregate, to be asked."""

    query: Query[Any]
    made: Adds[N_co]
    prefix: IndexKey
    """The keys of the values that its first fields have to equal."""
    given: int
    """How many those are."""

    def __repr__(self) -> str:
        return f"<{self.made!r}, not asked yet>"

    async def count(self) -> int:
        """How many documents there are."""
        return await self.query.count()

    async def sum(self) -> N_co:
        """What their numbers add up to, 0 if there are none.

        Integers are added exactly.  So are floats, and rounded once, at the end: the same documents give the
        same sum.  Raises TypeError for an aggregate without ``sum=``, InvalidValue for a sum of Int64 beyond
        64 bits.
        """
        totals = self._totals()
        total: Any = self._summed().number(totals)
        found: N_co = total
        return found

    async def min(self) -> N_co | None:
        """The least of their numbers; None if there are none.  NaN is not among them."""
        least: Any = self._totals().least
        return least  # type: ignore[no-any-return]

    async def max(self) -> N_co | None:
        """The greatest of their numbers; None if there are none.  NaN is not among them."""
        greatest: Any = self._totals().greatest
        return greatest  # type: ignore[no-any-return]

    async def rank(self, value: Any, /, *more: Any) -> int:
        """How many documents of the range stand before those with these values in the fields that follow.

        The values need not be there.  Raises TypeError for more values than fields.
        """
        query, values = self.query, (value, *more)
        fields = query.codec.indexes[query.index_name.index].fields[self.given :]
        if len(values) > len(fields):
            raise TypeError(f"rank(): {len(fields)} fields of {self.made!r} are left, {len(values)} values were given")
        stop = self.prefix + b"".join(
            [key_of_bound(field.comparable(item)) for field, item in zip(fields, values, strict=False)]
        )
        if query.stop is not None:
            stop = min(stop, query.stop)
        return query.transaction.count(query.index_name, query.start, stop)

    async def at(self, position: int, /) -> Any:
        """The document at a position, 0 being the first and -1 the last; None if there are not so many."""
        if not isinstance(position, int) or isinstance(position, bool):
            raise TypeError(f"at() takes a whole number, not {position!r}")
        query = self.query
        version = query.transaction.at(query.index_name, query.start, query.stop, position)
        return version.document if version is not None else None

    def _totals(self) -> Totals:
        self._summed()
        query = self.query
        return query.transaction.totals(query.index_name, query.start, query.stop)

    def _summed(self) -> SummedField:
        summed = self.query.codec.indexes[self.query.index_name.index].summed
        if summed is None:
            raise TypeError(f"{self.made!r} adds nothing up: declare it with sum=")
        return summed
