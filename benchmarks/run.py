"""Rounds: every row in turn, its limits beside it, then all over again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from attrs import evolve

from .figures import Measurement
from .limits import Limits
from .processes import Processes
from .rows import Row
from .settings import Settings

Tell = Callable[[str], None]


def measure(
    rows: Sequence[Row], processes: Processes, settings: Settings, *, every_limit: bool, tell: Tell
) -> Iterator[Measurement]:
    for number in range(settings.rounds):
        limits = Limits(processes, settings)
        for row in rows:
            if row.every_round or number == 0:
                tell(f"round {number + 1} of {settings.rounds}: {row.title}")
                for measurement in row.measure(processes, settings):
                    yield with_limit(measurement, limits, tell)
        if every_limit:
            tell(f"round {number + 1} of {settings.rounds}: limits")
            limits.measure_missing()
        yield from limits.measurements()


def with_limit(measurement: Measurement, limits: Limits, tell: Tell) -> Measurement:
    if measurement.limit is None:
        return measurement
    tell(f"  {measurement.name}: {measurement.value:,.4g}{measurement.unit}; its limit: {measurement.limit}")
    return evolve(measurement, limit_value=limits.value(measurement.limit))
