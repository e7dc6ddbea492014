"""Live queries of the deployed app: evaluated when somebody waits for them, once for all watchers.

It is the query cache, too: a result that nobody watches any more, or that was asked for once, is kept
until a write touches what it read, and given to whoever asks the same next.

    watch, unwatch ──> shared by all who watch the same function, arguments, journal, and see as much;
                       of functions that ask who asks, by those who are the same
    once           ──> the result, kept for the next one who asks
    follow         ──> each commit's keys ──> stale: watchers are woken, kept results are dropped

Invariants
    * A result that is given out is what the query would give as of the newest commit; of a query that
      looked at the clock, what it gave at most `CACHED_CLOCK_NS_MAX` before somebody asked.
    * Kept results take `QUERY_CACHE_BYTES_MAX` together at most; none of them is stale.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import Factory, define, evolve, field, frozen

from ...actors.subscriptions import LiveQuery, Subscriptions
from ...log.entry import LSN
from ...protocol import json
from ...protocol.errors import InvalidValue
from ...protocol.results import QueryResult, QuerySuccess
from ..authentication.identity import Identity
from ..limits import CACHED_CLOCK_NS_MAX, QUERY_CACHE_BYTES_MAX
from .calls import Call
from .executor import Executor

W = TypeVar("W")

OVERHEAD_BYTES = 1_024
"""What a kept result takes beside its text and the ranges that it read; an estimate."""
LARGEST_KEPT = 1 / 8
"""A result that is a greater part of the cache than this is not kept."""


@frozen
class QueryKey:
    """What makes two watched queries the same one."""

    path: str
    args: bytes
    """Canonical JSON of the arguments."""
    admin: bool
    """Whether errors are shown in full, and internal functions found."""
    journal: str | None
    identity: Identity | None
    everybody: bool
    """Whether it is the same for all, because the function has never asked who asks; then there is no identity."""
    call: Call = field(eq=False)


class AsksWho(Exception):
    """There is no result for everybody, as the function has asked who asks: watch it again."""


@frozen
class Kept:
    """Watches on behalf of the cache."""

    key: QueryKey


def key_of(call: Call) -> QueryKey:
    """Calls that differ only in how their arguments are written are the same query."""
    args = call.args
    if isinstance(args, list) and len(args) <= 1:
        args = args[0] if args else {}  # Some clients send the object, others an array that holds it.
    try:
        encoded = json.encode(json.from_json(args))
    except InvalidValue:
        # Not a value, so the call will fail; the same mistake fails the same way.
        encoded = b"!" + ascii(args).encode()
    return QueryKey(call.path, encoded, call.admin, call.journal, call.identity, call.everybody, call)


@define(eq=False)
class LiveQueries(Generic[W]):
    executor: Executor
    subscriptions: Subscriptions[QueryKey, QueryResult, W | Kept]
    wake: Callable[[W], None] = lambda watcher: None
    """Told whose query is stale."""
    kept: OrderedDict[QueryKey, int] = Factory(OrderedDict[QueryKey, int])
    """What the cache watches, with its size in bytes; what was not asked for the longest first."""
    kept_bytes: int = 0
    looked_at_clock_ns: dict[QueryKey, int] = Factory(dict[QueryKey, int])
    """The time that a query saw, of those that looked."""
    personal: set[str] = Factory(set[str])
    """Functions that have asked who asks."""
    evaluations: int = 0
    """How often a query was run."""
    hits: int = 0
    """How often a kept result, or that of a live query, was given to somebody new."""

    def watch(self, call: Call, watcher: W) -> QueryKey:
        """Watch a query; if `result` raises AsksWho, it is to be watched again."""
        key = self.key_of(call)
        self.renew(key)
        self.subscriptions.watch(key, watcher)
        return key

    def unwatch(self, key: QueryKey, watcher: W) -> None:
        query = self.subscriptions.queries[key]
        if len(query.watchers) == 1:
            self.keep(key)  # Pages are left and come back to.
        self.subscriptions.unwatch(key, watcher)
        self.tidy(key)

    def once(self, call: Call) -> tuple[QueryResult, LSN]:
        """The result for somebody who does not watch, and the entry as of which it was found."""
        self.catch_up()
        key = self.key_of(call)
        self.renew(key)
        query = self.subscriptions.queries.get(key)
        if query is None:
            query = self.subscriptions.watch(key, Kept(key))
            self.kept[key] = 0
        elif not query.stale:
            self.hits += 1
            self.executor.note_cached(call, query.result)
        try:
            result, evaluated = self.result(key), query.evaluated
        except AsksWho:
            if key in self.kept:
                self.drop(key)
            return self.once(call)  # This time for whoever asks alone.
        if key in self.kept:
            self.kept.move_to_end(key)
            self.weigh(key)
        return result, evaluated

    def follow(self) -> tuple[W, ...]:
        """Catch up with the newest commit: whoever watches what it changed."""
        runtime = self.executor.runtime
        if self.subscriptions.position == runtime.tail.head:
            return ()
        try:
            return self.woken(self.subscriptions.follow(runtime.tail))
        except Exception as error:
            runtime.supervisor.follower_failed("subscriptions", error, self.restart)
            return self.woken(self.subscriptions.watchers())

    def catch_up(self) -> None:
        """Catch up with the newest commit, and wake whoever watches what it changed."""
        for watcher in self.follow():
            self.wake(watcher)

    def restart(self) -> tuple[W, ...]:
        """Nothing that was evaluated counts any more: whom to wake, which is everybody."""
        return self.woken(self.subscriptions.restart(self.executor.runtime.tail.head))

    def key_of(self, call: Call) -> QueryKey:
        """What the call shares with others: all but who asks, unless the function wants to know that."""
        assert not call.everybody
        return key_of(call if call.path in self.personal else evolve(call, identity=None, everybody=True))

    def result(self, key: QueryKey) -> QueryResult:
        """The result as of the newest commit, which `follow` must have reached.  Raises AsksWho."""
        query = self.subscriptions.queries[key]
        if query.stale:
            if key.everybody and key.path in self.personal:
                raise AsksWho
            self.evaluations += 1
            evaluated = self.executor.query(key.call)
            if evaluated.personal:
                self.personal.add(key.path)
                raise AsksWho
            self.subscriptions.evaluated(key, evaluated.lsn, evaluated.reads, evaluated.result)
            if evaluated.clock_read_ns is not None:
                self.looked_at_clock_ns[key] = evaluated.clock_read_ns
            else:
                self.looked_at_clock_ns.pop(key, None)
        assert query.result is not None
        return query.result

    def renew(self, key: QueryKey) -> None:
        """Somebody new asks: what a query saw of the clock may not be too long ago.

        Time alone wakes nobody; but once it is found out of date, everybody gets the new result.
        """
        seen_ns = self.looked_at_clock_ns.get(key)
        if seen_ns is not None and abs(self.executor.env.clock_ns() - seen_ns) > CACHED_CLOCK_NS_MAX:
            for watcher in self.woken(self.subscriptions.invalidate([self.subscriptions.queries[key]])):
                self.wake(watcher)

    def woken(self, watchers: tuple[W | Kept, ...]) -> tuple[W, ...]:
        """Without the cache, which forgets what is stale."""
        people = []
        for watcher in watchers:
            if isinstance(watcher, Kept):
                self.drop(watcher.key)
            else:
                people.append(watcher)
        return tuple(people)

    def keep(self, key: QueryKey) -> None:
        """Keep the result of a query that is up to date."""
        if key not in self.kept and not self.subscriptions.queries[key].stale:
            self.subscriptions.watch(key, Kept(key))
            self.kept[key] = 0
            self.weigh(key)

    def weigh(self, key: QueryKey) -> None:
        """Find the size of a kept result, and make room for it."""
        size = size_of(self.subscriptions.queries[key])
        self.kept_bytes += size - self.kept[key]
        self.kept[key] = size
        if size > QUERY_CACHE_BYTES_MAX * LARGEST_KEPT:
            self.drop(key)
        while self.kept_bytes > QUERY_CACHE_BYTES_MAX:
            self.drop(next(iter(self.kept)))

    def drop(self, key: QueryKey) -> None:
        self.kept_bytes -= self.kept.pop(key)
        self.subscriptions.unwatch(key, Kept(key))
        self.tidy(key)

    def tidy(self, key: QueryKey) -> None:
        if key not in self.subscriptions.queries:
            self.looked_at_clock_ns.pop(key, None)

    def check(self) -> None:
        queries = self.subscriptions.queries
        assert self.kept_bytes == sum(self.kept.values()) <= QUERY_CACHE_BYTES_MAX
        assert all(Kept(key) in queries[key].watchers and not queries[key].stale for key in self.kept)
        assert self.looked_at_clock_ns.keys() <= queries.keys()


def size_of(query: LiveQuery[QueryKey, QueryResult, Any]) -> int:
    """About how many bytes a kept result takes."""
    result = query.result
    text = result.value if isinstance(result, QuerySuccess) else b""
    ranges = sum(len(each.start) + len(each.stop or b"") for each in query.ranges)
    lines = sum(map(len, result.log_lines)) if result is not None else 0
    return OVERHEAD_BYTES + len(text) + lines + ranges + len(query.key.args) + len(query.key.journal or "")
