"""A smaller plan that fails in the same way: delta debugging on faults, operations and knobs.

The same failure is the same checker and the same invariant; its words may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from attrs import asdict, define, evolve, field

from .checkers.verdict import Verdict, judge
from .plan import Knobs, Operation, Plan
from .run import run
from .schedule import FIFO

T = TypeVar("T")

RUNS_MAX = 300


@define(eq=False)
class Minimiser:
    kind: str
    """Of the violation that must stay."""
    best: Verdict
    runs_left: int = RUNS_MAX
    plan: Plan = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.plan = self.best.run.plan

    def fails(self, plan: Plan) -> bool:
        """Whether this plan fails in the same way; then it is the best so far."""
        if plan == self.plan or self.runs_left <= 0:
            return False
        self.runs_left -= 1
        verdict = judge(run(plan))
        if not any(violation.kind == self.kind for violation in verdict.violations):
            return False
        self.plan, self.best = plan, verdict
        return True

    def minimise(self) -> Verdict:
        while self.runs_left > 0:
            before = self.plan
            for client in range(len(self.plan.clients)):
                self.fails(with_client(self.plan, client, ()))
            self.shorten(lambda plan: plan.faults, lambda plan, faults: evolve(plan, faults=tuple(faults)))
            self.shorten(flat, with_operations)
            self.simplify()
            if self.plan == before:
                break
        return self.best

    def shorten(self, part: Callable[[Plan], Sequence[T]], put: Callable[[Plan, Sequence[T]], Plan]) -> None:
        """Leave out ever smaller pieces of a part of the plan, as long as it fails."""
        size = len(part(self.plan))
        while size >= 1:
            start = 0
            while start < len(part(self.plan)):
                items = part(self.plan)
                if not self.fails(put(self.plan, [*items[:start], *items[start + size :]])):
                    start += size
            size //= 2

    def simplify(self) -> None:
        """The usual scheduler, the usual knobs."""
        self.fails(evolve(self.plan, policy=FIFO, choices=()))
        for knobs in usual(self.plan.knobs):
            self.fails(evolve(self.plan, knobs=knobs))


def usual(knobs: Knobs) -> Iterator[Knobs]:
    """All knobs as they are usually, then each by itself."""
    yield Knobs()
    for name, value in asdict(Knobs()).items():
        yield evolve(knobs, **{name: value})


def with_client(plan: Plan, client: int, operations: tuple[Operation, ...]) -> Plan:
    clients = [operations if number == client else each for number, each in enumerate(plan.clients)]
    return evolve(plan, clients=tuple(clients))


def flat(plan: Plan) -> Sequence[tuple[int, Operation]]:
    return [(number, operation) for number, client in enumerate(plan.clients) for operation in client]


def with_operations(plan: Plan, operations: Sequence[tuple[int, Operation]]) -> Plan:
    clients = [tuple(each for of, each in operations if of == number) for number in range(len(plan.clients))]
    return evolve(plan, clients=tuple(clients))


def minimise(verdict: Verdict, runs_max: int = RUNS_MAX) -> Verdict:
    """The smallest run found that fails as the first violation of this one does."""
    assert verdict.violations, "it does not fail"
    return Minimiser(verdict.violations[0].kind, verdict, runs_max).minimise()
