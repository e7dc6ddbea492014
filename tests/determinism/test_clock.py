"""Inside a handler time stands still, in every way that Python knows to ask for it."""

from __future__ import annotations

import datetime
import email.utils
import pickle
import time
import zoneinfo
from collections.abc import Callable
from datetime import datetime as datetime_by_name
from time import time as time_taken_before_the_guard

import msgspec
import pytest

from .conftest import CLOCK_NS, Call, Handler, Observe

MOMENT = datetime.datetime(2023, 11, 14, 22, 13, 20, 123456)


class Moment(datetime.datetime):
    """A user's subclass."""


class Day(datetime.date):
    """A user's subclass."""


@pytest.mark.parametrize("clock", [time.time, time.monotonic, time.perf_counter, time.process_time, time.thread_time])
def test_every_clock_gives_the_seconds_of_the_run(call: Call, clock: Callable[[], float]) -> None:
    assert call(clock) == CLOCK_NS / 1e9


@pytest.mark.parametrize("name", ["time_ns", "monotonic_ns", "perf_counter_ns", "process_time_ns", "thread_time_ns"])
def test_every_clock_gives_the_nanoseconds_of_the_run(call: Call, name: str) -> None:
    assert call(getattr(time, name)) == CLOCK_NS


def test_a_clock_that_was_imported_by_name_stands_still_too(call: Call) -> None:
    assert call(lambda: time_taken_before_the_guard()) == CLOCK_NS / 1e9


def test_calendar_functions_without_an_argument_use_the_clock_of_the_run(call: Call) -> None:
    assert call(lambda: time.gmtime()[:6]) == (2023, 11, 14, 22, 13, 20)
    assert call(lambda: time.localtime()[:6]) == (2023, 11, 14, 22, 13, 20)
    assert call(lambda: time.ctime()) == "Tue Nov 14 22:13:20 2023"
    assert call(lambda: time.asctime()) == "Tue Nov 14 22:13:20 2023"
    assert call(lambda: time.strftime("%Y-%m-%d")) == "2023-11-14"
    assert call(lambda: email.utils.formatdate()) == "Tue, 14 Nov 2023 22:13:20 -0000"


def test_calendar_functions_with_an_argument_convert_it(call: Call) -> None:
    assert call(lambda: time.gmtime(0)[0]) == 1970
    assert call(lambda: time.asctime(time.gmtime(0))) == "Thu Jan  1 00:00:00 1970"
    assert call(lambda: time.strftime("%Y", time.gmtime(0))) == "1970"


def test_datetime_stands_still(call: Call) -> None:
    assert call(datetime.datetime.now) == MOMENT
    assert call(datetime_by_name.now) == MOMENT
    assert call(lambda: datetime.datetime.today()) == MOMENT
    assert call(lambda: datetime.datetime.__dict__["utcnow"].__get__(None, datetime.datetime)()) == MOMENT
    assert call(lambda: datetime.date.today()) == MOMENT.date()


def test_datetime_in_a_time_zone_is_the_same_moment(call: Call) -> None:
    tokyo = call(lambda: datetime.datetime.now(tz=zoneinfo.ZoneInfo("Asia/Tokyo")))
    utc = call(lambda: datetime.datetime.now(datetime.UTC))

    assert isinstance(tokyo, datetime.datetime)
    assert (tokyo.hour, tokyo == utc) == (7, True)
    assert utc == MOMENT.replace(tzinfo=datetime.UTC)


def test_a_time_zone_is_loaded_from_inside_a_handler(call: Call) -> None:
    zoneinfo.ZoneInfo.clear_cache()

    assert call(lambda: datetime.datetime.now(zoneinfo.ZoneInfo("Pacific/Auckland")).hour) == 11


def test_subclasses_give_instances_of_themselves(call: Call) -> None:
    for moment in (call(Moment.now), call(lambda: Moment.now(datetime.UTC)), call(Moment.today)):
        assert type(moment) is Moment
        assert moment.replace(tzinfo=None) == MOMENT
    assert type(call(Day.today)) is Day
    assert call(Day.today) == MOMENT.date()


def test_outside_handlers_time_goes_on() -> None:
    before = time.time()

    assert before > CLOCK_NS / 1e9 + 1000
    assert abs(before - datetime.datetime.now().timestamp()) < 5
    assert abs(before - datetime.datetime.now(datetime.UTC).timestamp()) < 5
    assert abs((datetime.date.today() - datetime.date.fromtimestamp(before)).days) <= 1
    assert type(Moment.now()) is Moment
    assert time.perf_counter() <= time.perf_counter()


def test_datetime_keeps_its_identity() -> None:
    class Event(msgspec.Struct):
        at: datetime.datetime

    now = datetime.datetime.now()

    assert type(now) is datetime.datetime
    assert pickle.loads(pickle.dumps(now)) == now
    assert msgspec.json.decode(msgspec.json.encode(Event(now)), type=Event) == Event(now)


async def ask_time() -> object:
    return time.time()


async def ask_date() -> object:
    return datetime.date.today()


async def ask_calendar() -> object:
    return time.strftime("%Y")


@pytest.mark.parametrize("handler", [ask_time, ask_date, ask_calendar])
def test_a_run_remembers_that_it_looked_at_the_clock(observe: Observe, handler: Handler) -> None:
    assert observe(handler).looked_at_clock


def test_a_run_that_did_not_look_says_so(observe: Observe) -> None:
    async def handler() -> None:
        time.gmtime(0)

    run = observe(handler)

    assert not run.looked_at_clock
    assert not run.looked_at_randomness
