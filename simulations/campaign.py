"""Many seeds, one after another: what fails, and what was reached at all.

A campaign that never reached what it is there to try has proved nothing: probes that stay cold are a result
of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from attrs import Factory, define

from .attempts import Outcome, outcomes
from .checkers.verdict import Verdict
from .plan import FAULTS, from_bytes
from .subject import Maker, shipped


@define(eq=False)
class Campaign:
    make: Maker
    seeds: int = 0
    """How many were run."""
    failures: list[Outcome] = Factory(list[Outcome])
    probes: Counter[str] = Factory(Counter[str])
    steps: int = 0
    """Events of all traces together."""

    def cold(self) -> tuple[str, ...]:
        """What must be reached, and was not."""
        return tuple(name for name in self.make().probes if not self.probes[name])

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.steps += outcome.steps
        self.probes.update(outcome.probes)
        if outcome.kinds:
            self.failures.append(outcome)

    @property
    def found(self) -> list[Verdict]:
        """Of each failure, attempted once more.  The same plan fails again, or the simulator is wrong."""
        subject = self.make()
        return [subject.attempt(from_bytes(failure.plan)) for failure in self.failures]


def forever(campaign: Campaign) -> bool:
    """Go on until there are no more seeds."""
    return True


def search(
    seeds: Iterable[int],
    *,
    make: Maker = shipped,
    goes_on: Callable[[Campaign], bool] = forever,
    kinds: Iterable[str] = FAULTS,
    failures_max: int = 1,
    jobs: int = 1,
) -> Campaign:
    """Attempt the plans of these seeds until so many fail, or ``goes_on``, asked after each, says no.

    Raises SimulatorFailed, TrioUnsupported.
    """
    campaign = Campaign(make)
    for outcome in outcomes(make, seeds, tuple(kinds), jobs):
        campaign.add(outcome)
        if len(campaign.failures) >= failures_max or not goes_on(campaign):
            break
    return campaign
