"""A smaller plan that fails in the same way.

    the simplest schedule ──> small scopes ──> leave out clients, faults, operations, knobs ──> smaller values

The same failure is the same checker and the same invariant; its words may differ.  Small plans that are drawn
anew come first: most bugs need two clients and a few operations, and such a plan is found sooner than seventy
operations are left out one by one.

Invariant: what comes out failed in the same way when it was last attempted, and is no larger than what went in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from attrs import asdict, define, evolve, field

from .checkers.verdict import Verdict
from .plan import Knobs, Operation, Plan
from .schedule import FIFO
from .small_scope import small_plans
from .subject import Subject
from .values import smaller

T = TypeVar("T")

RUNS_MAX = 1_500


def always() -> bool:
    return True


@define(eq=False)
class Minimiser:
    subject: Subject
    kind: str
    """Of the violation that must stay."""
    best: Verdict
    runs_max: int = RUNS_MAX
    goes_on: Callable[[], bool] = always
    """Asked before each run: whether there is time for it."""
    runs: int = 0
    plan: Plan = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.plan = self.best.run.plan

    @property
    def is_done(self) -> bool:
        return self.runs >= self.runs_max or not self.goes_on()

    def fails(self, plan: Plan) -> bool:
        """Whether this plan fails in the same way; then it is the best so far."""
        if plan == self.plan or self.is_done:
            return False
        self.runs += 1
        verdict = self.subject.attempt(plan)
        if not any(violation.kind == self.kind for violation in verdict.violations):
            return False
        self.plan, self.best = plan, verdict
        return True

    def minimise(self) -> Verdict:
        self.fails(evolve(self.plan, policy=FIFO, choices=()))
        self.search_small_scopes()
        before: Plan | None = None
        while self.plan != before and not self.is_done:
            before = self.plan
            self.leave_out()
            self.simplify()
            self.make_values_smaller()
        return self.best

    def search_small_scopes(self) -> None:
        """The first small plan that fails takes the place of a larger one."""
        for plan in small_plans(self.subject.draw, self.plan):
            if self.is_done or self.fails(plan):
                return

    def leave_out(self) -> None:
        """Delta debugging: ever smaller pieces."""
        for client in reversed(range(len(self.plan.clients))):
            self.fails(with_client(self.plan, client, ()))
        self.shorten(lambda plan: plan.faults, lambda plan, faults: evolve(plan, faults=tuple(faults)))
        self.shorten(flat, with_operations)

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
        """The simplest scheduler, the usual knobs, clients without gaps."""
        self.fails(evolve(self.plan, policy=FIFO, choices=()))
        for knobs in usual(self.plan.knobs):
            self.fails(evolve(self.plan, knobs=knobs))

    def make_values_smaller(self) -> None:
        """Each value by itself, down to the smallest with which it fails."""
        again = True
        while again and not self.is_done:
            again = any(self.fails(plan) for plan in smaller(self.plan))


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


def minimise(
    verdict: Verdict, subject: Subject, *, runs_max: int = RUNS_MAX, goes_on: Callable[[], bool] = always
) -> Minimiser:
    """Done as far as runs and time allow: `Minimiser.best` fails as the first violation of ``verdict`` does."""
    assert verdict.violations, "it does not fail"
    minimiser = Minimiser(subject, verdict.violations[0].kind, verdict, runs_max, goes_on)
    minimiser.minimise()
    return minimiser
