"""Who must come before whom, and why.

Nodes are transactions by number, and behind them points in time that nobody's transaction is.
"""

from __future__ import annotations

from typing import Final

from attrs import Factory, define

WW: Final = 1
"""Both wrote, in this order."""
WR: Final = 2
"""The second read what the first wrote."""
RW: Final = 4
"""The second overwrote what the first read."""
REALTIME: Final = 8
"""The first had ended before the second began."""


@define(eq=False)
class Graph:
    size: int
    """Number of nodes."""
    edges: dict[int, dict[int, int]] = Factory(dict[int, dict[int, int]])
    """From node to node: the kinds, added."""
    reasons: dict[tuple[int, int, int], str] = Factory(dict[tuple[int, int, int], str])
    """By both nodes and the kind."""

    def link(self, before: int, after: int, kind: int, reason: str) -> None:
        if before == after:
            return
        targets = self.edges.setdefault(before, {})
        kinds = targets.get(after, 0)
        if not kinds & kind:
            targets[after] = kinds | kind
            self.reasons[before, after, kind] = reason

    def point(self) -> int:
        """A node that is no transaction."""
        self.size += 1
        return self.size - 1

    def after(self, node: int, kinds: int) -> list[int]:
        return [target for target, found in self.edges.get(node, {}).items() if found & kinds]
