"""Pages of a list, with more and more of them watched and some split, while the list changes."""

from __future__ import annotations

from . import chat
from .drawing import POSITIONS, Asked, Drawing

PAGE_ITEMS_MAX = 3


def mutation(draw: Drawing) -> Asked:
    """Mostly more of them."""
    if draw.chance(0.5):
        draw.bodies.append(f"m{len(draw.bodies)}")
        asked = {"channel": draw.one(chat.CHANNELS), "position": draw.below(POSITIONS), "body": draw.bodies[-1]}
        return "chat:send", asked
    return chat.mutation(draw)


def query(draw: Drawing) -> Asked:
    """The first page; who watches it asks for more."""
    options = {"numItems": 1 + draw.below(PAGE_ITEMS_MAX), "cursor": None}
    asked = {"channel": draw.one(chat.CHANNELS), "order": draw.one(("asc", "desc")), "paginationOpts": options}
    return "chat:page", asked
