"""Pages of a query, that fit together without gap or overlap however the data changes.

    @query
    async def list(ctx: QueryCtx, paginationOpts: PaginationOptions) -> Page[Message]:
        return await ctx.db.query(Message).order("desc").paginate(paginationOpts)

The first run of a page ends after so many documents; its end goes into the query's journal.  Later
runs read up to that end, however many documents there are by then.  A function may read several
pages: the journal holds the end of each, by query and start.

Source: section "React hooks and what they need" of the Convex sync protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, Generic, Literal, Protocol, TypeVar

from attrs import Factory, define

from ...actors.version import Version
from ...log.entry import IndexKey, IndexName
from ...protocol.limits import DOCUMENT_BYTES_MAX
from .. import limits
from ..data.schema import UNSET, Record, Unset, field
from ..errors import InvalidCursor, LimitReached
from .journal import FINGERPRINT_BYTES
from .transaction import Transaction
from .usage import Usage

OUTGROWN = "the page has grown beyond what can be read at once"

Position = bytes
"""A place among the results of a query, as a cursor holds it."""

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class PaginationOptions(Record):
    """What ``usePaginatedQuery`` sends along: which page."""

    num_items: int = field(name="numItems")
    """Documents of a new page, at least 1."""
    cursor: str | None
    """Where the page before ended; None for the first."""
    end_cursor: str | None = field(name="endCursor", default=None)
    """Where this page ends, whatever ``num_items`` says."""
    id: float | Unset = UNSET
    """Tells two uses of a hook apart; nothing is done with it."""
    maximum_rows_read: int | Unset = field(name="maximumRowsRead", default=UNSET)
    """Stop after scanning so many documents, those that a filter leaves out included."""
    maximum_bytes_read: int | Unset = field(name="maximumBytesRead", default=UNSET)


class Page(Record, Generic[T]):
    """Some documents of a query, and where to go on."""

    page: list[T]
    is_done: bool = field(name="isDone")
    """True if nothing can follow: the page ends where the range ends."""
    continue_cursor: str = field(name="continueCursor")
    """Where this page ends and the next one starts."""
    split_cursor: str | None = field(name="splitCursor", default=None)
    """The middle, so that a page that has grown can become two."""
    page_status: Literal["SplitRecommended", "SplitRequired"] | None = field(name="pageStatus", default=None)


class Readable(Protocol[T_contra]):
    """What pages are read of."""

    @property
    def transaction(self) -> Transaction: ...
    @property
    def tests(self) -> tuple[Callable[[T_contra], bool], ...]: ...
    @property
    def shown(self) -> Callable[[Any], Any] | None: ...


class Part(Protocol):
    """The part of a query's results that a page may read, between two positions."""

    def after(self, position: Position) -> None: ...
    def up_to(self, position: Position) -> None:
        """``position`` is the last one of the page."""

    def scan(self) -> Iterator[tuple[Position, Version]]:
        """Go through the documents, each with its position; they count as read."""
        ...


class Pageable(Readable[T_contra], Protocol[T_contra]):
    """A range of an index, in one order."""

    @property
    def index_name(self) -> IndexName: ...
    @property
    def start(self) -> IndexKey: ...
    @property
    def stop(self) -> IndexKey | None: ...
    @property
    def reverse(self) -> bool: ...
    @property
    def declaration(self) -> str:
        """The fields of the index, so that an index of other fields has other cursors."""


@define(eq=False)
class Bounds:
    """Of a range; positions are keys of the index."""

    transaction: Transaction
    index_name: IndexName
    start: IndexKey
    stop: IndexKey | None
    reverse: bool

    def after(self, position: IndexKey) -> None:
        if self.reverse:
            self.stop = position if self.stop is None else min(self.stop, position)
        else:
            self.start = max(self.start, position + b"\0")

    def up_to(self, position: IndexKey) -> None:
        if self.reverse:
            self.start = max(self.start, position)
        else:
            self.stop = position + b"\0" if self.stop is None else min(self.stop, position + b"\0")

    def scan(self) -> Iterator[tuple[IndexKey, Version]]:
        scan = self.transaction.scan(self.index_name, self.start, self.stop, reverse=self.reverse)
        for version in scan:
            assert scan.last is not None
            yield scan.last, version


def read_page(query: Pageable[T], options: PaginationOptions) -> Page[T]:
    """As `read_part`, of a range."""
    bounds = Bounds(query.transaction, query.index_name, query.start, query.stop, query.reverse)
    return read_part(query, fingerprint_of(query), bounds, options)


def read_part(query: Readable[T], fingerprint: bytes, part: Part, options: PaginationOptions) -> Page[T]:
    """A page of what ``part`` is all of.  The fingerprint is what makes a position mean the same place.

    Raises InvalidCursor for cursors of another query, and for a page that has grown beyond the limits;
    ValueError for counts below 1.
    """
    check_options(options)
    transaction = query.transaction
    pages = transaction.pages
    assert pages is not None, "the system reads no pages"
    name = pages.name(fingerprint, options.cursor)
    end = options.end_cursor if options.end_cursor is not None else pages.given.get(name)
    if options.cursor is not None:
        position = pages.cursors.decode(fingerprint, options.cursor)
        if position is None:
            # Nothing comes after the end.
            pages.ends[name] = options.cursor
            return Page(page=[], is_done=True, continue_cursor=options.cursor)
        part.after(position)
    reading = Reading(query, part, Allowance.of(options, transaction.usage))
    last = pages.cursors.decode(fingerprint, end) if end is not None else None
    if last is not None:
        part.up_to(last)
        reading.read_all()
    elif end is not None:
        # No page follows this one: if it has grown too long, it may end sooner.
        reading.read_new(limits.PAGE_ROWS_MAX, Allowance.left(transaction.usage))
        last = reading.last
    else:
        reading.read_new(options.num_items, reading.allowance)
        last = reading.last
    end = pages.ends[name] = pages.cursors.encode(fingerprint, last)
    split = reading.middle()
    return Page(
        page=reading.found,
        is_done=last is None,
        continue_cursor=end,
        split_cursor=pages.cursors.encode(fingerprint, split) if split is not None else None,
        page_status=reading.status(),
    )


def check_options(options: PaginationOptions) -> None:
    for name in ("num_items", "maximum_rows_read", "maximum_bytes_read"):
        count = getattr(options, name)
        if count is not UNSET and count < 1:
            raise ValueError(f"paginate(): {name} must be at least 1, not {count}")


def fingerprint_of(query: Pageable[T]) -> bytes:
    """The index as it is declared, the range, the order."""
    return fingerprint_of_parts(
        query.index_name.table.encode(),
        query.index_name.index.encode(),
        query.declaration.encode(),
        query.start,
        b"" if query.stop is None else b"\0" + query.stop,
        b"desc" if query.reverse else b"asc",
        b"%d" % len(query.tests),
    )


def fingerprint_of_parts(*parts: bytes) -> bytes:
    digest = blake2b(digest_size=FINGERPRINT_BYTES)
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return digest.digest()


@define(eq=False)
class Allowance:
    """How much one page may read before it has to end."""

    rows: int
    bytes: int

    @classmethod
    def left(cls, usage: Usage) -> Allowance:
        """What the transaction may still read."""
        # One more document is read before it is seen that it was too much.
        bytes_ = max(usage.remaining("bytes_read") - DOCUMENT_BYTES_MAX, 0)
        return cls(usage.remaining("documents_read"), bytes_)

    @classmethod
    def of(cls, options: PaginationOptions, usage: Usage) -> Allowance:
        """What was asked for, and never more than the transaction has left."""
        left = cls.left(usage)
        return cls(
            left.rows if options.maximum_rows_read is UNSET else min(left.rows, options.maximum_rows_read),
            left.bytes if options.maximum_bytes_read is UNSET else min(left.bytes, options.maximum_bytes_read),
        )


@define(eq=False)
class Reading(Generic[T]):
    """One page being read."""

    query: Readable[T]
    part: Part
    allowance: Allowance
    found: list[T] = Factory(list)
    positions: list[Position] = Factory(list[Position])
    """Of all that was scanned, in the order of reading."""
    bytes_read: int = 0
    last: Position | None = None
    """Where a new page ended; None if it reached the end of the range."""
    cut_short: bool = False
    """A limit ended the page, not its size."""

    def read_new(self, count: int, allowance: Allowance) -> None:
        for position in self.scan():
            if len(self.found) == count:
                self.last = position
                return
            if self.is_full(allowance):
                self.last, self.cut_short = position, True
                return

    def read_all(self) -> None:
        """All up to an end where the next page starts.  Raises InvalidCursor if that is more than one may read."""
        try:
            for _ in self.scan():
                if len(self.found) > limits.PAGE_ROWS_MAX:
                    raise InvalidCursor(OUTGROWN)
        except LimitReached as error:
            raise InvalidCursor(OUTGROWN) from error

    def scan(self) -> Iterator[Position]:
        """Go through the documents; their positions."""
        query = self.query
        for position, version in self.part.scan():
            self.positions.append(position)
            self.bytes_read += version.size
            seen = version.document if query.shown is None else query.shown(version.document)
            document: T = seen  # type: ignore[assignment]
            if all(test(document) for test in query.tests):
                query.transaction.handed_out[version.id] = version
                self.found.append(document)
            yield position

    def is_full(self, allowance: Allowance) -> bool:
        return (
            len(self.positions) >= allowance.rows
            or self.bytes_read >= allowance.bytes
            or len(self.found) >= limits.PAGE_ROWS_MAX
        )

    def middle(self) -> Position | None:
        return self.positions[len(self.positions) // 2] if len(self.positions) > 2 else None

    def status(self) -> Literal["SplitRecommended", "SplitRequired"] | None:
        if self.cut_short:
            return "SplitRequired"
        ratio = limits.PAGE_SPLIT_RATIO
        recommended = (
            len(self.positions) > ratio * min(limits.PAGE_ROWS_MAX, self.allowance.rows)
            or self.bytes_read > ratio * self.allowance.bytes
        )
        return "SplitRecommended" if recommended else None
