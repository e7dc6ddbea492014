"""Two nodes on one log, and the question that most scenarios ask: does this write touch what that read?

The first node is the one that commits.  The second follows the log and is behind until it has to catch up,
so what it runs meets what was committed in between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define
from relive.actors.messages import Answer, Commit
from relive.engine.application.endpoint import endpoint_of
from relive.engine.application.functions import AnyFunction, mutation, query
from relive.engine.data.catalog import Catalog
from relive.engine.data.schema import Document
from relive.engine.execution.calls import Call, Outcome, Request
from relive.engine.execution.executor import Executor
from relive.engine.transactions.context import MutationCtx, QueryCtx

from ..actors.replica import Replica
from ..engine.bench import SECRET, Bench, bench_of

Reads = Callable[[QueryCtx], Awaitable[Any]]
Writes = Callable[[MutationCtx], Awaitable[Any]]


class Witness(Document):
    """Something to write for a mutation that is about what it reads."""


def database(*tables: type[Document], **functions: AnyFunction) -> Bench:
    """A new database with these tables; functions are called ``app:<name>``."""
    return bench_of(*tables, Witness, **functions)


def add_function(bench: Bench, made: AnyFunction) -> str:
    """Make one more function callable; its path."""
    path, endpoints = f"app:{made.__name__}", bench.executor.app.endpoints
    assert isinstance(endpoints, dict)
    endpoints[path] = endpoint_of(path, made)
    return path


class Rivalled(Replica):
    """A replica that others may come before at the last moment."""

    before_commit: Callable[[], object] = staticmethod(lambda: None)

    def commit(self, request: Commit) -> Answer:
        self.before_commit()
        return super().commit(request)


@define(eq=False)
class SecondNode:
    bench: Bench
    executor: Executor
    replica: Any
    """A `Rivalled`, which has what an executor asks of the runtime."""

    @classmethod
    def of(cls, bench: Bench) -> SecondNode:
        """A node that has seen everything so far, and nothing of what comes."""
        replica: Any = Rivalled.of(bench.database.runtime)
        first = bench.executor
        parts = (replica, Catalog(replica.tables), first.env, SECRET, first.app, first.codecs)
        return cls(bench, Executor(*parts, leader=first), replica)

    def mutate(self, handler: Writes, session: bytes | None = None, request: int = 0) -> Outcome:
        path = add_function(self.bench, mutation(handler))
        return self.executor.mutate(Call(path, [{}]), Request("client", session, request))

    @property
    def conflicts(self) -> int:
        """How often something had to run again here because what it had read was changed."""
        return self.executor.conflicts


def disturbs(bench: Bench, write: Writes, read: Reads) -> bool:
    """Whether a write touches what was read before it.

    A mutation that reads this and is committed after the write has to run again then, and a live query of
    it has to be evaluated again: the two always agree.
    """
    live = bench.database.live
    live.follow()
    key = live.watch(Call(add_function(bench, query(read)), [{}]), "watcher")
    live.result(key)
    second = SecondNode.of(bench)

    async def reads_and_writes(ctx: MutationCtx) -> Any:
        await read(ctx)
        await ctx.db.insert(Witness())

    bench.write(write)
    woken = live.follow() == ("watcher",)
    second.mutate(reads_and_writes)
    live.follow()
    live.unwatch(key, "watcher")
    bench.check()
    assert woken is (second.conflicts == 1), "mutations and live queries agree about what was read"
    return woken
