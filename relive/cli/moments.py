"""Moments of the past as people write them: an LSN, or a time."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import click
from attrs import frozen

from ..engine.env import real_env
from ..engine.history.errors import NotYet
from ..log.entry import LSN
from ..log.errors import NoSuchEntry

if TYPE_CHECKING:
    from .log_files import OpenLog
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
    """None is the newest entry.  Raises NoSuchEntry, BeforeHistory, NotYet, Damaged."""
    lsn = lsn_of(replayable.log, at)
    return Moment(lsn, at.ns if isinstance(at, Time) else replayable.log.reader.entry(lsn).ts)


def lsn_of(log: OpenLog, at: LSN | Time | None) -> LSN:
    """The newest entry then; None is now.  Raises NoSuchEntry, BeforeHistory, NotYet, Damaged."""
    if isinstance(at, Time):
        from ..engine.history.past_query import lsn_at  # Much to import, for commands that need not look back.

        if at.ns > max(real_env().clock_ns(), log.reader.entry(log.last).ts if log.last else 0):
            raise NotYet(at.ns)
        return lsn_at(log.reader, at.ns, log.last)
    lsn = log.last if at is None else at
    if not 0 < lsn <= log.last:
        raise NoSuchEntry(lsn, log.last)
    return lsn
