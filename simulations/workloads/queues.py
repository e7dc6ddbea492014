"""Jobs, and workers who claim and finish them."""

from __future__ import annotations

from .drawing import Asked, Drawing

WORKERS = ("w1", "w2", "w3")
STATES = ("waiting", "claimed", "done")


def mutation(draw: Drawing) -> Asked:
    kind = draw.below(10)
    if kind < 4:
        return "queues:add", {"number": draw.number()}
    if kind < 8:
        return "queues:claim", {"worker": draw.one(WORKERS)}
    return "queues:finish", {"worker": draw.one(WORKERS)}


def query(draw: Drawing) -> Asked:
    if draw.chance(0.2):
        return "queues:is_idle", {}
    return "queues:in_state", {"state": draw.one(STATES)}
