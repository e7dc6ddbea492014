"""Live queries of the deployed app: evaluated when somebody waits for them, once for all watchers."""

from __future__ import annotations

from typing import Generic, TypeVar

from attrs import define, field, frozen

from ..actors.subscriptions import Subscriptions
from ..protocol import json
from ..protocol.errors import InvalidValue
from ..protocol.results import QueryResult
from .calls import Call
from .executor import Executor

W = TypeVar("W")


@frozen
class QueryKey:
    """What makes two watched queries the same one."""

    path: str
    args: bytes
    """Canonical JSON of the arguments."""
    admin: bool
    call: Call = field(eq=False)


def key_of(call: Call) -> QueryKey:
    """Calls that differ only in how their arguments are written are the same query."""
    try:
        args = json.encode(json.from_json(call.args))
    except InvalidValue:
        # Not a value, so the call will fail; the same mistake fails the same way.
        args = b"!" + ascii(call.args).encode()
    return QueryKey(call.path, args, call.admin, call)


@define(eq=False)
class LiveQueries(Generic[W]):
    executor: Executor
    subscriptions: Subscriptions[QueryKey, QueryResult, W]
    evaluations: int = 0
    """How often a query was run for its watchers."""

    def watch(self, call: Call, watcher: W) -> QueryKey:
        key = key_of(call)
        self.subscriptions.watch(key, watcher)
        return key

    def unwatch(self, key: QueryKey, watcher: W) -> None:
        self.subscriptions.unwatch(key, watcher)

    def follow(self) -> tuple[W, ...]:
        """Catch up with the newest commit: whoever watches what it changed."""
        runtime = self.executor.runtime
        if self.subscriptions.position == runtime.tail.head:
            return ()
        try:
            return self.subscriptions.follow(runtime.tail)
        except Exception as error:
            runtime.supervisor.follower_failed("subscriptions", error, self.restart)
            return self.subscriptions.watchers()

    def restart(self) -> tuple[W, ...]:
        """Nothing that was evaluated counts any more: whom to wake, which is everybody."""
        return self.subscriptions.restart(self.executor.runtime.tail.head)

    def result(self, key: QueryKey) -> QueryResult:
        """The result as of the newest commit, which `follow` must have reached."""
        query = self.subscriptions.queries[key]
        if query.stale:
            self.evaluations += 1
            evaluated = self.executor.query(key.call)
            self.subscriptions.evaluated(key, evaluated.lsn, evaluated.reads, evaluated.result)
        assert query.result is not None
        return query.result
