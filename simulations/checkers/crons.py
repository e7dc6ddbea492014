"""Crons run one at a time and in step, go on over deploys and restarts, and are those of the code that is deployed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from attrs import Factory, define

from ...log.entry import Entry, Kind
from ...protocol import cbor
from ..apps import version_of, versions
from ..fold import Change
from ..history import History
from ..model.timers import JOBS, PENDING, RUNNING
from ..moments import settled_ms
from .violation import Violation

NAME = "crons"
ROWS: Final = "_cron_jobs"
CRON: Final = "cron"
LATE_MS_MAX: Final = 3_000.0
TOLERANCE_MS: Final = 0.01
"""Of sums of doubles that hold the milliseconds since the Unix epoch."""

Row = dict[str, Any]


@define
class Book:
    history: History
    rows: dict[str, Row] = Factory(dict[str, Row])
    """By name, as of the entry before."""
    ids: dict[str, str] = Factory(dict[str, str])
    """Names, by id."""
    jobs: dict[str, str] = Factory(dict[str, str])
    """State of each job, by id."""

    def read(self, entry: Entry) -> Iterator[tuple[str, str]]:
        changes = [change for change in self.history.changes[entry.lsn] if change.table == ROWS]
        if entry.cause.kind == CRON:
            for change in changes:
                yield from self.check_run(entry, change)
        elif entry.kind is Kind.DEPLOY:
            yield from self.check_deploy(entry, changes)
        elif changes:
            yield "only deploys and runs change crons", f"entry {entry.lsn}, {entry.function}"
        for change in changes:
            self.note(change)
        for change in self.history.changes[entry.lsn]:
            if change.table == JOBS and change.new is not None:
                job: Any = cbor.decode(change.new)
                self.jobs[change.id] = job["state"]["kind"]

    def note(self, change: Change) -> None:
        if change.new is None:
            self.rows.pop(self.ids[change.id], None)
        else:
            row: Row = cbor.decode(change.new)  # type: ignore[assignment]
            self.rows[row["name"]] = row
            self.ids[change.id] = row["name"]

    def check_run(self, entry: Entry, change: Change) -> Iterator[tuple[str, str]]:
        assert change.new is not None
        row: Any = cbor.decode(change.new)
        before, now = self.rows[row["name"]], (entry.clock or 0) / 1e6
        where = f"entry {entry.lsn}: {before} becomes {row}, at {now}"
        ran = row.get("lastJob") != before.get("lastJob")
        self.history.run.trace.probe("a cron runs" if ran else "a run of a cron is skipped")
        if before["nextRun"] > now + TOLERANCE_MS:
            yield "no cron runs before its time", where
        if row["nextRun"] <= now - TOLERANCE_MS:
            yield "the next run of a cron is to come", where
        if self.jobs.get(before.get("lastJob") or "") in (PENDING, RUNNING) and ran:
            yield "a cron runs one at a time", where
        word, _, rest = row["schedule"].partition(" ")
        if word == "every":
            steps = (row["nextRun"] - before["nextRun"]) / (float(rest.removesuffix(" s")) * 1000)
            if abs(steps - round(steps)) > TOLERANCE_MS:
                yield "an interval stays in step", where
            if row["skipped"] - before["skipped"] != round(steps) - ran:
                yield "each run is counted that is skipped", where

    def check_deploy(self, entry: Entry, changes: list[Change]) -> Iterator[tuple[str, str]]:
        """The rows are those that the code declares; only another schedule has another time."""
        after = dict(self.rows)
        for change in changes:
            if change.new is None:
                after.pop(self.ids[change.id], None)
            else:
                row: Any = cbor.decode(change.new)
                after[row["name"]] = row
        declared = versions()[version_of(entry.code) - 1].crons
        if after.keys() != declared.keys():
            yield "crons are those of the code", f"entry {entry.lsn} has {sorted(after)}, not {sorted(declared)}"
            return
        for name, row in after.items():
            cron, known = declared[name], self.rows.get(name)
            if (row["schedule"], row["function"], row["args"]) != (cron.schedule.text, cron.path, [cron.args]):
                yield "crons are those of the code", f"entry {entry.lsn}: {row}, not {cron}"
            if known is not None:
                self.history.run.trace.probe("a deploy finds crons")
                if known["schedule"] == row["schedule"] and known["nextRun"] != row["nextRun"]:
                    yield "a deploy leaves the phase of a cron as it is", f"entry {entry.lsn}: {known} becomes {row}"

    def check_end(self) -> Iterator[tuple[str, str]]:
        now = settled_ms(self.history)
        for row in self.rows.values():
            if now is not None and row["nextRun"] < now - LATE_MS_MAX:
                yield "crons go on", f"{row} has not run at {now}, when all is well"


def check(history: History) -> Iterator[Violation]:
    book = Book(history)
    for entry in history.run.entries:
        for invariant, problem in book.read(entry):
            yield Violation(NAME, invariant, problem)
    for invariant, problem in book.check_end():
        yield Violation(NAME, invariant, problem)
