"""What a simulation answers at the sites of the code, and the names of them all.

As FoundationDB does it: in a run a site is awake with some chance, and one that is awake makes the rare choice
with some chance each time.  A fault can force a site: then it makes the rare choice the next so many times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final

from attrs import Factory, define, field

from ..log.sites import Sites
from .randomness import stream

AWAKE = 0.25
FIRES = 0.25

TABLES_FAIL: Final = "the tables fail"
CHOICES: Final = (
    "a batch is not marked",
    "a batch of one entry",
    "a batch waits for others",
    "a client is sent away",
    "a migration waits for its turn",
    "a segment is sealed early",
    "a small read",
    "a small write",
    "live queries start over",
    "one transition at a time",
    "the tables are rebuilt for nothing",
    "the writer is woken for nothing",
    "transitions wait for their turn",
)
"""Sites where chance decides; at others only a fault does."""


def fired(site: str) -> str:
    """The probe of a site that made the rare choice."""
    return f"rare choice: {site}"


@define(eq=False)
class Chance:
    """Decides at the sites of one run."""

    seed: int
    is_on: bool
    probe: Callable[[str], None]
    forced: Counter[str] = Factory(Counter[str])
    """How often a site must still make its rare choice."""
    streams: dict[str, Random | None] = field(factory=dict, repr=False)
    """Of each site that was asked; None of one that sleeps."""

    @property
    def sites(self) -> Sites:
        return Sites(self.probe, self.buggify)

    def buggify(self, name: str) -> bool:
        if self.forced[name]:
            self.forced[name] -= 1
            self.probe(fired(name))
            return True
        if not self.is_on or name == TABLES_FAIL:
            return False
        assert name in CHOICES, f"the site {name!r} is not in the list of them"
        if name not in self.streams:
            random = stream(self.seed, f"site {name}")
            self.streams[name] = random if random.random() < AWAKE else None
        awake = self.streams[name]
        if awake is None or awake.random() >= FIRES:
            return False
        self.probe(fired(name))
        return True

    def calm(self) -> None:
        """From here on only usual choices."""
        self.is_on = False
        self.forced.clear()
