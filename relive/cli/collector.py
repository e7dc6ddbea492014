"""When Python looks for garbage: not while a server is imported and a database recovered, and seldom afterwards."""

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


@contextmanager
def collector_calmed() -> Iterator[None]:
    """As `collector_off`, of what lives as long as the server; and what a mutation makes has no cycles.

    Looking through all of it again and again is the longest pause that clients would notice, and looking
    through it once is a good part of a start.  So it is set aside before the collector goes on: it would
    begin with all that came to be while it was off.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*COLLECTOR_THRESHOLDS)
        gc.enable()
