"""``ctx.scheduler``: functions for later.

    id = await ctx.scheduler.run_after(60, reminders.send, user)     # seconds, or a timedelta
    await ctx.scheduler.run_at(monday, "reports:weekly", {"team": team})
    await ctx.scheduler.cancel(id)

In a mutation all of it is part of the transaction; in an action each call is a transaction of its own.

Invariants
    * Who scheduled a function says nothing of who it runs for: nobody has signed in there.
    * What is scheduled could be called at that moment: there is such a function, and it takes the arguments.
    * A function that is part of a scheduled function which was cancelled schedules nothing that would run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from math import isfinite
from typing import Any, Literal, ParamSpec, Protocol, cast, overload

from ...actors.version import Version
from ...protocol import ids
from ...protocol.errors import InvalidId
from ...protocol.values import Value, size
from ..data.schema import Id
from ..data.system_tables import CODECS, NUMBERS, JobStateKind, ScheduledFunction
from ..errors import ScheduleRefused
from ..limits import SCHEDULED_AHEAD_MS_MAX, SCHEDULED_ARGS_BYTES_MAX
from .commit_timestamp import COMMIT_TIMESTAMP
from .mutation_run import MutationRun
from .usage import Usage

P = ParamSpec("P")

JOBS = ScheduledFunction.__table__
JobId = Id[ScheduledFunction]
"""What names a scheduled function: the id of its row in ``_scheduled_functions``."""

Due = Callable[[float], float]
"""When something is due, if it is scheduled at that moment; milliseconds since the Unix epoch."""


class Schedulable(Protocol[P]):
    """A mutation or an action, internal or not."""

    @property
    def is_schedulable(self) -> Literal[True]: ...

    def __call__(self, ctx: Any, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[Any]: ...


class Scheduler:
    """What `MutationScheduler` and the scheduler of an action have in common."""

    @overload
    async def run_after(
        self, delay: dt.timedelta | float, function: Schedulable[P], /, *args: P.args, **kwargs: P.kwargs
    ) -> JobId: ...
    @overload
    async def run_after(
        self, delay: dt.timedelta | float, function: str, args: Mapping[str, Any] = ..., /
    ) -> JobId: ...
    async def run_after(self, delay: Any, function: Any, /, *args: Any, **kwargs: Any) -> JobId:
        """Run a mutation or an action some time after now; a number is of seconds, and 0 is as soon as this
        transaction is durable.  The id of its row in ``_scheduled_functions``.

        Raises ScheduleRefused for a time that is none, FunctionNotFound, WrongKind, ArgumentValidationError,
        LimitReached.
        """
        return await self._schedule(partial(after, milliseconds_of(delay)), function, args, kwargs)

    @overload
    async def run_at(
        self, moment: dt.datetime, function: Schedulable[P], /, *args: P.args, **kwargs: P.kwargs
    ) -> JobId: ...
    @overload
    async def run_at(self, moment: dt.datetime, function: str, args: Mapping[str, Any] = ..., /) -> JobId: ...
    async def run_at(self, moment: Any, function: Any, /, *args: Any, **kwargs: Any) -> JobId:
        """Run a mutation or an action at a moment, which has a time zone; one that is past is now.

        The id of its row in ``_scheduled_functions``.  Raises what `run_after` raises.
        """
        return await self._schedule(partial(at, moment_ms(moment)), function, args, kwargs)

    async def cancel(self, id: JobId, /) -> None:
        """A scheduled function that has not begun never will.  An action that runs goes on, but what it
        schedules from here on is cancelled, too.  Nothing, if it was cancelled before.

        Raises ScheduleRefused if it has ended, or there is none of that id.
        """
        await self._cancel(id)

    async def _schedule(self, due: Due, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> JobId:
        raise NotImplementedError

    async def _cancel(self, id: JobId) -> None:
        raise NotImplementedError


class MutationScheduler(Scheduler):
    """Of one transaction; see the module."""

    def __init__(self, run: MutationRun) -> None:
        self._run = run

    async def _schedule(self, due: Due, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> JobId:
        nested = self._run.nested
        assert nested is not None, "the system names what it schedules"
        path, value = nested.schedulable(function, args, kwargs)
        return schedule(self._run, due, path, value)

    async def _cancel(self, id: JobId) -> None:
        cancel(self._run, id)


def schedule(run: MutationRun, due: Due, path: str, args: Value, parent: str | None = None) -> JobId:
    """A new row.  ``parent`` is the scheduled function that asks for it, if the run does not know.

    Raises ScheduleRefused, LimitReached, DocumentInvalid for arguments that are nested too deep.
    """
    now = run.run.clock_ns / 1e6
    moment = due(now)
    if abs(moment - now) > SCHEDULED_AHEAD_MS_MAX:
        raise ScheduleRefused("a function can be scheduled for at most five years ahead, or back")
    if holds_placeholder(args):
        raise ScheduleRefused("COMMIT_TIMESTAMP is no argument: nobody knows it before the commit")
    bytes_ = size(args)
    if bytes_ > SCHEDULED_ARGS_BYTES_MAX:
        limit = f"at most {SCHEDULED_ARGS_BYTES_MAX:,} can be scheduled"
        raise ScheduleRefused(f"{path}: {bytes_:,} bytes of arguments; {limit}: insert what is large, and pass its id")
    run.transaction.usage.scheduled(bytes_)
    with uncounted(run):
        state: JobStateKind = "canceled" if is_cancelled(run, parent or run.about.job) else "pending"
        id, creation_time = run.mint(NUMBERS[JOBS])
        row: dict[str, Value] = {
            "_id": id,
            "_creationTime": creation_time,
            "name": path,
            "args": [args],
            "scheduledTime": moment,
            "state": {"kind": state},
        }
        if state == "canceled":
            row["completedTime"] = now
        run.put(CODECS[JOBS], row)
    return cast("JobId", id)


def cancel(run: MutationRun, id: str) -> ScheduledFunction:
    """The row of a job that is cancelled now.  Raises ScheduleRefused."""
    with uncounted(run):
        job = job_of(run, id)
        if job is None:
            raise ScheduleRefused(f"there is no scheduled function {id}: its row goes some days after it has ended")
        if job.state.kind in ("success", "failed"):
            raise ScheduleRefused(f"the scheduled function {id} has ended already: {job.state.kind}")
        return job if job.state.kind == "canceled" else change(run, id, "canceled")


def change(run: MutationRun, id: str, kind: JobStateKind, error: str | None = None) -> ScheduledFunction:
    """Write how a job stands now; it must be there."""
    version = version_of(run, id)
    assert version is not None, id
    fields = CODECS[JOBS].fields(version)
    fields["state"] = {"kind": kind} if error is None else {"kind": kind, "error": error}
    fields.pop("completedTime", None)
    if kind not in ("pending", "inProgress"):
        fields["completedTime"] = run.run.clock_ns / 1e6
    changed = run.put(CODECS[JOBS], fields).document
    assert isinstance(changed, ScheduledFunction)
    return changed


def job_of(run: MutationRun, id: str) -> ScheduledFunction | None:
    version = version_of(run, id)
    return version.document if version is not None and isinstance(version.document, ScheduledFunction) else None


def version_of(run: MutationRun, id: str) -> Version | None:
    if not isinstance(id, str):
        raise TypeError(f"an id is text, not {type(id).__name__}")
    try:
        number = ids.table_number(id)
    except InvalidId:
        return None
    return run.transaction.get(JOBS, id) if number == NUMBERS[JOBS] else None


def is_cancelled(run: MutationRun, parent: str | None) -> bool:
    job = job_of(run, parent) if parent is not None else None
    return job is not None and job.state.kind == "canceled"


@contextmanager
def uncounted(run: MutationRun) -> Iterator[None]:
    """Whoever wrote the function must not meet a limit because of rows that are not theirs."""
    transaction, usage = run.transaction, run.transaction.usage
    transaction.usage = Usage()
    try:
        yield
    finally:
        transaction.usage = usage


def after(delay_ms: float, now: float) -> float:
    return now + delay_ms


def at(moment: float, now: float) -> float:
    return moment


def milliseconds_of(delay: object) -> float:
    """Raises ScheduleRefused, TypeError."""
    if isinstance(delay, dt.timedelta):
        delay = delay.total_seconds()
    if isinstance(delay, bool) or not isinstance(delay, (int, float)):
        raise TypeError(f"run_after() takes seconds or a timedelta, not {type(delay).__name__}")
    if not isfinite(delay) or delay < 0:
        raise ScheduleRefused(f"nothing can be scheduled {delay!r} seconds from now: that is no time to come")
    return delay * 1000.0


def moment_ms(moment: object) -> float:
    """Raises ScheduleRefused, TypeError."""
    if not isinstance(moment, dt.datetime):
        raise TypeError(f"run_at() takes a datetime, not {type(moment).__name__}")
    if moment.tzinfo is None:
        raise ScheduleRefused("run_at() takes a datetime with a time zone: `ctx.now + timedelta(days=1)` has one")
    return moment.timestamp() * 1000.0


def holds_placeholder(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(holds_placeholder, value.values()))
    if isinstance(value, list):
        return any(map(holds_placeholder, value))
    return value is COMMIT_TIMESTAMP
