"""What one transaction has read and written so far, held against its limits.

Limits are part of what a function means: whether one is reached depends on what was read and
written, never on time, on caches or on who else is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter, gt

from attrs import define, field, frozen

from .. import limits
from ..errors import LimitReached


@frozen(kw_only=True)
class TransactionLimits:
    """How much one transaction, or one nested call of it, may read and write."""

    documents_read: int = limits.DOCUMENTS_READ_MAX
    """Documents scanned; those that a filter leaves out count."""
    bytes_read: int = limits.BYTES_READ_MAX
    ranges_read: int = limits.RANGES_READ_MAX
    """Index ranges; a `get` or a `count` is one."""
    documents_written: int = limits.DOCUMENTS_WRITTEN_MAX
    bytes_written: int = limits.BYTES_WRITTEN_MAX
    functions_scheduled: int = limits.FUNCTIONS_SCHEDULED_MAX
    scheduled_bytes: int = limits.SCHEDULED_BYTES_MAX
    """Arguments of the functions that it schedules."""
    near: tuple[float, ...] = field(init=False, eq=False, repr=False)
    """Of each, in the order of `NAMES`, the most that is not worth a warning."""

    def __attrs_post_init__(self) -> None:
        """Raises ValueError for what is no count."""
        for name in NAMES:
            count = getattr(self, name)
            if type(count) is not int or count < 0:
                raise ValueError(f"TransactionLimits: {name} is a whole number of 0 or more, not {count!r}")
        object.__setattr__(self, "near", tuple([count * limits.WARNING_RATIO for count in COUNTS(self)]))


NAMES = {
    "documents_read": "documents read",
    "bytes_read": "bytes read",
    "ranges_read": "index ranges read",
    "documents_written": "documents written",
    "bytes_written": "bytes written",
    "functions_scheduled": "functions scheduled",
    "scheduled_bytes": "bytes of arguments of scheduled functions",
}
"""As errors and warnings say them."""
COUNTS: Callable[[object], tuple[int, ...]] = attrgetter(*NAMES)
"""All of them at once."""

FULL = TransactionLimits()

READ_LESS = "Read a smaller range of an index, or split the work over several calls"
WRITE_LESS = "Write less at once: split the work over several calls"
SCHEDULE_LESS = "Schedule one function that schedules the others, and let them read what is large from the database"


@frozen
class Metric:
    """How much of one limit is used up."""

    used: int
    remaining: int


@define(eq=False)
class Usage:
    documents_read: int = 0
    bytes_read: int = 0
    ranges_read: int = 0
    documents_written: int = 0
    bytes_written: int = 0
    functions_scheduled: int = 0
    scheduled_bytes: int = 0
    whole: TransactionLimits = FULL
    """Of the whole transaction."""
    allowed: TransactionLimits = field(init=False)
    """Totals that may not be passed: those of the transaction, or what is left to a nested call."""
    floor: dict[str, int] = field(factory=dict[str, int])
    """What had been used already when the limits that hold now were set."""

    def __attrs_post_init__(self) -> None:
        self.allowed = self.whole

    def read(self, size: int) -> None:
        """A document of ``size`` bytes.  Raises LimitReached, and counts it all the same."""
        self.documents_read += 1
        self.bytes_read += size
        if self.documents_read > self.allowed.documents_read:
            self.refuse("documents_read")
        if self.bytes_read > self.allowed.bytes_read:
            self.refuse("bytes_read")

    def ranged(self, size: int = 0) -> None:
        """A range of an index; the bytes of its keys count, for the entry holds them."""
        self.ranges_read += 1
        self.bytes_read += size
        if self.bytes_read > self.allowed.bytes_read:
            self.refuse("bytes_read")
        if self.ranges_read > self.allowed.ranges_read:
            self.refuse("ranges_read")

    def wrote(self, size: int) -> None:
        self.documents_written += 1
        self.bytes_written += size
        if self.documents_written > self.allowed.documents_written:
            self.refuse("documents_written")
        if self.bytes_written > self.allowed.bytes_written:
            self.refuse("bytes_written")

    def scheduled(self, size: int) -> None:
        """A function with ``size`` bytes of arguments."""
        self.functions_scheduled += 1
        self.scheduled_bytes += size
        if self.functions_scheduled > self.allowed.functions_scheduled:
            self.refuse("functions_scheduled")
        if self.scheduled_bytes > self.allowed.scheduled_bytes:
            self.refuse("scheduled_bytes")

    def refuse(self, name: str) -> None:
        """Raises LimitReached, in the terms of whoever set the limit."""
        before = self.floor.get(name, 0)
        used, allowed = getattr(self, name), getattr(self.allowed, name)
        remedy = READ_LESS if "read" in name else SCHEDULE_LESS if "scheduled" in name else WRITE_LESS
        raise LimitReached(NAMES[name], used - before, allowed - before, remedy)

    def remaining(self, name: str) -> int:
        left: int = getattr(self.allowed, name) - getattr(self, name)
        return max(left, 0)

    def metrics(self) -> dict[str, Metric]:
        """Used since the limits that hold now were set, and what is left of them."""
        return {name: Metric(getattr(self, name) - self.floor.get(name, 0), self.remaining(name)) for name in NAMES}

    @contextmanager
    def within(self, asked: TransactionLimits) -> Iterator[None]:
        """Hold what follows to lower limits, counted from here; they can only be lowered."""
        outer, outer_floor = self.allowed, self.floor
        totals, floor = {}, {}
        for name in NAMES:
            total = getattr(self, name) + getattr(asked, name)
            totals[name] = min(total, getattr(outer, name))
            floor[name] = getattr(self, name) if total <= getattr(outer, name) else outer_floor.get(name, 0)
        self.allowed, self.floor = TransactionLimits(**totals), floor
        try:
            yield
        finally:
            self.allowed, self.floor = outer, outer_floor

    def warnings(self) -> list[str]:
        """What came near a limit of the whole transaction."""
        found: list[str] = []
        if not any(map(gt, COUNTS(self), self.whole.near)):
            return found
        for name, said in NAMES.items():
            used, allowed = getattr(self, name), getattr(self.whole, name)
            if used > allowed * limits.WARNING_RATIO:
                found.append(f"near a limit: {said}: {used:,} of {allowed:,} allowed in one transaction")
        return found
