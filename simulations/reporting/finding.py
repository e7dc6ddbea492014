"""What there is to report of a failure."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from ..checkers.verdict import Verdict
from ..checkers.violation import Violation
from ..plan import Plan


@frozen(eq=False)
class Finding:
    verdict: Verdict
    """Of the smallest plan."""
    first: Plan
    """As it was found; the same if it was not made smaller."""
    again: str
    """What to type to see it again."""
    file: Path | None = None
    """Where the plan is kept."""
    runs: int = 0
    """Attempts that it took to make it smaller."""
    seconds: float = 0.0
    """And how long that took."""
    seeds: int = 1
    """How many were attempted until it was found."""

    @property
    def plan(self) -> Plan:
        return self.verdict.run.plan

    @property
    def violation(self) -> Violation:
        """The one that it is named after."""
        return self.verdict.violations[0]

    def kinds(self) -> dict[str, Violation]:
        """The first of each kind, in order."""
        found: dict[str, Violation] = {}
        for violation in self.verdict.violations:
            found.setdefault(violation.kind, violation)
        return found

    def was_made_smaller(self) -> bool:
        return self.first != self.plan


def sizes(plan: Plan) -> str:
    clients = len([each for each in plan.clients if each])
    return (
        f"{counted(clients, 'client')}, {counted(plan.operations, 'operation')}, {counted(len(plan.faults), 'fault')}"
    )


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
