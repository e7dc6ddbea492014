"""The one door through which everything that is not deterministic comes in.

Production opens it to the real clock and randomness; simulation to seeded ones.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen

from .determinism.real import real_clock_ns, real_entropy

POOL_BYTES = 4096


@frozen
class Env:
    clock_ns: Callable[[], int]
    """The wall clock: nanoseconds since the Unix epoch.  May jump, both ways."""
    entropy: Callable[[int], bytes]
    """That many unpredictable bytes."""


def real_env() -> Env:
    return Env(real_clock_ns, Entropy().draw)


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
