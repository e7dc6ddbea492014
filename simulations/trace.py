"""What happened in a run, in order, as values; text only when somebody reads it.

Invariant: the same plan gives the same `Trace.text`, byte for byte.
"""

from __future__ import annotations

from typing import Any

from attrs import Factory, define, frozen

from .driver import Clock


@frozen
class Opened:
    """A client has a socket."""

    client: int
    socket: int


@frozen
class Lost:
    client: int
    socket: int


@frozen
class Asked:
    """A client asks for a mutation, the first time."""

    client: int
    request: int
    path: str
    args: dict[str, Any]


@frozen
class Answered:
    """A response reached the client."""

    client: int
    request: int
    ts: int | None
    """None of a failure."""
    result: bytes
    """Of a failure, its text."""
    is_application_error: bool


@frozen
class Done:
    """The client's application is told."""

    client: int
    request: int
    ts: int | None
    shown_ts: int
    """As of when the results are that the application sees meanwhile."""


@frozen
class Subscribed:
    client: int
    query: int
    path: str
    args: dict[str, Any]


@frozen
class Unsubscribed:
    client: int
    query: int


@frozen
class Seen:
    """A query and what the client shows for it; None if the server has said nothing on this socket."""

    query: int
    path: str
    args: dict[str, Any]
    value: bytes | None
    error: str


@frozen
class Shown:
    """A transition reached the client: everything that it shows from now on, changed or not."""

    client: int
    socket: int
    ts: int
    seen: tuple[Seen, ...]
    first: tuple[int, ...]
    """Queries that got their first result on this socket."""


@frozen
class Objected:
    """The server did what no client accepts, or says so of the client."""

    client: int
    problem: str


@frozen
class Called:
    """A function is called over HTTP."""

    call: int
    is_mutation: bool
    path: str
    args: dict[str, Any]


@frozen
class Replied:
    """The answer to a call, if it came."""

    call: int
    value: bytes
    problem: str
    """Empty if it was done."""


@frozen
class Started:
    """A server process has recovered the log."""

    process: int
    lsn: int
    torn: bool


@frozen
class Unlike:
    """What recovery built is not what the log says."""

    process: int
    problem: str


@frozen
class Wrote:
    """Entries are durable."""

    process: int
    lsn: int
    honest: bool = True
    """False if the disk lied when it said so, now or before."""


@frozen
class Forgotten:
    """After a disk that lied, entries that it had confirmed are gone; the run ends here."""

    lsn: int
    """The last one that is left, or with which a start that refuses the log ends."""
    refused: bool
    """Whether a start notices."""


@frozen
class Ended:
    process: int
    how: str
    """``crashed``, ``killed``, ``stopped``, ``disk``, or what failed."""


@frozen
class Faulted:
    kind: str
    target: int
    amount: int


@frozen
class Phase:
    name: str


@frozen
class Stuck:
    """Somebody is not done though everything has long been well."""

    problem: str


Event = (
    Opened
    | Lost
    | Asked
    | Answered
    | Done
    | Subscribed
    | Unsubscribed
    | Shown
    | Objected
    | Called
    | Replied
    | Started
    | Unlike
    | Wrote
    | Ended
    | Forgotten
    | Faulted
    | Phase
    | Stuck
)


@define(eq=False)
class Trace:
    clock: Clock
    events: list[tuple[int, Event]] = Factory(list[tuple[int, Event]])
    """With the virtual time, in nanoseconds."""
    probes: dict[str, int] = Factory(dict[str, int])
    """What was reached, and how often."""

    def add(self, event: Event) -> None:
        self.events.append((self.clock.now_ns, event))

    def probe(self, name: str) -> None:
        self.probes[name] = self.probes.get(name, 0) + 1

    def text(self) -> str:
        return "".join(f"{at_ns / 1e6:.6f} {event!r}\n" for at_ns, event in self.events)
