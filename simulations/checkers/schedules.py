"""Jobs run as they were scheduled: mutations once, actions at most once, none early, none lost, none long overtaken.

Everything is read off the log: each row of a job goes from state to state, and each step needs its reason there.

    pending ──> success                 in the entry of the mutation, which is not before its time
       │  └───> failed                  in an entry of the system, if the function is written to fail
       │  └───> inProgress ──> success  in entries of the system, around all that the action does
       │              └──────> failed   because a process ended, or the disk was full
       └────────┴────────────> canceled by a mutation that says so
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from attrs import Factory, define

from ...engine.execution.scheduled import SCHEDULE, job_of_cause
from ...engine.limits import SCHEDULED_MUTATIONS_MAX
from ...log.entry import Entry, Kind
from ...protocol import cbor
from ..excuses import may_be_interrupted, may_oversleep, may_wait_for_the_disk
from ..fold import Change
from ..history import History
from ..model.timers import CANCELED, JOBS, PENDING, RUNNING, SUCCESS
from ..moments import settled_ms
from .violation import Violation

NAME = "schedules"
FAILED: Final = "failed"
CRON: Final = "cron"
ACTIONS: Final = frozenset({"timers:ring", "timers:walk", "timers:doze"})
FAILING: Final = frozenset({"timers:fail"})
"""Functions that are written to fail."""
LATE_MS_MAX: Final = 3_000.0
"""Within so many milliseconds after its time a job has begun, once all is well."""
TOLERANCE_MS: Final = 0.002
"""Of a moment in microseconds, as a double that holds the milliseconds since the Unix epoch."""
OVERTAKEN_MAX: Final = 2 * SCHEDULED_MUTATIONS_MAX
"""So many that are due later may begin before one: they had begun when it came, or while it was not durable yet."""


@define
class Job:
    id: str
    name: str
    args: Any
    due: float
    state: str
    scheduled: int
    """The entry that wrote it."""
    is_of_cron: bool
    begun: int = 0
    """The entry that says that it is in progress."""
    effects: int = 0
    """Entries of what it has done."""
    overtaken: int = 0


@define
class Book:
    history: History
    jobs: dict[str, Job] = Factory(dict[str, Job])
    waiting: dict[str, Job] = Factory(dict[str, Job])
    """Mutations that are pending."""

    def probe(self, name: str) -> None:
        self.history.run.trace.probe(name)

    def read(self, entry: Entry) -> Iterator[tuple[str, str]]:
        """What is wrong with it: the invariant, and the problem."""
        yield from self.check_effects(entry)
        for change in self.history.changes[entry.lsn]:
            if change.table == JOBS:
                yield from self.check_change(entry, change)

    def check_effects(self, entry: Entry) -> Iterator[tuple[str, str]]:
        """What a job has done is done while it may do it."""
        id = job_of_cause(entry.cause)
        if id is None or entry.kind is not Kind.MUTATION:
            return
        job, who = self.jobs.get(id), f"entry {entry.lsn}, {entry.function}, is of job {id}"
        if job is None:
            yield "who runs was scheduled", who
            return
        job.effects += 1
        if entry.cause.kind == SCHEDULE:
            ended = [change for change in self.history.changes[entry.lsn] if change.id == id]
            if not ended or state_of(ended[0]) not in (SUCCESS, CANCELED):
                yield "a mutation is complete in the entry of its effects", f"{who}, and leaves it {job.state}"
            if (entry.function, cbor.decode(entry.args)) != (job.name, job.args):
                yield "what was scheduled is what runs", f"{who}, which is {job.name} with {job.args}"
        elif job.state not in (RUNNING, CANCELED) or not job.begun:
            yield "an action does nothing before it is noted that it begins", f"{who}, which is {job.state}"
        elif job.name == "timers:ring" and job.effects > 1:
            yield "an action runs at most once", f"{who}, the {job.effects}th time"

    def check_change(self, entry: Entry, change: Change) -> Iterator[tuple[str, str]]:
        job = self.jobs.get(change.id)
        if change.new is None:
            yield "a job is kept for some days", f"entry {entry.lsn} removes {change.id}"
        elif job is None:
            yield from self.check_new(entry, cbor.decode(change.new))
        else:
            row: Any = cbor.decode(change.new)
            before, job.state = job.state, row["state"]["kind"]
            yield from self.check_step(entry, job, before, row)
            self.waiting.pop(job.id, None)
            if job.state == PENDING and job.name not in ACTIONS:
                self.waiting[job.id] = job

    def check_new(self, entry: Entry, row: Any) -> Iterator[tuple[str, str]]:
        state, is_of_cron = row["state"]["kind"], entry.cause.kind == CRON
        job = Job(row["_id"], row["name"], row["args"][0], row["scheduledTime"], state, entry.lsn, is_of_cron)
        self.jobs[job.id] = job
        if state == PENDING and job.name not in ACTIONS:
            self.waiting[job.id] = job
        parent = self.jobs.get(job_of_cause(entry.cause) or "")
        is_cancelled = parent is not None and parent.state == CANCELED
        if is_cancelled:
            self.probe("a job is cancelled as its parent was")
        if state != (CANCELED if is_cancelled else PENDING):
            yield "who is cancelled schedules nothing that runs", f"entry {entry.lsn} makes {job}, of {parent}"
        expected = due_of(entry)
        if expected is not None and abs(job.due - expected) > TOLERANCE_MS:
            problem = f"entry {entry.lsn} makes {job}, which is due {job.due - expected} ms late"
            yield "a job is due when the function's clock says", problem

    def check_step(self, entry: Entry, job: Job, before: str, row: Any) -> Iterator[tuple[str, str]]:
        is_system, is_action = entry.kind is Kind.SYSTEM, job.name in ACTIONS
        step, where = (before, job.state), f"entry {entry.lsn}, {entry.function}: {job} was {before}"
        if step in ((PENDING, SUCCESS), (PENDING, FAILED), (PENDING, RUNNING)):
            if (entry.clock or 0) / 1e6 < job.due - TOLERANCE_MS:
                yield "no job runs before its time", f"{where}, at {(entry.clock or 0) / 1e6}"
            yield from self.note_overtaken(entry, job)
        match step:
            case ("pending", "success"):
                self.probe("a scheduled mutation is done")
                if is_action or is_system or entry.cause.kind != SCHEDULE or entry.cause.id != job.id:
                    yield "a mutation is complete in the entry of its effects", where
            case ("pending", "failed"):
                self.probe("a scheduled mutation fails")
                if not is_system or job.name not in FAILING:
                    yield "a job fails only as it is written to", f"{where}, {row['state']}"
            case ("pending", "inProgress"):
                job.begun = entry.lsn
                if not is_system or not is_action:
                    yield "only actions are in progress", where
            case ("inProgress", "success"):
                self.probe("a scheduled action is done")
                if not is_system or not job.effects:
                    yield "a job that has succeeded has done something", where
            case ("inProgress", "failed"):
                self.probe("a scheduled action is interrupted")
                if not may_be_interrupted(self.history, job.begun, entry.lsn):
                    yield "an action is interrupted only by the end of its process", f"{where}, {row['state']}"
            case ("inProgress", "pending"):
                if job.effects:
                    yield "an action runs at most once", where
                job.begun = 0
            case ("pending" | "inProgress", "canceled"):
                self.probe("a job is cancelled" if before == PENDING else "an action is cancelled while it runs")
                if entry.function != "timers:cancel":
                    yield "a job is cancelled by whoever asks for it", where
            case _:
                yield "a job that has ended never changes", where

    def note_overtaken(self, entry: Entry, job: Job) -> Iterator[tuple[str, str]]:
        if job.name in ACTIONS:
            return
        now = (entry.clock or 0) / 1e6
        for other in self.waiting.values():
            if other is not job and other.due < job.due and other.due <= now:
                other.overtaken += 1
                if other.overtaken > OVERTAKEN_MAX and not may_wait_for_the_disk(self.history):
                    yield "jobs run in the order in which they are due", f"entry {entry.lsn} runs {job} before {other}"
        if job.overtaken:
            self.probe("a job is overtaken by one that is due later")

    def check_end(self) -> Iterator[tuple[str, str]]:
        """Nobody waits for ever."""
        now, sleeps = settled_ms(self.history), may_oversleep(self.history)
        for job in self.jobs.values():
            if now is None or job.state not in (PENDING, RUNNING) or job.name == "timers:doze":
                continue
            if job.name == "timers:walk" and job.state == RUNNING and sleeps:
                continue
            if job.due < now - LATE_MS_MAX:
                yield "no job is lost", f"{job} is {job.state} at {now}, when all is well"


def check(history: History) -> Iterator[Violation]:
    book = Book(history)
    for entry in history.run.entries:
        for invariant, problem in book.read(entry):
            yield Violation(NAME, invariant, problem)
    for invariant, problem in book.check_end():
        yield Violation(NAME, invariant, problem)


def state_of(change: Change) -> str | None:
    if change.new is None:
        return None
    row: Any = cbor.decode(change.new)
    state: str = row["state"]["kind"]
    return state


def due_of(entry: Entry) -> float | None:
    """When what the entry schedules is due; None if it does not say."""
    if entry.function != "timers:start" or entry.clock is None:
        return None
    args: Any = cbor.decode(entry.args)
    return entry.clock / 1e6 + float(args["ms"])
