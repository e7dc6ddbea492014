"""Many seeds, one after another: what fails, and what was reached at all.

A campaign that never reached what it is there to try has proved nothing: probes that stay cold are a result
of their own.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import Final

from attrs import Factory, define

from .checkers.verdict import Verdict, judge
from .plan import FAULTS
from .run import run
from .swarm import generate

COLLECT_EVERY = 20
"""Runs are done without the garbage collector, so it is their turn in between."""

PROBES: Final = (
    *(f"fault {kind}" for kind in FAULTS),
    "a process recovered entries",
    "a server waits for a slow client",
    "recovery cut a torn end",
    "requests arrive after their connection was cut",
    "several commits in one batch",
)
"""What every campaign of some hundred seeds must reach."""


@define
class Campaign:
    seeds: int = 0
    """How many were run."""
    found: list[Verdict] = Factory(list[Verdict])
    probes: dict[str, int] = Factory(dict[str, int])

    def cold(self) -> tuple[str, ...]:
        return tuple(name for name in PROBES if name not in self.probes)

    def add(self, verdict: Verdict) -> None:
        self.seeds += 1
        for name, count in verdict.run.trace.probes.items():
            self.probes[name] = self.probes.get(name, 0) + count
        if verdict.violations:
            self.found.append(verdict)


def forever(campaign: Campaign) -> bool:
    """Go on until there are no more seeds."""
    return True


def search(
    seeds: Iterable[int],
    *,
    goes_on: Callable[[Campaign], bool] = forever,
    kinds: Iterable[str] = FAULTS,
    found_max: int = 1,
) -> Campaign:
    """Run the plans of these seeds until so many fail, or ``goes_on``, asked before each, says no."""
    campaign, kinds = Campaign(), tuple(kinds)
    for seed in seeds:
        if len(campaign.found) >= found_max or not goes_on(campaign):
            break
        campaign.add(judge(run(generate(seed, kinds))))
        if campaign.seeds % COLLECT_EVERY == 0:
            gc.collect()
    return campaign
