"""Steps of durable actions are recorded once, in their order, a mutation's with what it wrote; and all get done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from attrs import Factory, define

from ...log.entry import Entry, Kind
from ...protocol import cbor
from ..excuses import may_oversleep
from ..fold import Change
from ..history import History
from ..model.timers import MARKS
from ..moments import settled_ms
from .violation import Violation

NAME = "steps"
STEPS: Final = "_steps"
ACTIONS: Final = "_durable_actions"
DONE: Final = "done"
WALKED: Final = [0, 1, 2]
"""Positions of the marks that one walk leaves."""
LATE_MS_MAX: Final = 3_000.0
UNFINISHED: Final = ("running", "waiting")


@define
class Book:
    history: History
    actions: dict[str, Any] = Factory(dict[str, Any])
    requests: Counter[str] = Factory(Counter[str])
    done: dict[str, list[int]] = Factory(dict[str, list[int]])
    """Positions of the steps that are done, by action."""
    marks: dict[int, list[int]] = Factory(dict[int, list[int]])
    """Positions, by number, in the order of the log."""

    def read(self, entry: Entry) -> Iterator[tuple[str, str]]:
        steps = 0
        for change in self.history.changes[entry.lsn]:
            if change.table == ACTIONS:
                yield from self.check_action(entry, change)
            elif change.table == STEPS:
                steps += 1
                yield from self.check_step(entry, change)
            elif change.table == MARKS and change.new is not None:
                mark: Any = cbor.decode(change.new)
                self.marks.setdefault(int(mark["number"]), []).append(int(mark["position"]))
        if entry.kind is Kind.MUTATION and entry.function == "timers:mark" and steps != 1:
            yield "a step is recorded in the entry of what it wrote", f"entry {entry.lsn} records {steps} steps"

    def check_action(self, entry: Entry, change: Change) -> Iterator[tuple[str, str]]:
        assert change.new is not None
        row: Any = cbor.decode(change.new)
        before = self.actions.get(change.id)
        if before is None:
            self.requests[row["request"]] += 1
            if self.requests[row["request"]] > 1:
                yield "a durable action is begun once", f"entry {entry.lsn} begins {row}"
        elif before["state"] not in UNFINISHED:
            yield "a durable action that has ended never changes", f"entry {entry.lsn}: {before} becomes {row}"
        elif row["runs"] > before["runs"]:
            self.history.run.trace.probe("a durable action goes on after a stop")
        if row["state"] == DONE:
            self.history.run.trace.probe("a durable action is done")
        elif row["state"] == "failed":
            yield "a durable action ends as it is written to", f"entry {entry.lsn}: {row}"
        self.actions[change.id] = row

    def check_step(self, entry: Entry, change: Change) -> Iterator[tuple[str, str]]:
        assert change.new is not None
        row: Any = cbor.decode(change.new)
        if change.old is not None and self.history.fold.decode(change.old)["state"] == DONE:
            yield "a step that is done never changes", f"entry {entry.lsn} makes it {row}"
        if row["state"] == DONE:
            done = self.done.setdefault(row["action"], [])
            if row["position"] != len(done):
                yield "steps are taken once, one after another", f"entry {entry.lsn}: {row} comes after {done}"
            done.append(int(row["position"]))

    def check_end(self) -> Iterator[tuple[str, str]]:
        for number, positions in self.marks.items():
            if positions != WALKED[: len(positions)]:
                yield "each step is done once, and in order", f"{number} has left the marks {positions}"
        # Who sleeps looks at the clock once in a while only: it may have been set meanwhile.
        now = settled_ms(self.history) if not may_oversleep(self.history) else None
        for id, row in self.actions.items():
            marks = self.marks.get(number_in(row["args"]), [])
            if row["state"] == DONE and marks != WALKED:
                yield "an action that is done has done all of its steps", f"{row} has left the marks {marks}"
            if now is not None and row["state"] in UNFINISHED and row["started"] < now - LATE_MS_MAX:
                yield "durable actions get done", f"{row}, {id}, is {row['state']} at {now}, when all is well"


def number_in(args: str) -> int:
    tree: Any = json.loads(args)
    return int(tree["number"])


def check(history: History) -> Iterator[Violation]:
    book = Book(history)
    for entry in history.run.entries:
        for invariant, problem in book.read(entry):
            yield Violation(NAME, invariant, problem)
    for invariant, problem in book.check_end():
        yield Violation(NAME, invariant, problem)
