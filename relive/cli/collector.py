"""When Python looks for garbage: not while a database is recovered, and seldom afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

COLLECTOR_THRESHOLDS = (50_000, 20, 100)
"""New objects before the youngest generation is looked through, and how often before an older one."""


@contextmanager
def collector_off() -> Iterator[None]:
    """What recovery makes is there to stay: looking through it for garbage takes a fifth of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def calm_collector() -> None:
    """What was recovered lives as long as the server, and what a mutation makes has no cycles.

    Looking through all of it again and again is the longest pause that clients would notice, and looking
    through it once before is a good part of a start.
    """
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
