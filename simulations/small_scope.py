"""Small plans to look for a known failure in: two operations of one client, then more, up to a bound.

Each is a plan of some seed, with operations and faults picked from it at random.  Faults are of the kinds that
the failure had, and fewer in the first plans of a scope than in the last, so that a failure that needs none is
shown without.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final, TypeVar

from attrs import evolve

from .plan import Plan
from .randomness import stream
from .subject import Draw

T = TypeVar("T")

SCOPES: Final = ((1, 2), (1, 3), (2, 3), (2, 4), (2, 6), (3, 6), (4, 8))
"""Clients, and operations of all of them together."""
SEEDS_PER_SCOPE = 60


def small_plans(draw: Draw, failed: Plan) -> Iterator[Plan]:
    """Every one is smaller than ``failed``; those with the fewest operations first."""
    kinds = tuple(sorted(failed.fault_kinds()))
    for clients, operations in SCOPES:
        if operations >= failed.operations:
            return
        for number in range(SEEDS_PER_SCOPE):
            faults_max = min(len(failed.faults), number * 3 // SEEDS_PER_SCOPE)
            plan = draw(failed.seed * SEEDS_PER_SCOPE + number, kinds)
            # Under the name of the seed that failed: whoever reads it looks for that one.
            small = evolve(plan, policy=failed.policy, choices=(), seed=failed.seed)
            yield cut(small, clients, operations, faults_max, stream(failed.seed, f"scope {operations} {number}"))


def cut(plan: Plan, clients: int, operations: int, faults: int, random: Random) -> Plan:
    """The same plan with at most so many of each."""
    places = [
        (number, position) for number, client in enumerate(plan.clients[:clients]) for position in range(len(client))
    ]
    kept = set(picked(places, operations, random))
    return evolve(
        plan,
        clients=tuple(
            tuple(operation for position, operation in enumerate(client) if (number, position) in kept)
            for number, client in enumerate(plan.clients[:clients])
        ),
        faults=tuple(picked(plan.faults, faults, random)),
    )


def picked(items: tuple[T, ...] | list[T], count: int, random: Random) -> list[T]:
    """At most so many of them, in their order."""
    chosen = sorted(random.sample(range(len(items)), min(count, len(items))))
    return [items[position] for position in chosen]
