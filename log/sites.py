"""Places in the code that a simulation hears of, and places where it may decide.

A *probe* says that something worth reaching was reached.  At a *buggify* site more than one choice is legal, and
production always makes the usual one; a simulation now and then makes the other.  In production both do nothing.

Invariant: whatever a buggify site answers, what is acknowledged, stored and shown is right all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen


def unheard(name: str) -> None:
    """Nobody listens."""


def usual(name: str) -> bool:
    """Always the usual choice."""
    return False


@frozen
class Sites:
    probe: Callable[[str], None] = unheard
    """Told by name what was reached."""
    buggify: Callable[[str], bool] = usual
    """Whether to make the rare choice at the site of this name, this time."""


QUIET: Final = Sites()
