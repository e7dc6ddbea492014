"""Notes that are written and touched, and those who look at the newest."""

from __future__ import annotations

from .drawing import Asked, Drawing

NOTES_MAX = 8


def mutation(draw: Drawing) -> Asked:
    """Notes by few names: there may be several of one."""
    body = f"t{draw.below(NOTES_MAX)}"
    return ("stamps:note" if draw.chance(0.5) else "stamps:touch"), {"body": body}


def query(draw: Drawing) -> Asked:
    return "stamps:newest", {"number": 1 + draw.below(4)}
