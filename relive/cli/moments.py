"""Moments of the past as people write them: an LSN, or a time."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import click
from attrs import frozen

from ..log.entry import LSN
from ..log.errors import NoSuchEntry

if TYPE_CHECKING:
    from .replaying import Replayable

NS_PER_S = 1_000_000_000
TIME = re.compile(r"(?P<time>[^.]+?)(?:\.(?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d:\d\d)?")


@frozen
class Time:
    ns: int
    """Since the Unix epoch."""


@frozen
class Moment:
    lsn: LSN
    """The newest entry then."""
    ts: int
    """Nanoseconds since the Unix epoch."""


def check_moment(context: click.Context, parameter: click.Parameter, text: str | None) -> LSN | Time | None:
    """An LSN, or a time with its zone; UTC if it names none.  Entries are told apart by nanoseconds."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]+", text):
        return LSN(int(text))
    parts = TIME.fullmatch(text)
    try:
        if parts is None:
            raise ValueError(text)
        whole = dt.datetime.fromisoformat(f"{parts['time']}{parts['zone'] or ''}")
    except ValueError:
        problem = f"write an LSN, or a time as 2026-09-20T14:03:00Z, not {text!r}"
        raise click.BadParameter(problem, context, parameter) from None
    if whole.tzinfo is None:
        whole = whole.replace(tzinfo=dt.UTC)
    return Time(int(whole.timestamp()) * NS_PER_S + int((parts["fraction"] or "").ljust(9, "0")))


def moment_of(replayable: Replayable, at: LSN | Time | None) -> Moment:
    """None is the newest entry.  Raises NoSuchEntry, BeforeHistory, Damaged."""
    reader, last = replayable.log.reader, replayable.log.last
    if isinstance(at, Time):
        from ..engine.history.past_query import lsn_at  # Much to import, for commands that need not look back.

        return Moment(lsn_at(reader, at.ns, last), at.ns)
    lsn = last if at is None else at
    if not 0 < lsn <= last:
        raise NoSuchEntry(lsn, last)
    return Moment(lsn, reader.entry(lsn).ts)
