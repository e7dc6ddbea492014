"""A clock that stands still until it is moved, and randomness that a seed decides: an `Env` for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from attrs import define

from .env import Env

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NS_PER_US = 1_000
BLOCK_BYTES = 64


@define(eq=False)
class StandingClock:
    now_ns: int
    """Nanoseconds since the Unix epoch."""

    def __call__(self) -> int:
        return self.now_ns


@define(eq=False)
class SeededEntropy:
    """The same bytes in the same order for the same seed."""

    seed: int
    blocks: int = 0

    def __call__(self, count: int) -> bytes:
        drawn = b""
        while len(drawn) < count:
            self.blocks += 1
            drawn += blake2b(f"{self.seed}:{self.blocks}".encode(), digest_size=BLOCK_BYTES).digest()
        return drawn[:count]


def seeded_env(seed: int, clock: StandingClock) -> Env:
    return Env(clock, SeededEntropy(seed))


def nanoseconds(duration: timedelta) -> int:
    """Exactly: floats of seconds are too coarse for today's date."""
    return duration // timedelta(microseconds=1) * NS_PER_US


def ns_of(moment: datetime) -> int:
    """Nanoseconds since the Unix epoch.  Raises ValueError if the time zone is not known."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} says no time zone: add tzinfo=datetime.UTC")
    return nanoseconds(moment - EPOCH)


def moment_of(ns: int) -> datetime:
    """In UTC, to the microsecond."""
    return EPOCH + timedelta(microseconds=ns // NS_PER_US)
