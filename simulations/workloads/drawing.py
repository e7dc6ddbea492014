"""What workloads draw from, for one plan.

Names are few, so that clients meet; bodies and numbers are never repeated, so that each can be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

from attrs import Factory, define, frozen

T = TypeVar("T")

Asked = tuple[str, dict[str, Any]]
"""Path and arguments."""

POSITIONS = 12


@define
class Drawing:
    """Draws what is asked for."""

    random: Random
    bodies: list[str] = Factory(list[str])
    """Of messages."""
    numbers: int = 0
    """So many were given out."""

    def one(self, options: Sequence[T]) -> T:
        return options[int(self.random.random() * len(options))]

    def below(self, stop: int) -> int:
        return int(self.random.random() * stop)

    def chance(self, likely: float) -> bool:
        return self.random.random() < likely

    def number(self) -> int:
        """One that was not given out before."""
        self.numbers += 1
        return self.numbers

    def bounds(self) -> dict[str, int]:
        low = self.below(POSITIONS)
        return {"low": low, "high": low + 1 + self.below(POSITIONS - low)}


@frozen
class Workload:
    mutation: Callable[[Drawing], Asked]
    query: Callable[[Drawing], Asked]
