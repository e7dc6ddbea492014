"""Clocks: inside a handler every one of them stands still at the run's ``clock_ns``, in UTC.

``datetime`` keeps its identity: only ``now``, ``utcnow`` and ``today`` are swapped inside the type,
so subclasses, pickles, isinstance and validators that know the class by its address go on working.
"""

from __future__ import annotations

import datetime
import os
import time
import warnings
from collections.abc import Callable

from .gate import GATE, Run, active_run
from .patching import Function, forbid, replace, replace_in_static_type
from .remedies import Remedy

NANOSECONDS = 1_000_000_000
_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_UTC = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def install() -> None:
    os.environ["TZ"] = "UTC"
    if hasattr(time, "tzset"):  # not on Windows
        time.tzset()
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        replace(time, name, _clock(_seconds))
        replace(time, f"{name}_ns", _clock(_nanoseconds))
    for name in ("localtime", "gmtime", "ctime"):
        replace(time, name, _with_default_seconds)
    replace(time, "asctime", _asctime)
    replace(time, "strftime", _strftime)
    replace(time, "sleep", forbid("time.sleep()", Remedy.SLEEP))
    for name in ("clock_gettime", "clock_gettime_ns", "clock_settime", "clock_settime_ns", "tzset"):
        replace(time, name, forbid(f"time.{name}()", Remedy.OTHER))
    try:
        _install_datetime()
    except TypeError as error:
        warnings.warn(f"{error}: handlers that call datetime.now() see the real time", RuntimeWarning, stacklevel=2)


def _seconds(run: Run) -> float:
    run.looked_at_clock = True
    return run.clock_ns / NANOSECONDS


def _nanoseconds(run: Run) -> int:
    run.looked_at_clock = True
    return run.clock_ns


def _clock(reading: Callable[[Run], float]) -> Callable[[Function], Function]:
    def make(original: Function) -> Function:
        def clock() -> object:
            if GATE.run is None or (run := active_run()) is None:
                return original()
            return reading(run)

        return clock

    return make


def _with_default_seconds(original: Function) -> Function:
    def convert(seconds: float | None = None, /) -> object:
        if seconds is None and (run := active_run()) is not None:
            seconds = _seconds(run)
        return original(seconds)

    return convert


def _asctime(original: Function) -> Function:
    def asctime(moment: object = None, /) -> object:
        return original(time.localtime() if moment is None else moment)

    return asctime


def _strftime(original: Function) -> Function:
    def strftime(form: str, moment: object = None, /) -> object:
        return original(form, time.localtime() if moment is None else moment)

    return strftime


def _moment(run: Run) -> datetime.datetime:
    return _EPOCH + _since_epoch(run)


def _since_epoch(run: Run) -> datetime.timedelta:
    run.looked_at_clock = True
    return datetime.timedelta(microseconds=run.clock_ns // 1000)


def _as_class(cls: type[datetime.datetime], moment: datetime.datetime) -> datetime.datetime:
    if cls is datetime.datetime:
        return moment
    return cls.combine(moment.date(), moment.timetz())


def _install_datetime() -> None:
    bind_now = datetime.datetime.__dict__["now"].__get__
    bind_utcnow = datetime.datetime.__dict__["utcnow"].__get__
    bind_today = datetime.date.__dict__["today"].__get__

    def now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> object:
        if GATE.run is None or (run := active_run()) is None:
            return bind_now(None, cls)(tz)
        if tz is None:
            return _as_class(cls, _moment(run))  # the process runs in UTC
        return _as_class(cls, (_EPOCH_UTC + _since_epoch(run)).astimezone(tz))

    def utcnow(cls: type[datetime.datetime]) -> object:
        if GATE.run is None or (run := active_run()) is None:
            return bind_utcnow(None, cls)()
        return _as_class(cls, _moment(run))

    def today(cls: type[datetime.date]) -> object:
        if GATE.run is None or (run := active_run()) is None:
            return bind_today(None, cls)()
        moment = _moment(run)
        if issubclass(cls, datetime.datetime):  # datetime has no `today` of its own
            return _as_class(cls, moment)
        return cls(moment.year, moment.month, moment.day)

    replace_in_static_type(datetime.datetime, "now", classmethod(now))
    replace_in_static_type(datetime.datetime, "utcnow", classmethod(utcnow))
    replace_in_static_type(datetime.date, "today", classmethod(today))
