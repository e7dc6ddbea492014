"""Functions that run again and again: how they are given a time, and ``ctx.crons``, which does so at run time.

    await ctx.crons.every("sync 42", timedelta(minutes=10), sync, {"shop": shop})
    await ctx.crons.daily("digest ada", digest, {"user": ada}, hour_utc=8)
    await ctx.crons.remove("sync 42")

All of it is part of the transaction.  Deploys leave these crons as they are.

Invariants
    * A cron has a name of its own, among those that the code declares, too.
    * What is given a time could be called at that moment: there is such a function, and it takes the arguments.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Coroutine, Mapping
from hashlib import blake2b
from math import isfinite
from typing import Any, Generic, Literal, TypeVar, cast

from ...protocol.values import Value, size
from ..data.schema import Id
from ..data.system_tables import CODECS, NUMBERS, CronJob
from ..errors import ScheduleRefused
from ..limits import CRON_INTERVAL_S_MAX, CRON_NAME_CHARS_MAX, SCHEDULED_ARGS_BYTES_MAX
from .cron_schedules import Clock, Every, Schedule, checked_clock
from .database_access import SystemTablesReader
from .mutation_run import MutationRun
from .scheduling import Schedulable, holds_placeholder, uncounted

R_co = TypeVar("R_co", covariant=True)

CRONS = CronJob.__table__
DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
Day = Literal["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]


class CronTimes(Generic[R_co]):
    """What the crons of an app's code and those of ``ctx.crons`` have in common: the ways to give a time.

    Each method takes a name of its own, a mutation or an action (or its name, ``module:function``), and an
    object of arguments.  They raise ValueError for a name that cannot be one, and for a time that there is not.
    """

    def every(
        self,
        name: str,
        interval: dt.timedelta | float,
        function: Schedulable[...] | str,
        args: Mapping[str, Any] | None = None,
        /,
    ) -> R_co:
        """Again and again, at least a second apart; a number is of seconds."""
        seconds = interval.total_seconds() if isinstance(interval, dt.timedelta) else interval
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not isfinite(seconds):
            raise ValueError(f"{name!r}: every() takes seconds or a timedelta, not {interval!r}")
        if not 1 <= seconds <= CRON_INTERVAL_S_MAX:
            raise ValueError(f"{name!r}: an interval is from 1 s to {CRON_INTERVAL_S_MAX:,.0f} s, not {seconds:,g} s")
        return self._add(name, Every(float(f"{seconds:.12g}")), function, args)

    def hourly(
        self,
        name: str,
        function: Schedulable[...] | str,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        minute_utc: int | None = None,
    ) -> R_co:
        """Each hour at that minute; at one that depends on the name, if none is given."""
        return self._add(name, Clock(f"{minute(name, minute_utc)} * * * *"), function, args)

    def daily(
        self,
        name: str,
        function: Schedulable[...] | str,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        hour_utc: int,
        minute_utc: int | None = None,
    ) -> R_co:
        """Each day at that time."""
        hour = within(name, "hour_utc", hour_utc, 0, 23)
        return self._add(name, Clock(f"{minute(name, minute_utc)} {hour} * * *"), function, args)

    def weekly(
        self,
        name: str,
        function: Schedulable[...] | str,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        day: Day,
        hour_utc: int,
        minute_utc: int | None = None,
    ) -> R_co:
        """Each week on that day, such as ``"monday"``."""
        if day not in DAYS:
            raise ValueError(f"{name!r}: day= is one of {', '.join(DAYS)}, not {day!r}")
        hour = within(name, "hour_utc", hour_utc, 0, 23)
        return self._add(name, Clock(f"{minute(name, minute_utc)} {hour} * * {DAYS.index(day)}"), function, args)

    def monthly(
        self,
        name: str,
        function: Schedulable[...] | str,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        day: int,
        hour_utc: int,
        minute_utc: int | None = None,
    ) -> R_co:
        """Each month on that day; not in months that have no such day."""
        date, hour = within(name, "day", day, 1, 31), within(name, "hour_utc", hour_utc, 0, 23)
        return self._add(name, Clock(f"{minute(name, minute_utc)} {hour} {date} * *"), function, args)

    def cron(
        self, name: str, expression: str, function: Schedulable[...] | str, args: Mapping[str, Any] | None = None, /
    ) -> R_co:
        """At the times of a cron expression of five fields: minute, hour, day, month, day of the week."""
        try:
            schedule = checked_clock(expression)
        except ValueError as error:
            raise ValueError(f"{name!r}: {error}") from None
        return self._add(name, schedule, function, args)

    def _add(
        self, name: str, schedule: Schedule, function: Schedulable[...] | str, args: Mapping[str, Any] | None
    ) -> R_co:
        raise NotImplementedError


class MutationCrons(CronTimes[Coroutine[Any, Any, Id[CronJob]]]):
    """Of one transaction; see the module.  The first run of an interval is one interval from now.

    Each method gives the id of a row in ``_cron_jobs``, and raises, besides what `CronTimes` says, ScheduleRefused
    for a name that is taken, FunctionNotFound, WrongKind, ArgumentValidationError, LimitReached.
    """

    def __init__(self, run: MutationRun) -> None:
        self._run = run

    async def _add(
        self, name: str, schedule: Schedule, function: Schedulable[...] | str, args: Mapping[str, Any] | None
    ) -> Id[CronJob]:
        run, nested = self._run, self._run.nested
        assert nested is not None, "the crons of the system are declared"
        check_name(name)
        given = dict(args or {})
        if isinstance(function, str):
            path, value = nested.schedulable(function, (given,), {})
        else:
            path, value = nested.schedulable(function, (), given)
        if holds_placeholder(value):
            raise ScheduleRefused("COMMIT_TIMESTAMP is no argument of a cron: nobody knows it before the commit")
        bytes_ = size(value)
        if bytes_ > SCHEDULED_ARGS_BYTES_MAX:
            limit = f"at most {SCHEDULED_ARGS_BYTES_MAX:,} can be kept"
            raise ScheduleRefused(f"cron {name!r}: {bytes_:,} bytes of arguments; {limit}: insert what is large")
        run.transaction.usage.scheduled(bytes_)
        with uncounted(run):
            if (known := await self._row(name)) is not None:
                raise ScheduleRefused(f"there is a cron named {name!r} already: {known.schedule}, {known.function}")
            now = run.run.clock_ns / 1e6
            id, creation_time = run.mint(NUMBERS[CRONS])
            row: dict[str, Value] = {
                "_id": id,
                "_creationTime": creation_time,
                "name": name,
                "schedule": schedule.text,
                "function": path,
                "args": [value],
                "nextRun": schedule.after(now, now)[0],
                "skipped": 0,
                "undeclared": True,
            }
            run.put(CODECS[CRONS], row)
        return cast("Id[CronJob]", id)

    async def remove(self, name: str, /) -> None:
        """It does not run again; a run that has begun goes on.

        Raises ScheduleRefused if there is none of that name, or the code declares it.
        """
        with uncounted(self._run):
            row = await self._row(name)
            if row is None:
                raise ScheduleRefused(f"there is no cron named {name!r}")
            if row.undeclared is not True:
                raise ScheduleRefused(f"the code declares the cron {name!r}: a deploy that leaves it out ends it")
            self._run.remove(CRONS, row.id)

    async def _row(self, name: str) -> CronJob | None:
        return await SystemTablesReader(self._run).query(CronJob).index(CronJob.by_name, name).unique()


def check_name(name: object) -> None:
    """Raises ValueError."""
    if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name) <= CRON_NAME_CHARS_MAX:
        raise ValueError(f"{name!r:.80} cannot name a cron: 1 to {CRON_NAME_CHARS_MAX} printable characters can")


def within(name: str, what: str, number: object, lowest: int, highest: int) -> int:
    if type(number) is not int or not lowest <= number <= highest:
        raise ValueError(f"{name!r}: {what}= is a number from {lowest} to {highest}, not {number!r}")
    return number


def minute(name: str, given: int | None) -> int:
    """Crons that do not mind should not all begin at once."""
    if given is not None:
        return within(name, "minute_utc", given, 0, 59)
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big") % 60
