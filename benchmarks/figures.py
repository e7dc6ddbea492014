"""What was measured, and its medians over the rounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median

from attrs import frozen

RATE, MS, SECONDS, MB, KB = "/s", "ms", "s", "MB", "kB"


@frozen
class Limit:
    """What bounds a figure: the name of a limit, measured in the same round, or a sum of several."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return " + ".join(self.names)


@frozen
class Aim:
    """What the ratio of a figure to its limit should be."""

    ratio: float
    at_least: bool

    def __str__(self) -> str:
        return f">= {self.ratio:g}" if self.at_least else f"< {self.ratio:g}"

    def met(self, ratio: float) -> bool:
        return ratio >= self.ratio if self.at_least else ratio < self.ratio


@frozen
class Measurement:
    """One figure of one round."""

    row: str
    name: str
    value: float
    unit: str
    limit: Limit | None = None
    limit_value: float | None = None
    aim: Aim | None = None
    note: str = ""


@frozen
class Figure:
    """One figure over all rounds."""

    row: str
    name: str
    value: float
    unit: str
    limit: Limit | None
    limit_value: float | None
    ratio: float | None
    aim: Aim | None
    note: str
    rounds: tuple[float, ...]

    @property
    def aim_met(self) -> bool | None:
        return None if self.aim is None or self.ratio is None else self.aim.met(self.ratio)


def figures(measurements: Iterable[Measurement]) -> Iterator[Figure]:
    """In the order in which each was measured first."""
    rounds: dict[tuple[str, str], list[Measurement]] = {}
    for measurement in measurements:
        rounds.setdefault((measurement.row, measurement.name), []).append(measurement)
    for of_one in rounds.values():
        yield combined(of_one)


def combined(rounds: list[Measurement]) -> Figure:
    typical = sorted(rounds, key=lambda each: each.value)[len(rounds) // 2]
    limits = [each.limit_value for each in rounds if each.limit_value is not None]
    # A ratio of two medians could compare a quiet round with a busy one.
    ratios = [each.value / each.limit_value for each in rounds if each.limit_value]
    return Figure(
        typical.row,
        typical.name,
        median(each.value for each in rounds),
        typical.unit,
        typical.limit,
        median(limits) if limits else None,
        median(ratios) if ratios else None,
        typical.aim,
        typical.note,
        tuple(each.value for each in rounds),
    )
