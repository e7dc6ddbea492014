"""``ctx.db.query(T)``: a range of an index, an order, filters, and the ways to read it.

    await ctx.db.query(Message).index(Message.by_channel, channel).order("desc").take(50)
    async for message in ctx.db.query(Message).index(Message.by_author, author, gte=3): ...

A query does nothing until it is read; what is read, and no more, goes to the read set.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Generic, Literal, TypeVar, overload

from attrs import evolve, frozen

from ...actors.definition import BY_CREATION_TIME, BY_ID
from ...log.entry import IndexKey, IndexName
from ..data.index_fields import IndexField, key_of_bound
from ..data.indexes import SYSTEM_INDEXES, Index1, Index2, Index3, Index4, SystemIndex
from ..data.table_codec import TableCodec
from ..data.text_indexes import ANY, AnyValue, TextIndex, TextIndex1, TextIndex2, TextIndex3, TextIndex4, TextIndexMore
from ..errors import IndexStaged, IndexUnknown, NotUnique
from .pagination import Page, PaginationOptions, read_page
from .search import SearchQuery, searched
from .transaction import Transaction

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


class NoBound:
    """Where a bound is not given; None and UNSET are values to compare with."""


NO_BOUND: Any = NoBound()

BOUNDS = frozenset(("gt", "gte", "lt", "lte"))

BEYOND = b"\xff"
"""What stands behind the key of a field is the tag of the next one, which is smaller than this.

Only the key of a longer text goes on with it: that of "a\\0" is that of "a", then 0xff and more."""


@frozen(eq=False, repr=False)
class Query(Generic[T]):
    """A range of one table; immutable, each method gives another query."""

    transaction: Transaction
    codec: TableCodec
    index_name: IndexName
    start: IndexKey = b""
    stop: IndexKey | None = None
    reverse: bool = False
    tests: tuple[Callable[[T], bool], ...] = ()
    shown: Callable[[Any], Any] | None = None
    """What of a document is seen; None if all of it is."""

    def __repr__(self) -> str:
        """Printed when a way to read it was forgotten; of what it works with, nothing may show."""
        return f"<query of {self.index_name}, not read yet>"

    @overload
    def index(self, index: SystemIndex[A], /, *, gt: A = ..., gte: A = ..., lt: A = ..., lte: A = ...) -> Query[T]: ...
    @overload
    def index(self, index: Index1[A], /, *, gt: A = ..., gte: A = ..., lt: A = ..., lte: A = ...) -> Query[T]: ...
    @overload
    def index(
        self, index: Index2[A, B], a: A, /, *, gt: B = ..., gte: B = ..., lt: B = ..., lte: B = ...
    ) -> Query[T]: ...
    @overload
    def index(
        self, index: Index3[A, B, C], a: A, b: B, /, *, gt: C = ..., gte: C = ..., lt: C = ..., lte: C = ...
    ) -> Query[T]: ...
    @overload
    def index(
        self,
        index: Index4[A, B, C, D],
        a: A,
        b: B,
        c: C,
        /,
        *,
        gt: D = ...,
        gte: D = ...,
        lt: D = ...,
        lte: D = ...,
    ) -> Query[T]: ...
    @overload
    def index(
        self,
        index: Index1[A],
        a: A,
        /,
        *,
        gt: float = ...,
        gte: float = ...,
        lt: float = ...,
        lte: float = ...,
    ) -> Query[T]: ...
    @overload
    def index(
        self,
        index: Index2[A, B],
        a: A,
        b: B,
        /,
        *,
        gt: float = ...,
        gte: float = ...,
        lt: float = ...,
        lte: float = ...,
    ) -> Query[T]: ...
    @overload
    def index(
        self,
        index: Index3[A, B, C],
        a: A,
        b: B,
        c: C,
        /,
        *,
        gt: float = ...,
        gte: float = ...,
        lt: float = ...,
        lte: float = ...,
    ) -> Query[T]: ...
    @overload
    def index(self, index: Index4[A, B, C, D], a: A, b: B, c: C, d: D, /, *more: Any, **bounds: Any) -> Query[T]: ...
    @overload
    def index(self: Query[Mapping[str, Any]], index: str, /, *equal: Any, **bounds: Any) -> Query[T]: ...
    def index(self, index: Index1[Any] | SystemIndex[Any] | str, /, *equal: Any, **bounds: Any) -> Query[T]:
        """The documents whose first fields equal ``equal``, in the order of the index.

        The bounds ``gt``, ``gte``, ``lt``, ``lte`` apply to the next field, which is the creation
        time when all are given.  A missing field sorts before everything (pass `UNSET`).  Every table
        has ``by_creation_time`` and ``by_id``, also for tables without a class, by name.

        Raises IndexUnknown for an index of another table, IndexStaged for one that is not to be read
        yet, TypeError for too many values.
        """
        name = index if isinstance(index, str) else index.name
        fields = self._fields_of(index)
        if not bounds.keys() <= BOUNDS:
            raise TypeError(f"bounds are gt, gte, lt and lte, not {', '.join(sorted(bounds.keys() - BOUNDS))}")
        if len(equal) > len(fields):
            raise TypeError(f"{index!r} has {len(fields)} fields, {len(equal)} values were given")
        prefix = b"".join([key_of_bound(field.comparable(value)) for field, value in zip(fields, equal, strict=False)])
        if name == BY_ID:
            start, stop = id_range(**bounds)
        else:
            if len(equal) < len(fields):
                following = fields[len(equal)]
                bounds = {bound: following.comparable(value) for bound, value in bounds.items()}
            start, stop = key_range(prefix, **bounds)
        return evolve(self, index_name=IndexName(self.codec.name, name), start=start, stop=stop)

    @overload
    def search(self, index: TextIndex, words: str, /) -> SearchQuery[T]: ...
    @overload
    def search(self, index: TextIndex1[A], words: str, a: A | AnyValue, /) -> SearchQuery[T]: ...
    @overload
    def search(self, index: TextIndex2[A, B], words: str, a: A | AnyValue, b: B | AnyValue, /) -> SearchQuery[T]: ...
    @overload
    def search(
        self, index: TextIndex3[A, B, C], words: str, a: A | AnyValue, b: B | AnyValue, c: C | AnyValue, /
    ) -> SearchQuery[T]: ...
    @overload
    def search(
        self,
        index: TextIndex4[A, B, C, D],
        words: str,
        a: A | AnyValue,
        b: B | AnyValue,
        c: C | AnyValue,
        d: D | AnyValue,
        /,
    ) -> SearchQuery[T]: ...
    @overload
    def search(self, index: TextIndexMore, words: str, /, *equal: Any) -> SearchQuery[T]: ...
    def search(self, index: TextIndex, words: str, /, *equal: Any) -> SearchQuery[T]:
        """The documents that have at least one of the words, the most relevant first.

        The last word may be the beginning of one.  ``equal`` are what the filter fields of the index hold, in
        their order; `ANY` leaves one out.  Without words nothing is found.

        Raises IndexUnknown for an index of another table, IndexStaged for one that is not to be searched yet,
        LimitReached for too many words, TypeError for too many values.
        """
        if self.index_name.index != BY_CREATION_TIME or self.start or self.stop is not None or self.reverse:
            raise TypeError(
                "search() finds its documents in a text index, in the order of relevance: call it on query()"
            )
        name = getattr(index, "name", repr(index))
        known = self.codec.text_indexes.get(name)
        if known is None or known.made is not index:
            raise IndexUnknown(self.codec.name, repr(index), tuple(self.codec.text_indexes))
        if known.made.staged:
            raise IndexStaged(self.codec.name, name)
        if len(equal) > len(known.filters):
            raise TypeError(f"{index!r} has {len(known.filters)} filter fields, {len(equal)} values were given")
        asked = {place: value for place, value in enumerate(equal) if value is not ANY}
        return searched(self.transaction, self.codec, name, words, asked, self.tests)

    def _fields_of(self, index: Index1[Any] | SystemIndex[Any] | str) -> tuple[IndexField, ...]:
        """Raises IndexUnknown, IndexStaged."""
        name = index if isinstance(index, str) else index.name
        if isinstance(index, SystemIndex) or name in SYSTEM_INDEXES:
            return ()
        known = self.codec.indexes.get(name)
        if known is None or (known.made is not index and not isinstance(index, str)):
            asked = name if isinstance(index, str) else repr(index)
            raise IndexUnknown(self.codec.name, asked, (BY_ID, BY_CREATION_TIME, *self.codec.indexes))
        if known.made.staged:
            raise IndexStaged(self.codec.name, name)
        return known.fields

    @property
    def declaration(self) -> str:
        """The fields of the index, as the class declares them."""
        declared = self.codec.indexes.get(self.index_name.index)
        return repr(declared.made.fields if declared is not None else ())

    def order(self, by: Literal["asc", "desc"], /) -> Query[T]:
        """In the order of the index, or the opposite."""
        if by not in ("asc", "desc"):
            raise ValueError(f'order() takes "asc" or "desc", not {by!r}')
        return evolve(self, reverse=by == "desc")

    def filter(self, test: Callable[[T], bool], /) -> Query[T]:
        """Only documents for which ``test`` is true.  All that are scanned count as read."""
        return evolve(self, tests=(*self.tests, test))

    def rows(self) -> Iterator[T]:
        scan = self.transaction.scan(self.index_name, self.start, self.stop, reverse=self.reverse)
        handed_out, tests, shown = self.transaction.handed_out, self.tests, self.shown
        for version in scan:
            document: T = version.document if shown is None else shown(version.document)  # type: ignore[assignment]
            if tests and not all(test(document) for test in tests):
                continue
            handed_out[version.id] = version
            yield document

    async def collect(self) -> list[T]:
        """All of them."""
        return list(self.rows())

    async def take(self, count: int, /) -> list[T]:
        """The first ``count``, or fewer if there are no more."""
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ValueError(f"take() needs a count of 0 or more, not {count!r}")
        taken: list[T] = []
        if count:
            for document in self.rows():
                taken.append(document)
                if len(taken) == count:
                    break
        return taken

    async def first(self) -> T | None:
        """The first one, or None."""
        return next(self.rows(), None)

    async def unique(self) -> T | None:
        """The only one, or None.  Raises NotUnique, with both ids, if there are two."""
        found = await self.take(2)
        if len(found) > 1:
            raise NotUnique(self.codec.name, id_of(found[0]), id_of(found[1]))
        return found[0] if found else None

    async def count(self) -> int:
        """How many there are, in time that hardly grows with the number; none of them is read.

        The result depends only on which documents are in the range, not on what is in them.  With a
        `filter` every document has to be read, and counts as read.
        """
        if self.tests:
            return sum(1 for _ in self.rows())
        return self.transaction.count(self.index_name, self.start, self.stop)

    async def exists(self) -> bool:
        """Whether there is any.  If there is, the result depends on the first one alone."""
        if self.tests:
            return next(self.rows(), None) is not None
        return self.transaction.exists(self.index_name, self.start, self.stop, reverse=self.reverse)

    async def paginate(self, options: PaginationOptions, /) -> Page[T]:
        """One page; pages fit together without gap or overlap, whatever is written in between.

        Raises InvalidCursor for a cursor of another query, ValueError for counts below 1.
        """
        return read_page(self, options)

    async def __aiter__(self) -> AsyncIterator[T]:
        for document in self.rows():
            yield document


def id_of(document: Any) -> str:
    text: str = document["_id"] if isinstance(document, dict) else document.id
    return text


def key_range(
    prefix: IndexKey, *, gt: Any = NO_BOUND, gte: Any = NO_BOUND, lt: Any = NO_BOUND, lte: Any = NO_BOUND
) -> tuple[IndexKey, IndexKey | None]:
    """Start and stop of the keys that begin with ``prefix`` and whose next field is in bounds."""
    check_bounds(gt=gt, gte=gte, lt=lt, lte=lte)
    start: IndexKey = prefix
    stop = prefix + BEYOND if prefix else None
    if gte is not NO_BOUND:
        start = prefix + key_of_bound(gte)
    elif gt is not NO_BOUND:
        start = prefix + key_of_bound(gt) + BEYOND
    if lt is not NO_BOUND:
        stop = prefix + key_of_bound(lt)
    elif lte is not NO_BOUND:
        stop = prefix + key_of_bound(lte) + BEYOND
    return start, stop


def id_range(
    *, gt: Any = NO_BOUND, gte: Any = NO_BOUND, lt: Any = NO_BOUND, lte: Any = NO_BOUND
) -> tuple[IndexKey, IndexKey | None]:
    """As `key_range`, for the index whose keys are the ids themselves."""
    bounds = {"gt": gt, "gte": gte, "lt": lt, "lte": lte}
    given = {name: bound for name, bound in bounds.items() if bound is not NO_BOUND}
    check_bounds(**bounds)
    for name, bound in given.items():
        if not isinstance(bound, str):
            raise TypeError(f"by_id: {name}= takes an id, not {bound!r}")
    keys = {name: bound.encode() for name, bound in given.items()}
    # The next key after an id is the id and a zero.
    start = keys.get("gte", keys["gt"] + b"\0" if "gt" in keys else b"")
    stop = keys.get("lt", keys["lte"] + b"\0" if "lte" in keys else None)
    return start, stop


def check_bounds(*, gt: Any, gte: Any, lt: Any, lte: Any) -> None:
    if (gt is not NO_BOUND and gte is not NO_BOUND) or (lt is not NO_BOUND and lte is not NO_BOUND):
        raise TypeError("give one lower bound (gt or gte) and one upper bound (lt or lte) at most")


def whole_table(transaction: Transaction, codec: TableCodec) -> Query[Any]:
    """Every document, in the order of creation."""
    return Query(transaction, codec, IndexName(codec.name, BY_CREATION_TIME))
