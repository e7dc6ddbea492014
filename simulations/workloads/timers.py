"""What is to happen later: soon, in a while, or before now; and some of it is called off."""

from __future__ import annotations

from .drawing import Asked, Drawing

KINDS = ("fire", "fire", "fail", "chain", "ring", "ring", "walk")
DELAYS_MS = (-5, 0, 0, 3, 20, 20, 100, 300)
STATES = ("pending", "inProgress", "success", "failed", "canceled")


def mutation(draw: Drawing) -> Asked:
    if draw.chance(0.25):
        # One of the newest, if it is a timer at all.
        return "timers:cancel", {"number": max(1, draw.numbers - draw.below(4))}
    return "timers:start", {"number": draw.number(), "kind": draw.one(KINDS), "ms": draw.one(DELAYS_MS)}


def query(draw: Drawing) -> Asked:
    kind = draw.below(5)
    if kind == 0:
        return "timers:in_state", {"state": draw.one(STATES)}
    return ("timers:times", "timers:jobs", "timers:newest", "timers:marks")[kind - 1], {}
