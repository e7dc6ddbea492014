"""Counts, changed by those who read them and by those who merge into them."""

from __future__ import annotations

from .drawing import Asked, Drawing

COUNTERS = ("x", "y")
METERS = ("u",)


def mutation(draw: Drawing) -> Asked:
    kind = draw.below(10)
    if kind < 4:
        return "counters:tick", {"name": draw.one(METERS)}
    if kind == 4:
        return "counters:bump", {"name": draw.one(COUNTERS)}
    if kind == 5:
        return "counters:raise_to", {"name": draw.one(COUNTERS), "least": draw.below(40)}
    return "counters:add", {"name": draw.one(COUNTERS), "by": 1 + draw.below(9)}


def query(draw: Drawing) -> Asked:
    if draw.chance(0.3):
        return "counters:above", {"least": draw.below(40)}
    return "counters:get", {"name": draw.one(COUNTERS + METERS)}
