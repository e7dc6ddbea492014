"""Runs of plans that are written down here, and the same runs with something changed in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import UnionType
from typing import Any

from attrs import evolve
from relive.log.entry import Entry
from relive.simulations.checkers.violation import Violation
from relive.simulations.history import History, history_of
from relive.simulations.plan import DEPLOY, MIGRATE, MUTATE, SUBSCRIBE, Knobs, Operation, Plan
from relive.simulations.run import Run, run
from relive.simulations.schedule import FIFO
from relive.simulations.trace import Event, Trace

Check = Callable[[History], Iterator[Violation]]


def mutate(path: str, pause_ms: int = 1, **args: Any) -> Operation:
    return Operation(pause_ms, MUTATE, path, args)


def watch(path: str, pause_ms: int = 1, **args: Any) -> Operation:
    return Operation(pause_ms, SUBSCRIBE, path, args)


def deploy(version: int) -> Operation:
    return Operation(1, DEPLOY, "", {"version": version})


def migrate() -> Operation:
    return Operation(1, MIGRATE, "", {})


def ran(*clients: list[Operation], **knobs: Any) -> Run:
    """Without faults; each mutation waits for the one before it."""
    plan = Plan(1, FIFO, Knobs(pipelined=False, **knobs), tuple(tuple(each) for each in clients), ())
    return run(plan)


def found(check: Check, run: Run) -> set[str]:
    return {violation.invariant for violation in check(history_of(run))}


def problems(check: Check, run: Run) -> list[str]:
    return [violation.problem for violation in check(history_of(run))]


def changed(
    run: Run, *, events: list[tuple[int, Event]] | None = None, entries: tuple[Entry, ...] | None = None
) -> Run:
    trace = Trace(run.trace.clock, run.trace.events if events is None else events)
    return Run(run.plan, trace, run.entries if entries is None else entries, run.damage, run.choices, run.storage)


def with_entry(run: Run, function: str, which: int = 0, **fields: Any) -> Run:
    """The entry of a function is another one."""
    lsn = [entry.lsn for entry in run.entries if entry.function == function][which]
    entries = [evolve(entry, **fields) if entry.lsn == lsn else entry for entry in run.entries]
    return changed(run, entries=tuple(entries))


def without_entry(run: Run, function: str, which: int = 0) -> Run:
    lsn = [entry.lsn for entry in run.entries if entry.function == function][which]
    return changed(run, entries=tuple(entry for entry in run.entries if entry.lsn != lsn))


def with_events(run: Run, kind: type[Event] | UnionType, change: Callable[[Any], Any]) -> Run:
    """Each event of a kind is what ``change`` makes of it."""
    events = [(at, change(event) if isinstance(event, kind) else event) for at, event in run.trace.events]
    return changed(run, events=events)


def entry_of(run: Run, function: str, which: int = 0) -> Entry:
    return [entry for entry in run.entries if entry.function == function][which]


def nothing(check: Check, run: Run) -> bool:
    """Whether the run itself, untouched, is one in which nothing is wrong."""
    return not found(check, run)
