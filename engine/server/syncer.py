"""Decides whose transition is computed next: one connection after another, in turn.

All stale queries of a connection are evaluated in one go, so its transition is of one moment; a
result that another connection shares is there already when its turn comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio
from attrs import Factory, define

from ..database import Database
from ..execution.live_queries import LiveQueries
from .connection import Connection, Watcher

SLICE_NS = 2_000_000
"""How long transitions are computed before others have their turn: 2 ms."""

TAKEN_BACK = "the entry could not be written to the disk, and was taken back"


@define(eq=False)
class Syncer:
    database: Database
    live: LiveQueries[Watcher]
    monotonic_ns: Callable[[], int] = Factory(lambda self: self.database.env.monotonic_ns, takes_self=True)
    waiting: deque[Connection] = Factory(deque[Connection])
    woken: trio.Event = Factory(trio.Event)

    def __attrs_post_init__(self) -> None:
        self.live.wake = self.mark_stale

    def schedule(self, connection: Connection) -> None:
        if not connection.scheduled:
            connection.scheduled = True
            self.waiting.append(connection)
            self.woken.set()

    def committed(self) -> None:
        """There is a new commit: somebody may watch what it changed."""
        self.woken.set()

    def rewind(self) -> None:
        """The code, or history itself, is another: nothing that was evaluated counts."""
        self.database.executor.executions.take_back(self.database.runtime.tail.head, TAKEN_BACK)
        self.start_over()

    def start_over(self) -> None:
        for watcher in self.live.restart():
            self.mark_stale(watcher)

    def mark_stale(self, watcher: Watcher) -> None:
        connection, query_id = watcher
        connection.stale[query_id] = None
        self.schedule(connection)

    async def run(self) -> None:
        env = self.database.env
        slice_end = self.monotonic_ns() + SLICE_NS
        while True:
            self.live.catch_up()
            if self.waiting and env.buggify("live queries start over"):
                self.start_over()
            if not self.waiting:
                self.woken = trio.Event()
                await self.woken.wait()
                slice_end = self.monotonic_ns() + SLICE_NS
                continue
            connection = self.waiting.popleft()
            connection.scheduled = False
            connection.advance()
            if self.monotonic_ns() > slice_end or env.buggify("transitions wait for their turn"):
                await trio.lowlevel.checkpoint()
                slice_end = self.monotonic_ns() + SLICE_NS
