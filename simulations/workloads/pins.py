"""Pins on messages, which move and go meanwhile."""

from __future__ import annotations

from . import chat
from .drawing import Asked, Drawing

PINS = ("p1", "p2")


def mutation(draw: Drawing) -> Asked:
    chance = draw.random.random()
    if chance < 0.5 or not draw.bodies:
        return chat.mutation(draw)
    if chance < 0.9:
        return "pins:pin", {"name": draw.one(PINS), "body": draw.one(draw.bodies)}
    return "pins:drop", {"name": draw.one(PINS)}


def query(draw: Drawing) -> Asked:
    return ("pins:show" if draw.chance(0.4) else "pins:around"), {"name": draw.one(PINS)}
