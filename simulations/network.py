"""Connections as ordered streams of messages, each on its way for a while.

    send ──> under way, in order ──> receive
                └── cut: lost      close: delivered, then the end

Invariant: what is received is a prefix of what was sent.  Order is kept within a direction, nowhere else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio
from attrs import Factory, define

from .driver import Clock


@define(eq=False)
class Pipe:
    """One direction."""

    clock: Clock
    latency_s: Callable[[], float]
    window: int
    """How many messages may be under way before the sender should wait."""
    under_way: deque[tuple[float, bytes]] = Factory(deque[tuple[float, bytes]])
    """When each arrives, and what it says."""
    latest: float = 0.0
    stalled_until: float = 0.0
    """Nothing is received before."""
    is_closed: bool = False
    changed: trio.Event = Factory(trio.Event)

    def send(self, text: bytes) -> None:
        if not self.is_closed:
            self.latest = max(self.latest, self.clock.seconds + self.latency_s())
            self.under_way.append((self.latest, text))
            self.notify()

    async def wait_room(self) -> None:
        """Until the other end has taken enough, or is gone."""
        while len(self.under_way) >= self.window and not self.is_closed:
            await self.changed.wait()

    async def receive(self) -> bytes | None:
        """The next message; None once there will be no more."""
        await trio.lowlevel.checkpoint()
        while True:
            if self.under_way:
                arrives = max(self.under_way[0][0], self.stalled_until)
                if arrives <= self.clock.seconds:
                    self.notify()
                    return self.under_way.popleft()[1]
                with trio.move_on_at(arrives):
                    await self.changed.wait()
            elif self.is_closed:
                return None
            else:
                await self.changed.wait()

    def close(self) -> None:
        """No more is sent; what is under way arrives."""
        self.is_closed = True
        self.notify()

    def cut(self) -> None:
        self.under_way.clear()
        self.close()

    def stall(self, until: float) -> None:
        self.stalled_until = until
        self.notify()

    def notify(self) -> None:
        self.changed.set()
        self.changed = trio.Event()


@define(eq=False)
class Link:
    """A connection between a client and a server process."""

    client: int
    to_server: Pipe
    to_client: Pipe

    def cut(self) -> None:
        """Gone, both ends know."""
        self.to_server.cut()
        self.to_client.cut()

    def half_open(self, until: float) -> None:
        """Gone for the client; the server still hears, late, what was under way."""
        self.to_client.cut()
        self.to_server.stall(until)
        self.to_server.close()
