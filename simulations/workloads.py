"""What clients ask for: each workload draws a mutation or a query of one module of the app.

Names are few, so that clients meet; bodies of messages are never repeated, so that each can be told apart.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from attrs import Factory, define

Asked = tuple[str, dict[str, Any]]
"""Path and arguments."""

ACCOUNTS = ("a", "b", "c", "d")
COUNTERS = ("x", "y")
NAMES = ("n1", "n2", "n3")
OWNERS = ("o1", "o2")
CHANNELS = ("red", "green")
POSITIONS = 12


@define
class Drawing:
    """Draws what is asked for, for one plan."""

    random: Random
    bodies: list[str] = Factory(list[str])

    def one(self, options: tuple[str, ...]) -> str:
        return options[int(self.random.random() * len(options))]

    def below(self, stop: int) -> int:
        return int(self.random.random() * stop)

    def bounds(self) -> dict[str, int]:
        low = self.below(POSITIONS)
        return {"low": low, "high": low + 1 + self.below(POSITIONS - low)}


def bank_mutation(draw: Drawing) -> Asked:
    if draw.random.random() < 0.3:
        return "bank:open", {"name": draw.one(ACCOUNTS), "amount": 100}
    return "bank:transfer", {"source": draw.one(ACCOUNTS), "target": draw.one(ACCOUNTS), "amount": draw.below(60)}


def bank_query(draw: Drawing) -> Asked:
    kind = draw.below(3)
    if kind == 0:
        return "bank:balance", {"name": draw.one(ACCOUNTS)}
    if kind == 1:
        return "bank:total", {}
    return "bank:richest", {"names": [draw.one(ACCOUNTS) for _ in range(3)]}


def counters_mutation(draw: Drawing) -> Asked:
    if draw.random.random() < 0.4:
        return "counters:bump", {"name": draw.one(COUNTERS)}
    return "counters:add", {"name": draw.one(COUNTERS), "by": 1 + draw.below(9)}


def counters_query(draw: Drawing) -> Asked:
    return "counters:get", {"name": draw.one(COUNTERS)}


def names_mutation(draw: Drawing) -> Asked:
    if draw.random.random() < 0.4:
        return "names:release", {"name": draw.one(NAMES)}
    return "names:claim", {"name": draw.one(NAMES), "owner": draw.one(OWNERS)}


def names_query(draw: Drawing) -> Asked:
    if draw.random.random() < 0.5:
        return "names:owner", {"name": draw.one(NAMES)}
    return "names:owned", {"owner": draw.one(OWNERS)}


def chat_mutation(draw: Drawing) -> Asked:
    chance = draw.random.random()
    if chance < 0.55 or not draw.bodies:
        draw.bodies.append(f"m{len(draw.bodies)}")
        asked = {"channel": draw.one(CHANNELS), "position": draw.below(POSITIONS), "body": draw.bodies[-1]}
        return "chat:send", asked
    if chance < 0.9:
        body = draw.bodies[draw.below(len(draw.bodies))]
        return "chat:move", {"body": body, "channel": draw.one(CHANNELS), "position": draw.below(POSITIONS)}
    return "chat:clear", {"channel": draw.one(CHANNELS), **draw.bounds()}


def chat_query(draw: Drawing) -> Asked:
    kind = draw.below(3)
    if kind == 0:
        return "chat:last", {"channel": draw.one(CHANNELS), "number": 1 + draw.below(4)}
    return ("chat:range" if kind == 1 else "chat:count"), {"channel": draw.one(CHANNELS), **draw.bounds()}


Draw = Callable[[Drawing], Asked]
WORKLOADS: Final[dict[str, tuple[Draw, Draw]]] = {
    "bank": (bank_mutation, bank_query),
    "counters": (counters_mutation, counters_query),
    "names": (names_mutation, names_query),
    "chat": (chat_mutation, chat_query),
}
"""Mutations and queries of each."""
