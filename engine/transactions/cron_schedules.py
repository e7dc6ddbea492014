"""When something runs again and again: an interval, or an expression of times.  All times are UTC.

A schedule has a text, by which a deploy tells whether one has changed, and which its row holds.

Invariants
    * The next run that a schedule gives comes after the moment that it is asked for.
    * Text and schedule say the same: `schedule_of` of the text is the schedule.
"""

from __future__ import annotations

import datetime as dt
from math import floor

from attrs import frozen


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
