"""Rows of scheduled functions: how they change, each time in a transaction of the system.

    pending ──> success | failed             a mutation: in the entry of what it wrote
       │  └───> inProgress ──> success | failed   an action: noted before it begins
       └──────────────┴─────> canceled

Invariants
    * A job that has ended never changes, and goes some days later.
    * A scheduled mutation is noted as done in the entry that it wrote, so it happens once, whatever stops.
    * A scheduled action is begun at most once: that it begins is durable before it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast

from attrs import define, frozen

from ...log.entry import LSN
from ...protocol import json
from ...protocol.results import ActionSuccess
from ..actions.job import ActionOutcome
from ..data.documents import to_value
from ..data.system_tables import JobStateKind, ScheduledFunction
from ..execution.beside import Beside
from ..execution.calls import Call, Request
from ..execution.executor import Executor
from ..execution.scheduled import SCHEDULE
from ..execution.system_writes import SystemCtx, SystemHandler, Written
from ..limits import SCHEDULED_ERROR_CHARS_MAX, SCHEDULED_FORGOTTEN_MAX, SCHEDULED_KEPT_S
from ..transactions.scheduling import JOBS, cancel, change, job_of

ENDED: frozenset[JobStateKind] = frozenset({"success", "failed", "canceled"})

INTERRUPTED = (
    "Transient error: the server stopped while the action ran. Nobody knows how far it came, so it is not run again"
)


@frozen(eq=False)
class Job:
    """A row, and the entry that wrote this version of it."""

    row: ScheduledFunction
    lsn: LSN

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def call(self) -> Call:
        (args,) = cast("list[object]", to_value(self.row.args))
        return Call(self.row.name, [json.to_json(args)], admin=True, cause=SCHEDULE, job=self.id)  # type: ignore[arg-type]

    def request(self) -> Request:
        """The cause of what it writes; ``lsn`` is the entry that scheduled it, or that says that it has begun."""
        return Request(SCHEDULE, None, 0, self.id, self.lsn)


@define(eq=False)
class Jobs:
    executor: Executor

    def get(self, id: str) -> Job | None:
        """As of the newest commit."""
        version = self.executor.runtime.tables.get(JOBS, id)
        if version is None or not isinstance(version.document, ScheduledFunction):
            return None
        return Job(version.document, version.lsn)

    def all(self) -> Iterator[Job]:
        """As of the newest commit."""
        for version in self.executor.runtime.tables.table(JOBS).versions.values():
            if isinstance(version.document, ScheduledFunction):
                yield Job(version.document, version.lsn)

    def mutate(self, job: Job) -> LSN:
        """Run a scheduled mutation that is pending: after that it has ended.  What to wait for.

        Raises WritesRefused; then it is pending still.
        """
        beside = Beside(partial(require, id=job.id, kind="pending"), partial(succeed, id=job.id))
        done = self.executor.mutate(job.call, job.request(), beside)
        now = self.get(job.id)
        if now is None or now.row.state.kind != "pending":
            return done.lsn
        assert not isinstance(done.outcome, ActionSuccess)
        message = getattr(done.outcome, "message", "")
        return self.move(job, "pending", "failed", text_of(message)).lsn

    def begin(self, job: Job) -> Written[bool]:
        """Note that a scheduled action begins; False if it must not any more.  Raises WritesRefused."""
        return self.move(job, "pending", "inProgress")

    def put_back(self, job: Job) -> Written[bool]:
        """It could not begin: it has done nothing, and waits again.  Raises WritesRefused."""
        return self.move(job, "inProgress", "pending")

    def end(self, job: Job, outcome: ActionOutcome) -> Written[bool]:
        """How a scheduled action has ended; nothing if it was cancelled meanwhile.  Raises WritesRefused."""
        if isinstance(outcome, ActionSuccess):
            return self.move(job, "inProgress", "success")
        return self.fail(job, text_of(outcome.message))

    def fail(self, job: Job, error: str) -> Written[bool]:
        return self.move(job, "inProgress", "failed", error)

    def move(self, job: Job, was: JobStateKind, kind: JobStateKind, error: str | None = None) -> Written[bool]:
        """One step of a job, unless it is not where it was; whether it was made."""
        note = partial(move, id=job.id, was=was, kind=kind, error=error)
        return self.write(job, note, kind)

    def write(self, job: Job, note: SystemHandler[bool], what: str) -> Written[bool]:
        return self.executor.write(job.row.name, SCHEDULE, note, {"scheduled": what}, job.id, job.lsn)

    def cancel(self, id: str, cause: str) -> Written[ScheduledFunction]:
        """Cancel a job from outside.  Raises ScheduleRefused, WritesRefused."""
        job = self.get(id)
        name = job.row.name if job is not None else ""

        async def note(ctx: SystemCtx) -> ScheduledFunction:
            return cancel(ctx._run, id)

        return self.executor.write(name, cause, note, {"scheduled": "canceled", "id": id})

    def forget(self) -> int:
        """Some rows of jobs that ended long ago go; how many.  Raises WritesRefused."""
        return self.executor.write("", "system", forget, {"scheduled": "forget"}, "scheduled functions").value


def text_of(message: str) -> str:
    """Of what a caller is told, without the request id."""
    text = message.partition("\n")[2] or message
    return text if len(text) <= SCHEDULED_ERROR_CHARS_MAX else f"{text[:SCHEDULED_ERROR_CHARS_MAX]} ... (shortened)"


async def require(ctx: SystemCtx, id: str, kind: JobStateKind) -> None:
    """Raises RuntimeError: whoever runs jobs has looked a moment ago."""
    job = job_of(ctx._run, id)
    if job is None or job.state.kind != kind:
        raise RuntimeError(f"the scheduled function {id} is not {kind} any more")


async def succeed(ctx: SystemCtx, result: bytes, id: str) -> None:
    job = job_of(ctx._run, id)
    assert job is not None, id
    if job.state.kind == "pending":  # It may have cancelled itself.
        change(ctx._run, id, "success")


async def move(ctx: SystemCtx, id: str, was: JobStateKind, kind: JobStateKind, error: str | None) -> bool:
    job = job_of(ctx._run, id)
    if job is None or job.state.kind != was:
        return False
    change(ctx._run, id, kind, error)
    return True


async def forget(ctx: SystemCtx) -> int:
    before = ctx._run.run.clock_ns / 1e6 - SCHEDULED_KEPT_S * 1000
    index = ScheduledFunction.by_completed_time
    old = await ctx.db.query(ScheduledFunction).index(index, gt=0.0, lt=before).take(SCHEDULED_FORGOTTEN_MAX)
    for row in old:
        await ctx.db.delete(row.id)
    return len(old)
