"""Items, while other versions of the app take over, and a migration goes through them."""

from __future__ import annotations

from .drawing import Asked, Drawing

ITEMS = ("i1", "i2", "i3", "i4", "i5")


def mutation(draw: Drawing) -> Asked:
    kind = draw.below(10)
    if kind < 5:
        return "items:put", {"name": draw.one(ITEMS), "size": draw.below(9)}
    if kind < 9:
        return "items:grow", {"name": draw.one(ITEMS), "by": 1 + draw.below(5)}
    return "items:remove", {"name": draw.one(ITEMS)}


def query(draw: Drawing) -> Asked:
    kind = draw.below(3)
    if kind == 0:
        return "items:smallest", {"number": 1 + draw.below(4)}
    return ("items:colors" if kind == 1 else "items:coats"), {}
