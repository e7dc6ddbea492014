"""The one door through which everything that is not deterministic comes in.

Production opens it to the real clock and randomness; simulation to seeded ones.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from .determinism.real import real_clock_ns, real_entropy


@frozen
class Env:
    clock_ns: Callable[[], int]
    """The wall clock: nanoseconds since the Unix epoch.  May jump, both ways."""
    entropy: Callable[[int], bytes]
    """That many unpredictable bytes."""


def real_env() -> Env:
    return Env(real_clock_ns, real_entropy)
