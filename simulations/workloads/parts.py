"""Mutations of several parts, of which some fail."""

from __future__ import annotations

from .drawing import Asked, Drawing

NAMES = ("s", "t", "u")


def mutation(draw: Drawing) -> Asked:
    kind = draw.below(10)
    if kind < 2:
        return "parts:one", {"name": draw.one(NAMES), "by": 1 + draw.below(9)}
    if kind < 4:
        return "parts:empty", {"name": draw.one(NAMES)}
    return "parts:several", {"names": [draw.one(NAMES) for _ in range(3)], "by": 1 + draw.below(9)}


def query(draw: Drawing) -> Asked:
    return ("parts:total", {}) if draw.chance(0.3) else ("parts:size", {"name": draw.one(NAMES)})
