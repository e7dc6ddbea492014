"""Who runs next: the choices that a scheduler has, as numbers.

    shuffle  each batch of runnable tasks in random order, as trio does
    fifo     in the order in which the tasks were made: the simplest, for reading
    one      one random task, then again: every interleaving
    pct      random priorities with a few changes: starves tasks
    replay   as recorded under one or pct, then fifo

Invariant: the same policy and the same batches give the same order, whatever else the process does.
"""

from __future__ import annotations

from random import Random
from typing import Final

from attrs import Factory, define

SHUFFLE: Final = "shuffle"
FIFO: Final = "fifo"
ONE: Final = "one"
PCT: Final = "pct"
REPLAY: Final = "replay"
POLICIES: Final = (SHUFFLE, FIFO, ONE, PCT, REPLAY)

PRIORITY_CHANGE = 0.02
"""How likely the task of highest priority falls to the lowest, at each step."""


@define(eq=False)
class Schedule:
    """Orders what is runnable; tasks are known by their number."""

    policy: str
    random: Random
    recorded: tuple[int, ...] = ()
    """For ``replay``: what `choices` was under ``one`` or ``pct``."""
    choices: list[int] = Factory(list[int])
    """Every choice made among several, in order."""
    priorities: dict[int, float] = Factory(dict[int, float])
    demotions: int = 0

    def __attrs_post_init__(self) -> None:
        assert self.policy in POLICIES, self.policy

    def runs_one(self) -> bool:
        """Whether only the first of the order runs before there is another choice."""
        return self.policy in (ONE, PCT, REPLAY)

    def order(self, tasks: list[int]) -> list[int]:
        """Positions in ``tasks``, those to run first in front; only one position if `runs_one`."""
        count = len(tasks)
        if self.policy == FIFO:
            return list(range(count))
        if self.policy == SHUFFLE:
            positions = list(range(count))
            # Last to first, as the standard library shuffles, but with choices that are recorded.
            for last in range(count - 1, 0, -1):
                other = self.choose(last + 1)
                positions[last], positions[other] = positions[other], positions[last]
            return positions
        if self.policy == PCT:
            return [self.record(self.by_priority(tasks), count)]
        return [self.choose(count)]

    def choose(self, count: int) -> int:
        """A number below ``count``."""
        if count == 1:
            return 0
        if self.policy == REPLAY:
            made = len(self.choices)
            choice = self.recorded[made] % count if made < len(self.recorded) else 0
        else:
            choice = int(self.random.random() * count)
        return self.record(choice, count)

    def record(self, choice: int, count: int) -> int:
        if count > 1:
            self.choices.append(choice)
        return choice

    def by_priority(self, tasks: list[int]) -> int:
        for task in tasks:
            if task not in self.priorities:
                self.priorities[task] = self.random.random()
        if self.random.random() < PRIORITY_CHANGE:
            self.demotions += 1
            self.priorities[max(tasks, key=self.priorities.__getitem__)] = -float(self.demotions)
        return max(range(len(tasks)), key=lambda position: self.priorities[tasks[position]])
