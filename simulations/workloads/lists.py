"""Transactions of several appends and reads: what they read tells in which order they were."""

from __future__ import annotations

from typing import Any

from .drawing import Asked, Drawing

KEYS = ("k1", "k2", "k3")
STEPS_MAX = 4


def steps(draw: Drawing) -> list[dict[str, Any]]:
    return [
        {"key": draw.one(KEYS), "value": draw.number() if draw.chance(0.5) else None}
        for _ in range(1 + draw.below(STEPS_MAX))
    ]


def mutation(draw: Drawing) -> Asked:
    return ("lists:transact" if draw.chance(0.7) else "lists:assign"), {"steps": steps(draw)}


def query(draw: Drawing) -> Asked:
    keys = [key for key in KEYS if draw.chance(0.6)] or list(KEYS)
    return ("lists:read" if draw.chance(0.7) else "lists:look"), {"keys": keys}
