"""Transfers between accounts, some of which are refused."""

from __future__ import annotations

from .drawing import Asked, Drawing

ACCOUNTS = ("a", "b", "c", "d")


def mutation(draw: Drawing) -> Asked:
    if draw.chance(0.3):
        return "bank:open", {"name": draw.one(ACCOUNTS), "amount": 100}
    return "bank:transfer", {"source": draw.one(ACCOUNTS), "target": draw.one(ACCOUNTS), "amount": draw.below(60)}


def query(draw: Drawing) -> Asked:
    kind = draw.below(3)
    if kind == 0:
        return "bank:balance", {"name": draw.one(ACCOUNTS)}
    if kind == 1:
        return "bank:total", {}
    return "bank:richest", {"names": [draw.one(ACCOUNTS) for _ in range(3)]}
