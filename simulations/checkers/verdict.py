"""What is found, and by whom; all checkers one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from attrs import frozen

from ..history import History, history_of
from ..run import Run
from . import (
    agreement,
    audit,
    calls,
    crons,
    durability,
    isolation,
    jobs,
    liveness,
    migrations,
    order,
    pages,
    processes,
    recovery,
    schedules,
    serializability,
    shape,
    steps,
    subscriptions,
)
from .violation import Violation

Checker = Callable[[History], Iterator[Violation]]

CHECKERS: Final[tuple[Checker, ...]] = (
    processes.check,
    recovery.check,
    shape.check,
    serializability.check,
    agreement.check,
    audit.check,
    durability.check,
    order.check,
    calls.check,
    subscriptions.check,
    pages.check,
    jobs.check,
    schedules.check,
    steps.check,
    crons.check,
    migrations.check,
    isolation.check,
    liveness.check,
)
"""What others build upon comes first."""


@frozen
class Verdict:
    run: Run
    violations: tuple[Violation, ...]


def judge(run: Run) -> Verdict:
    history = history_of(run)
    return Verdict(run, tuple(violation for check in CHECKERS for violation in check(history)))
