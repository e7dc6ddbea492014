"""What is simulated: where plans come from, and what becomes of one.

    draw(seed, ...) ──> Plan ──> attempt(plan) ──> Verdict: the run, and what is wrong with it

Campaigns, the minimiser and the reports know no more than this, so they serve whatever can be attempted.

Invariants
    * `draw` and `attempt` depend on nothing but their arguments: the same plan, the same verdict.
    * A `Subject` does not leave its process; a `Maker`, which does, is picklable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from .checkers.verdict import Verdict, judge
from .plan import FAULTS, Plan
from .probes import COMMON
from .run import run, simulated_app
from .swarm import generate

Draw = Callable[[int, tuple[str, ...]], Plan]
"""The plan of a seed, with faults of these kinds only."""
Attempt = Callable[[Plan], Verdict]


@frozen(eq=False)
class Subject:
    name: str
    """Plans of one name cannot be run under another."""
    code: bytes
    """Hash of the app's source."""
    command: str
    """What people type to simulate it again, before ``--replay``."""
    draw: Draw
    attempt: Attempt
    probes: tuple[str, ...]
    """What a campaign of some hundred seeds with every fault must reach; rare ones are not among them."""
    faults: tuple[str, ...] = FAULTS
    """Kinds that there are."""
    seeds_for_probes: int = 300
    """Fewer seeds need not reach everything."""
    needs_all_faults: bool = True
    """Whether it takes every kind of fault to reach everything."""


REMARK: Final = "remark: "
"""Begins the name of a probe that tells people something, and is not there to be reached."""

Maker = Callable[[], Subject]
"""A function at the top of a module: worker processes call it, each once."""

PROBES: Final = COMMON


def attempt(plan: Plan) -> Verdict:
    return judge(run(plan))


def shipped() -> Subject:
    """The server that ships, with an app made for it and every checker there is."""
    return Subject("relive", simulated_app().code, "python -m relive.simulations", generate, attempt, PROBES)
