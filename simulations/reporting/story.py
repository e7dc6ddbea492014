"""A run as rows: when, to whom, what, and where it goes wrong.  Every report is made of them.

The log has a lane of its own: an entry stands where it became durable for good, and one that was durable and is
not in the log any more stands where the process that should have recovered it did not.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from ..checkers.verdict import Verdict
from ..client import session_id
from ..trace import Asked, Event, Started, Subscribed, Wrote
from .words import entry_text, words

SERVER: Final = "server"
LOG: Final = "log"


@frozen
class Row:
    at_ns: int
    lane: str
    """``client 0``, ``server`` or ``log``."""
    text: str
    kind: str
    """What it is in one word: the name of the event's class, ``Entry`` or ``Forgotten``."""
    event: int
    """Position in the trace of the event that it stands with."""
    is_wrong: bool = False
    """Whether a violation shows here."""
    lsn: int | None = None
    """Of an entry."""
    client: int | None = None
    request: int | None = None
    """What connects a request, its answer and its entry."""
    ts: int | None = None


def lane_of(event: Event) -> str:
    client = getattr(event, "client", None)
    return SERVER if client is None else f"client {client}"


def lanes(verdict: Verdict) -> list[str]:
    """Clients that ask for something, then the server and the log."""
    clients = {event.client for _, event in verdict.run.trace.events if isinstance(event, Asked | Subscribed)}
    return [*(f"client {client}" for client in sorted(clients)), SERVER, LOG]


def rows(verdict: Verdict) -> list[Row]:
    """Of all that happened, in order."""
    wrong = {violation.event for violation in verdict.violations if violation.event is not None}
    shown = set(lanes(verdict))
    written = entries_by_event(verdict)
    requests = requests_of(verdict)
    found: list[Row] = []
    for position, (at_ns, event) in enumerate(verdict.run.trace.events):
        lane = lane_of(event)
        if lane in shown and not isinstance(event, Wrote):
            numbers = {name: getattr(event, name, None) for name in ("client", "request", "ts")}
            name = type(event).__name__
            found.append(Row(at_ns, lane, words(event), name, position, position in wrong, **numbers))
        for lsn, is_there in written.get(position, ()):
            found.append(row_of_log(verdict, at_ns, position, lsn, is_there, requests))
    return found


def row_of_log(
    verdict: Verdict, at_ns: int, position: int, lsn: int, is_there: bool, requests: dict[bytes, int]
) -> Row:
    if not is_there:
        return Row(at_ns, LOG, f"[{lsn}] was durable, and is gone", "Forgotten", position, True, lsn)
    entry = verdict.run.entries[lsn - 1]
    client = requests.get(entry.session) if entry.session is not None else None
    return Row(at_ns, LOG, entry_text(entry), "Entry", position, False, lsn, client, entry.request, entry.ts)


def requests_of(verdict: Verdict) -> dict[bytes, int]:
    """Clients by their sessions."""
    return {session_id(verdict.run.plan.seed, number): number for number in range(len(verdict.run.plan.clients))}


def entries_by_event(verdict: Verdict) -> dict[int, list[tuple[int, bool]]]:
    """LSNs by the position of the event: the write that made them durable, or the start that had lost them."""
    at: dict[int, int] = {}
    found: dict[int, list[tuple[int, bool]]] = {}
    known = 0
    for position, (_, event) in enumerate(verdict.run.trace.events):
        if isinstance(event, Started):
            for lsn in range(event.lsn + 1, known + 1):
                found.setdefault(position, []).append((lsn, False))
            known = min(known, event.lsn)
        if isinstance(event, Started | Wrote):
            # What nobody saw being written, and is recovered, stands where it is recovered.
            at |= dict.fromkeys(range(known + 1, event.lsn + 1), position)
            known = event.lsn
    for lsn, position in sorted(at.items()):
        if lsn <= len(verdict.run.entries):
            found.setdefault(position, []).append((lsn, True))
    return found


@frozen
class Arrow:
    """From one row to another, by their positions: what came of what."""

    start: int
    stop: int
    kind: str
    """``commit``, ``answer`` or ``transition``."""


def arrows(found: list[Row]) -> list[Arrow]:
    """From each request to its entry, from there to the answer and to the first transition of each client."""
    asked: dict[tuple[int | None, int | None], int] = {}
    entries: dict[tuple[int | None, int | None], int] = {}
    waiting: dict[str, list[int]] = {}
    drawn: list[Arrow] = []
    for position, row in enumerate(found):
        request = row.client, row.request
        if row.kind == "Asked":
            asked[request] = position
        elif row.kind == "Entry":
            entries[request] = position
            if request in asked:
                drawn.append(Arrow(asked[request], position, "commit"))
            for lane in {each.lane for each in found if each.client is not None and each.kind == "Shown"}:
                waiting.setdefault(lane, []).append(position)
        elif row.kind == "Answered" and (start := entries.get(request, asked.get(request))) is not None:
            drawn.append(Arrow(start, position, "answer"))
        elif row.kind == "Shown" and row.ts is not None:
            seen = [entry for entry in waiting.get(row.lane, ()) if (found[entry].ts or 0) <= row.ts]
            drawn += [Arrow(entry, position, "transition") for entry in seen]
            waiting[row.lane] = [entry for entry in waiting.get(row.lane, ()) if entry not in seen]
    return drawn
