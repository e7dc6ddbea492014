"""The one door through which everything that is not deterministic comes in.

    clock, randomness ──┐
    disk, network ──────┼──> Env ──> the server, the database, the log
    threads ────────────┤
    probe, buggify ─────┘    (nothing in production)

Production opens it to the real ones, simulation to seeded ones.  The disk is a `log.storage.Storage`, which
whoever opens a database gives it.

Invariant: below the command line nothing else looks at a clock, draws randomness, opens a socket or starts a
thread; `tests/test_seam.py` holds the code to it, with the exceptions by name.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence

import trio
from attrs import Factory, define, field, frozen

from ..actors.runtime import InThread
from ..log.sites import QUIET, Sites
from .determinism.limits import cancel_last_resort, last_resort
from .determinism.real import real_clock_ns, real_entropy, real_monotonic_ns, real_write
from .log_thread import LogThread

POOL_BYTES = 4096


@frozen
class Listening:
    """A port that is open."""

    url: str
    listeners: Sequence[trio.abc.Listener[trio.SocketStream]]


@frozen
class Watchdog:
    """Ends a process in which nothing has moved for too long, whatever it is stuck in."""

    feed: Callable[[float], None]
    """Told again and again that all is well; not told for so many seconds, it bites."""
    rest: Callable[[], None]
    end: Callable[[int], object] = os._exit
    """End the process at once, with that exit code, whatever is under way in it."""


@frozen
class Env:
    clock_ns: Callable[[], int]
    """The wall clock: nanoseconds since the Unix epoch.  May jump, both ways."""
    entropy: Callable[[int], bytes]
    """That many unpredictable bytes."""
    monotonic_ns: Callable[[], int] = Factory(lambda self: self.clock_ns, takes_self=True)
    """A clock that never goes back, from no moment in particular."""
    log_thread: Callable[[], InThread] = LogThread
    """A thread for the writes of one log."""
    listen: Callable[[str, int], Awaitable[Listening]] = field(default=Factory(lambda: listen_on_port))
    """Open a port of a host.  Raises OSError."""
    write_now: Callable[[trio.SocketStream, bytes], int] = field(default=Factory(lambda: write_to_socket))
    """Give a connection what it takes at once, without waiting; how many bytes that is.  Raises OSError."""
    watchdog: Watchdog = Watchdog(last_resort, cancel_last_resort)
    sites: Sites = QUIET

    def probe(self, name: str) -> None:
        """Something worth reaching was reached."""
        self.sites.probe(name)

    def buggify(self, name: str) -> bool:
        """Whether to make the rare choice here, this time; both are right."""
        return self.sites.buggify(name)


def real_env() -> Env:
    return Env(real_clock_ns, Entropy().draw, real_monotonic_ns)


async def listen_on_port(host: str, port: int) -> Listening:
    listeners = await trio.open_tcp_listeners(port, host=host)
    return Listening(url_of(listeners[0]), listeners)


def write_to_socket(stream: trio.SocketStream, data: bytes) -> int:
    return real_write(stream.socket.fileno(), data)


def url_of(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@define(eq=False)
class Entropy:
    """The system's randomness, fetched a page at a time: every transaction needs a little."""

    pool: bytes = field(default=b"", repr=False)
    used: int = 0

    def draw(self, count: int) -> bytes:
        if self.used + count > len(self.pool):
            self.pool, self.used = real_entropy(max(count, POOL_BYTES)), 0
        drawn = self.pool[self.used : self.used + count]
        self.used += count
        return drawn
