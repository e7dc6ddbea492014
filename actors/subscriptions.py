"""Live queries: shared between the clients that watch them, invalidated by what is written.

    watch ──> shared if somebody watches it already, else new and stale
    follow ──> each commit's old and new keys stab ──> stale, and its watchers are woken
    evaluated ──> new result, new ranges

A live query is stale from the first commit that wrote into what it had read.  A result that is
not stale is the result at every LSN from its own up to `position`.

Invariants
    * The ranges of every evaluated live query stand in the intervals, and no others do.
    * A live query without watchers is forgotten.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from attrs import Factory, define

from ..log.entry import BEFORE_FIRST, LSN, IndexName, KeyRange
from .intervals import Intervals, bounds
from .tail import Committed, Tail

K = TypeVar("K", bound=Hashable)
"""What makes two queries the same: function, arguments, and who asks as far as it matters."""
R = TypeVar("R")
"""A result, opaque here."""
W = TypeVar("W", bound=Hashable)
"""Who watches."""


@define(eq=False)
class LiveQuery(Generic[K, R, W]):
    key: K
    watchers: dict[W, None] = Factory(dict)
    """In the order in which they came, so that waking is the same every time."""
    ranges: tuple[KeyRange, ...] = ()
    result: R | None = None
    evaluated: LSN = BEFORE_FIRST
    stale: bool = True


@define(eq=False)
class Subscriptions(Generic[K, R, W]):
    position: LSN
    queries: dict[K, LiveQuery[K, R, W]] = Factory(dict)
    intervals: dict[IndexName, Intervals[K]] = Factory(dict)

    def watch(self, key: K, watcher: W) -> LiveQuery[K, R, W]:
        """Add a watcher; the live query it now shares."""
        query = self.queries.get(key)
        if query is None:
            query = self.queries[key] = LiveQuery(key)
        assert watcher not in query.watchers, "watches already"
        query.watchers[watcher] = None
        return query

    def unwatch(self, key: K, watcher: W) -> None:
        query = self.queries[key]
        del query.watchers[watcher]
        if not query.watchers:
            self.place(query, ())
            del self.queries[key]

    def follow(self, tail: Tail) -> Iterator[W]:
        """Catch up with the newest commit; whom to wake, each as often as a query of his fell."""
        if not tail.holds_after(self.position):
            # What was missed cannot be known any more: everything may have changed.
            self.position = tail.head
            yield from self.invalidate_all()
            return
        for committed in tail.after(self.position):
            yield from self.apply(committed)

    def apply(self, committed: Committed) -> Iterator[W]:
        assert committed.entry.lsn == self.position + 1, (committed.entry.lsn, self.position)
        self.position = committed.entry.lsn
        hit: dict[K, None] = {}
        for change in committed.changes:
            for name, old, new in change.keys:
                intervals = self.intervals.get(name)
                if intervals is None:
                    continue
                if old is not None:
                    hit.update(intervals.stab(old))
                if new is not None and new != old:
                    hit.update(intervals.stab(new))
        for key in hit:
            yield from self.invalidate(self.queries[key])

    def invalidate(self, query: LiveQuery[K, R, W]) -> Iterator[W]:
        if not query.stale:
            query.stale = True
            yield from query.watchers

    def invalidate_all(self) -> Iterator[W]:
        """Every live query must run again: the code, or history itself, is another."""
        for query in self.queries.values():
            yield from self.invalidate(query)

    def restart(self, position: LSN) -> Iterator[W]:
        """Commits were taken back, or are read in a new way: go on from ``position``."""
        self.position = position
        for query in self.queries.values():
            query.evaluated = min(query.evaluated, position)
        yield from self.invalidate_all()

    def rebuilt(self, position: LSN) -> Subscriptions[K, R, W]:
        """The same live queries and watchers, with nothing remembered of what they read."""
        fresh: Subscriptions[K, R, W] = Subscriptions(position)
        for key, query in self.queries.items():
            for watcher in query.watchers:
                fresh.watch(key, watcher)
        return fresh

    def evaluated(self, key: K, lsn: LSN, ranges: tuple[KeyRange, ...], result: R) -> None:
        """``result`` is what the query gives as of ``lsn``, having read ``ranges``."""
        assert lsn == self.position, ("evaluated at another moment", lsn, self.position)
        query = self.queries[key]
        self.place(query, ranges)
        query.result, query.evaluated, query.stale = result, lsn, False

    def place(self, query: LiveQuery[K, R, W], ranges: tuple[KeyRange, ...]) -> None:
        old, new = query.ranges, tuple(dict.fromkeys(ranges))
        if old == new:
            return
        was, will_be = frozenset(old), frozenset(new)
        for key_range in old:
            if key_range not in will_be:
                self.intervals[key_range.index].discard(key_range, query.key)
        for key_range in new:
            if key_range not in was:
                self.intervals.setdefault(key_range.index, Intervals()).add(key_range, query.key)
        query.ranges = new

    def check(self) -> None:
        placed = {
            (name, start, stop, key)
            for name, intervals in self.intervals.items()
            for start, stop, key in intervals.ranges()
        }
        wanted = {
            (key_range.index, *bounds(key_range), query.key)
            for query in self.queries.values()
            for key_range in query.ranges
        }
        assert placed == wanted, placed ^ wanted
        for intervals in self.intervals.values():
            intervals.check()
        assert all(query.watchers for query in self.queries.values())
        assert all(query.evaluated <= self.position for query in self.queries.values())
