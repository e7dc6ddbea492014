"""Live queries: shared between the clients that watch them, invalidated by what is written.

    watch ──> shared if somebody watches it already, else new and stale
    follow ──> each commit's old and new keys stab ──> stale, and its watchers are woken
    evaluated ──> new result, new ranges

A live query is stale from the first commit that wrote into what it had read.  A result that is
not stale is the result at every LSN from its own up to `position`.

Invariants
    * The ranges of every evaluated live query stand in the intervals, and no others do: those of
      which only the keys were read in `counted`, all others in `intervals`.
    * A live query without watchers is forgotten.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from attrs import Factory, define

from ..log.entry import BEFORE_FIRST, LSN, IndexName, KeyRange
from .intervals import Intervals, bounds
from .tail import Committed, Tail
from .version import Change

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
    counted: dict[IndexName, Intervals[K]] = Factory(dict)

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

    def follow(self, tail: Tail) -> tuple[W, ...]:
        """Catch up with the newest commit; whom to wake, each as often as a query of his fell."""
        if not tail.holds_after(self.position):
            # What was missed cannot be known any more: everything may have changed.
            self.position = tail.head
            return self.invalidate(self.queries.values())
        woken: list[W] = []
        for committed in tail.after(self.position):
            woken += self.apply(committed)
        return tuple(woken)

    def apply(self, committed: Committed) -> tuple[W, ...]:
        assert committed.entry.lsn == self.position + 1, (committed.entry.lsn, self.position)
        self.position = committed.entry.lsn
        return self.invalidate([self.queries[key] for key in self.touched(committed.changes)])

    def touched(self, changes: Iterable[Change]) -> dict[K, None]:
        """Live queries, stale or not, that have read what the changes change; each once."""
        hit: dict[K, None] = {}
        for change in changes:
            for name, old, new in change.keys:
                intervals = self.intervals.get(name)
                if intervals is not None:
                    if old is not None:
                        hit.update(intervals.stab(old))
                    if new is not None and new != old:
                        hit.update(intervals.stab(new))
                if old != new and name in self.counted:
                    hit.update(self.counted[name].crossed(old, new))
        return hit

    def invalidate(self, queries: Iterable[LiveQuery[K, R, W]]) -> tuple[W, ...]:
        woken: list[W] = []
        for query in queries:
            if not query.stale:
                query.stale = True
                woken += query.watchers
        return tuple(woken)

    def restart(self, position: LSN) -> tuple[W, ...]:
        """Go on from ``position`` with the same live queries and watchers, and nothing remembered of
        what they read: commits were taken back, are read in a new way, or could not be followed.

        Everybody is to be woken: who was told already that a query is stale may have been told of a
        commit that was taken back since.
        """
        self.position = position
        self.intervals, self.counted = {}, {}
        self.queries = {key: LiveQuery(key, query.watchers) for key, query in self.queries.items()}
        return self.watchers()

    def watchers(self) -> tuple[W, ...]:
        """Everybody, each as often as he watches a query."""
        return tuple([watcher for query in self.queries.values() for watcher in query.watchers])

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
                self.held(key_range).discard(key_range, query.key)
        for key_range in new:
            if key_range not in was:
                self.held(key_range).add(key_range, query.key)
        query.ranges = new

    def held(self, key_range: KeyRange) -> Intervals[K]:
        """Where ranges of that index and sort stand."""
        by_index = self.counted if key_range.keys_only else self.intervals
        return by_index.setdefault(key_range.index, Intervals())

    def check(self) -> None:
        placed = {
            (name, start, stop, keys_only, key)
            for keys_only, by_index in ((False, self.intervals), (True, self.counted))
            for name, intervals in by_index.items()
            for start, stop, key in intervals.ranges()
        }
        wanted = {
            (key_range.index, *bounds(key_range), key_range.keys_only, query.key)
            for query in self.queries.values()
            for key_range in query.ranges
        }
        assert placed == wanted, placed ^ wanted
        for intervals in (*self.intervals.values(), *self.counted.values()):
            intervals.check()
        assert all(query.watchers for query in self.queries.values())
        assert all(query.evaluated <= self.position for query in self.queries.values())
