"""The release gate: nothing leaves the process until the LSN that it reflects is durable.

Execution runs ahead of the disk; what users can see never does.

Invariants
    * What is held leaves in the order it came, whichever LSNs it reflects.
    * `durable` never goes down; everything at or below it has been released.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from attrs import Factory, define

from ..log.entry import LSN

T = TypeVar("T")


@define(eq=False)
class Gate(Generic[T]):
    durable: LSN
    held: deque[tuple[LSN, T]] = Factory(deque[tuple[LSN, T]])

    def hold(self, lsn: LSN, item: T) -> bool:
        """True if ``item`` may leave at once; otherwise it comes out of `release` or `drop`."""
        if lsn <= self.durable:
            return True
        # What reflects an older entry (the answer to a resent request, say) keeps its place in line.
        self.held.append((max(lsn, self.held[-1][0]) if self.held else lsn, item))
        return False

    def release(self, durable: LSN) -> tuple[T, ...]:
        """Everything that may leave now that ``durable`` is on disk, in order."""
        assert durable >= self.durable, (durable, self.durable)
        self.durable = durable
        released = []
        while self.held and self.held[0][0] <= durable:
            released.append(self.held.popleft()[1])
        return tuple(released)

    def drop(self) -> tuple[T, ...]:
        """Everything held: what it reflects was taken back and must never leave."""
        dropped = tuple(item for _, item in self.held)
        self.held.clear()
        return dropped

    def check(self) -> None:
        waiting = [lsn for lsn, _ in self.held]
        assert waiting == sorted(waiting), waiting
        assert not waiting or waiting[0] > self.durable, (waiting[0], self.durable)
