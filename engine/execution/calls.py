"""What is asked of the executor, and what it answers."""

from __future__ import annotations

from attrs import frozen

from ...log.entry import BEFORE_FIRST, LSN, KeyRange
from ...protocol.results import FunctionFailure, MutationSuccess, QueryResult
from ..authentication.identity import Identity


@frozen(eq=False)
class Call:
    """Which function, with what."""

    path: str
    args: object
    """Parsed JSON as the client sent it: an array that holds one object."""
    admin: bool = False
    """May call internal functions."""
    journal: str | None = None
    """What the same query gave the last time, so that its pages end where they did."""
    cause: str = "client"
    """Through which door it came, as entries and records of executions say it."""
    identity: Identity | None = None
    """Who asks; None if nobody has signed in."""
    everybody: bool = False
    """Whether the result is for whoever asks the same; then nobody's identity may be looked at."""
    job: str | None = None
    """Id of the scheduled function that this is part of; None if it is part of none."""


@frozen(eq=False)
class Request:
    """Who asks for a mutation: makes a resend harmless, and is recorded as its cause."""

    cause: str
    session: bytes | None
    request: int
    id: str = ""
    """What the entry names as the id of its cause; empty for the request's own id."""
    parent: LSN = BEFORE_FIRST
    """The entry that made this happen, if one did."""


@frozen(eq=False)
class Evaluated:
    """A query's result, and what it depends on."""

    result: QueryResult
    reads: tuple[KeyRange, ...]
    lsn: LSN
    clock_read_ns: int | None
    """The time that the query looked at, in nanoseconds; None if it did not look."""
    personal: bool = False
    """Whether it was run for everybody and asked who asks: then the result is none."""


@frozen(eq=False)
class Outcome:
    """A mutation's outcome; it may leave once ``lsn`` is durable."""

    outcome: MutationSuccess | FunctionFailure
    lsn: LSN


def path_of(component: object, path: str) -> str:
    """Functions of components are named by their component; an app has none, so none is found."""
    return f"{component}/{path}" if component else path
