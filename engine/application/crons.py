"""What a developer writes to run functions again and again: `Crons`.

    crons = Crons()
    crons.every("sweep", timedelta(minutes=10), sweep)
    crons.daily("report", send_report, {"to": "all"}, hour_utc=8)
    crons.cron("workdays", "30 9 * * 1-5", greet)

A schedule is an interval or an expression; both have a text, by which a deploy tells whether one has changed.
All times are UTC.

Invariants
    * The next run that a schedule gives comes after the moment that it is asked for.
    * Text and schedule say the same: `schedule_of` of the text is the schedule.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from math import floor, isfinite
from types import ModuleType
from typing import Any, Literal

from attrs import frozen

from ...protocol.errors import InvalidPath, InvalidValue
from ...protocol.paths import parse
from ...protocol.values import Value
from ..data.documents import to_value
from ..errors import AppInvalid, ArgumentValidationError
from ..limits import CRON_INTERVAL_S_MAX, CRON_NAME_CHARS_MAX, CRONS_MAX
from .endpoint import Endpoint
from .functions import ActionFunction, AnyFunction, MutationFunction

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
Day = Literal["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]

Scheduled = MutationFunction[..., Any] | ActionFunction[..., Any] | str


@frozen
class Every:
    """So many seconds between the beginning of one run and the next; the first one at the deploy."""

    seconds: float

    @property
    def text(self) -> str:
        return f"every {self.seconds:.12g} s"

    def first(self, now: float) -> float:
        return now

    def after(self, due: float, now: float) -> tuple[float, int]:
        """The next run after ``now`` in step with the one that was ``due``, and how many lie between."""
        step = self.seconds * 1000
        missed = max(floor((now - due) / step), 0)
        upcoming = due + (missed + 1) * step
        while upcoming <= now:  # Fractions of a millisecond.
            missed, upcoming = missed + 1, upcoming + step
        return upcoming, missed


@frozen
class Clock:
    """At the times that an expression names."""

    expression: str

    @property
    def text(self) -> str:
        return f"cron {self.expression}"

    def first(self, now: float) -> float:
        return self.after(now, now)[0]

    def after(self, due: float, now: float) -> tuple[float, int]:
        from cronsim import CronSim  # Only apps with crons need it.

        moment = dt.datetime.fromtimestamp(now / 1000, dt.UTC)
        return next(CronSim(self.expression, moment)).timestamp() * 1000, 0


Schedule = Every | Clock


def schedule_of(text: str) -> Schedule:
    kind, _, rest = text.partition(" ")
    return Every(float(rest.removesuffix(" s"))) if kind == "every" else Clock(rest)


def checked_clock(expression: object) -> Clock:
    """Raises ValueError for what cannot be read, and for what never comes."""
    from cronsim import CronSim, CronSimError

    if not isinstance(expression, str):
        raise ValueError(f"a cron expression is text, such as '0 9 * * 1-5', not {expression!r}")
    fields = expression.split()
    if len(fields) != 5:
        form = "minute, hour, day of the month, month and day of the week"
        raise ValueError(f"{expression!r} has {len(fields)} fields; a cron expression has 5: {form}")
    try:
        next(CronSim(expression, dt.datetime(2024, 1, 1, tzinfo=dt.UTC)))
    except CronSimError as error:
        raise ValueError(f"the cron expression {expression!r} cannot be read: {error}") from None
    except StopIteration:
        raise ValueError(f"the cron expression {expression!r} names no time that ever comes") from None
    return Clock(" ".join(fields))


@frozen(eq=False)
class Declared:
    """One cron, as its module says it."""

    name: str
    schedule: Schedule
    function: Scheduled
    args: Value


@frozen(eq=False)
class Cron:
    """One cron of an app."""

    name: str
    schedule: Schedule
    path: str
    args: Value


class Crons:
    """Functions that run again and again; make one in a module of the app, such as ``crons.py``.

    Each method takes a name of its own, a mutation or an action (or its name, ``module:function``), and an
    object of arguments.  They raise ValueError for a name that is taken, and for a time that there is not.
    """

    def __init__(self) -> None:
        self._declared: dict[str, Declared] = {}

    def __iter__(self) -> Iterator[Declared]:
        return iter(self._declared.values())

    def every(
        self, name: str, interval: dt.timedelta | float, function: Scheduled, args: Mapping[str, Any] | None = None, /
    ) -> None:
        """Again and again, at least a second apart; a number is of seconds.  The first run is at the deploy."""
        seconds = interval.total_seconds() if isinstance(interval, dt.timedelta) else interval
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not isfinite(seconds):
            raise ValueError(f"{name!r}: every() takes seconds or a timedelta, not {interval!r}")
        if not 1 <= seconds <= CRON_INTERVAL_S_MAX:
            raise ValueError(f"{name!r}: an interval is from 1 s to {CRON_INTERVAL_S_MAX:,.0f} s, not {seconds:,g} s")
        self._add(name, Every(float(f"{seconds:.12g}")), function, args)

    def hourly(
        self, name: str, function: Scheduled, args: Mapping[str, Any] | None = None, /, *, minute_utc: int | None = None
    ) -> None:
        """Each hour at that minute; at one that depends on the name, if none is given."""
        self._add(name, Clock(f"{minute(name, minute_utc)} * * * *"), function, args)

    def daily(
        self,
        name: str,
        function: Scheduled,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        hour_utc: int,
        minute_utc: int | None = None,
    ) -> None:
        """Each day at that time."""
        hour = within(name, "hour_utc", hour_utc, 0, 23)
        self._add(name, Clock(f"{minute(name, minute_utc)} {hour} * * *"), function, args)

    def weekly(
        self,
        name: str,
        function: Scheduled,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        day: Day,
        hour_utc: int,
        minute_utc: int | None = None,
    ) -> None:
        """Each week on that day, such as ``"monday"``."""
        if day not in DAYS:
            raise ValueError(f"{name!r}: day= is one of {', '.join(DAYS)}, not {day!r}")
        hour = within(name, "hour_utc", hour_utc, 0, 23)
        self._add(name, Clock(f"{minute(name, minute_utc)} {hour} * * {DAYS.index(day)}"), function, args)

    def monthly(
        self,
        name: str,
        function: Scheduled,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        day: int,
        hour_utc: int,
        minute_utc: int | None = None,
    ) -> None:
        """Each month on that day; not in months that have no such day."""
        date, hour = within(name, "day", day, 1, 31), within(name, "hour_utc", hour_utc, 0, 23)
        self._add(name, Clock(f"{minute(name, minute_utc)} {hour} {date} * *"), function, args)

    def cron(self, name: str, expression: str, function: Scheduled, args: Mapping[str, Any] | None = None, /) -> None:
        """At the times of a cron expression of five fields: minute, hour, day, month, day of the week."""
        try:
            schedule = checked_clock(expression)
        except ValueError as error:
            raise ValueError(f"{name!r}: {error}") from None
        self._add(name, schedule, function, args)

    def _add(self, name: str, schedule: Schedule, function: Scheduled, args: Mapping[str, Any] | None) -> None:
        if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name) <= CRON_NAME_CHARS_MAX:
            raise ValueError(f"{name!r} cannot name a cron: 1 to {CRON_NAME_CHARS_MAX} printable characters can")
        if name in self._declared:
            raise ValueError(f"there is a cron named {name!r} already")
        try:
            value = to_value(dict(args or {}))
        except (InvalidValue, TypeError, ValueError) as error:
            raise ValueError(f"{name!r}: its arguments are no object of values: {error}") from None
        self._declared[name] = Declared(name, schedule, function, value)


def within(name: str, what: str, number: object, lowest: int, highest: int) -> int:
    if type(number) is not int or not lowest <= number <= highest:
        raise ValueError(f"{name!r}: {what}= is a number from {lowest} to {highest}, not {number!r}")
    return number


def minute(name: str, given: int | None) -> int:
    """Crons that do not mind should not all begin at once."""
    if given is not None:
        return within(name, "minute_utc", given, 0, 59)
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big") % 60


def find_crons(
    modules: Mapping[str, ModuleType],
    endpoints: Mapping[str, Endpoint],
    endpoint_of: Callable[[AnyFunction], Endpoint | None],
) -> dict[str, Cron]:
    """By name.  Raises AppInvalid for one that could not run."""
    found: dict[str, Cron] = {}
    seen: dict[int, Crons] = {}
    for module in modules.values():
        for value in list(vars(module).values()):
            if not isinstance(value, Crons) or id(value) in seen:
                continue
            seen[id(value)] = value
            for declared in value:
                where = f"{module.__file__}, cron {declared.name!r}"
                if declared.name in found:
                    raise AppInvalid(where, "there is another cron of that name")
                found[declared.name] = cron_of(where, declared, endpoints, endpoint_of)
    if len(found) > CRONS_MAX:
        raise AppInvalid("crons", f"there are {len(found):,}; an app has at most {CRONS_MAX:,}")
    return found


def cron_of(
    where: str,
    declared: Declared,
    endpoints: Mapping[str, Endpoint],
    endpoint_of: Callable[[AnyFunction], Endpoint | None],
) -> Cron:
    endpoint = None
    if isinstance(declared.function, str):
        try:
            endpoint = endpoints.get(str(parse(declared.function)))
        except InvalidPath:
            endpoint = None
    elif isinstance(declared.function, (MutationFunction, ActionFunction)):
        endpoint = endpoint_of(declared.function)
    if endpoint is None or endpoint.kind not in ("mutation", "action"):
        raise AppInvalid(where, f"{declared.function!r} is no mutation or action of the app")
    try:
        endpoint.bind(declared.args)
    except ArgumentValidationError as error:
        raise AppInvalid(where, str(error)) from None
    return Cron(declared.name, declared.schedule, endpoint.path, declared.args)
