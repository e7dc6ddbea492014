"""Names that several want."""

from __future__ import annotations

from .drawing import Asked, Drawing

NAMES = ("n1", "n2", "n3")
OWNERS = ("o1", "o2")


def mutation(draw: Drawing) -> Asked:
    if draw.chance(0.4):
        return "names:release", {"name": draw.one(NAMES)}
    return "names:claim", {"name": draw.one(NAMES), "owner": draw.one(OWNERS)}


def query(draw: Drawing) -> Asked:
    if draw.chance(0.5):
        return "names:owner", {"name": draw.one(NAMES)}
    return "names:owned", {"owner": draw.one(OWNERS)}
