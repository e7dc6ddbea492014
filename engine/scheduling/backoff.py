"""When jobs that the disk has refused are tried again: later each time, and apart from all others.

A mutation is never tried again because of what it does or of what others do: if it raises it has failed, and if what
it has read changes it runs alone.  What is left is a disk that does not take what it writes, perhaps because that is
much.  Such a job would be the first in line for ever, and everybody's writes would be taken back with its own.

Invariants
    * Who was refused so many times in a row waits twice as long as the time before, up to `RETRY_S_MAX`.
    * A job that waits for another attempt stands in line as if it were due then: others go before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import Factory, define, frozen

RETRY_S: Final = 1.0
"""The first time."""
RETRY_S_MAX: Final = 300.0


@frozen
class Refused:
    times: int
    until: float
    """Milliseconds since the Unix epoch."""


@define(eq=False)
class Backoff:
    refused: dict[str, Refused] = Factory(dict[str, Refused])
    """By id of the job."""
    trying: bool = False
    """The disk has refused the last that was tried: one thing at a time, until it takes something."""

    def note(self, ids: Iterable[str], now: float) -> None:
        """These were refused together; ``now`` in milliseconds since the Unix epoch."""
        self.trying = True
        for id in ids:
            times = self.refused[id].times + 1 if id in self.refused else 1
            self.refused[id] = Refused(times, now + pause_s(times) * 1000)

    def written(self, ids: Iterable[str]) -> None:
        """These are durable now."""
        for id in ids:
            self.trying = False
            self.refused.pop(id, None)

    def due(self, id: str, due: float) -> float:
        """When it begins, if it is due then."""
        known = self.refused.get(id)
        return due if known is None else max(due, known.until)

    def runs_alone(self, id: str) -> bool:
        """Whether nothing else may be on its way to the disk with it."""
        return self.trying or id in self.refused


def pause_s(times: int) -> float:
    return min(RETRY_S * 2.0 ** min(times - 1, 60), RETRY_S_MAX)
