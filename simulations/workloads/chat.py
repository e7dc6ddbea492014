"""Messages that come, move and go, and those who look at ranges of them."""

from __future__ import annotations

from .drawing import POSITIONS, Asked, Drawing

CHANNELS = ("red", "green")


def mutation(draw: Drawing) -> Asked:
    chance = draw.random.random()
    if chance < 0.55 or not draw.bodies:
        draw.bodies.append(f"m{len(draw.bodies)}")
        asked = {"channel": draw.one(CHANNELS), "position": draw.below(POSITIONS), "body": draw.bodies[-1]}
        return "chat:send", asked
    if chance < 0.9:
        body = draw.one(draw.bodies)
        return "chat:move", {"body": body, "channel": draw.one(CHANNELS), "position": draw.below(POSITIONS)}
    return "chat:clear", {"channel": draw.one(CHANNELS), **draw.bounds()}


def query(draw: Drawing) -> Asked:
    kind = draw.below(4)
    if kind == 3:
        return "chat:last", {"channel": draw.one(CHANNELS), "number": 1 + draw.below(4)}
    path = ("chat:range", "chat:count", "chat:is_quiet")[kind]
    return path, {"channel": draw.one(CHANNELS), **draw.bounds()}
