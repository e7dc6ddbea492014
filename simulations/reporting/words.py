"""Events and entries as people read them: one line each, times short enough to compare at a glance."""

from __future__ import annotations

from typing import Any

from ...log.entry import Entry
from ...protocol import cbor
from ..authored.references import MARK
from ..plan import CUT, HALF_OPEN, STALL, Fault, Operation
from ..trace import (
    Answered,
    Asked,
    Done,
    Ended,
    Event,
    Faulted,
    Forgotten,
    Lost,
    Objected,
    Opened,
    Phase,
    Seen,
    Shown,
    Started,
    Stuck,
    Subscribed,
    Unlike,
    Unsubscribed,
    Wrote,
)

CLOCK_DIGITS = 10**12
"""Of a timestamp, the last three minutes or so: what comes before is the same in all of a run."""
FAILURE_CHARS = 60


def time_text(ts: int) -> str:
    """A moment of the log's clock in milliseconds since the run began, more or less."""
    return f"@{ts % CLOCK_DIGITS / 1e6:.3f}"


def arguments(args: dict[str, Any]) -> str:
    return ", ".join(f"{name}={argument(value)}" for name, value in args.items())


def argument(value: Any) -> str:
    """A document that a plan names by its number is told by that."""
    if isinstance(value, str) and value.startswith(MARK):
        _, table, number = value.split(MARK)
        return f"<{table} {number}>"
    return repr(value)


def call_text(path: str, args: dict[str, Any]) -> str:
    return f"{path}({arguments(args)})"


def bytes_text(value: bytes | None) -> str:
    return value.decode(errors="replace") if value is not None else "?"


def words(event: Event) -> str:
    """What happened to a client."""
    match event:
        case Asked(_, request, path, args):
            return f"-> {request} {call_text(path, args)}"
        case Answered(_, request, ts, result, _) if ts is not None:
            return f"<- {request} ok {bytes_text(result)} {time_text(ts)}"
        case Answered(_, request, _, result, _):
            return f"<- {request} failed {bytes_text(result)[-FAILURE_CHARS:]}"
        case Done(_, request, _, shown_ts):
            return f"   {request} done, shows {time_text(shown_ts)}"
        case Subscribed(_, query, path, args):
            return f"watches q{query} {call_text(path, args)}"
        case Unsubscribed(_, query):
            return f"watches q{query} no more"
        case Shown(_, _, ts, seen):
            return f"shows {time_text(ts)} {' '.join(map(seen_text, seen))}"
        case _:
            return words_of_machines(event)


def seen_text(seen: Seen) -> str:
    return f"q{seen.query}={bytes_text(seen.value)}" if seen.value is not None else f"q{seen.query} {seen.error}"


def words_of_machines(event: Event) -> str:
    match event:
        case Opened(_, socket):
            return f"socket {socket} opens"
        case Lost(_, socket):
            return f"socket {socket} is lost"
        case Objected(_, problem) | Unlike(_, problem) | Stuck(problem):
            return f"PROBLEM {problem}"
        case Started(process, lsn, torn):
            return f"process {process} starts with {lsn} entries{', a torn end cut off' if torn else ''}"
        case Wrote(_, lsn, _):
            return f"durable: {lsn}"
        case Forgotten(lsn, refused):
            return f"the disk had lied: entries after {lsn} are gone{', and a start refuses' if refused else ''}"
        case Ended(process, how):
            return f"process {process} {how}"
        case Faulted(kind, target, amount):
            return f"FAULT {fault_text(kind, target, amount)}"
        case Phase(name):
            return f"--- {name}"
        case _:
            return repr(event)


def fault_text(kind: str, target: int, amount: int) -> str:
    to = f" of client {target}" if kind in (CUT, HALF_OPEN, STALL) else ""
    return f"{kind}{to}{f' {amount}' if amount else ''}"


def entry_text(entry: Entry) -> str:
    """What made it, and which documents it wrote."""
    made = entry.kind.value
    if entry.function:
        args: Any = cbor.decode(entry.args)
        made = call_text(entry.function, args if isinstance(args, dict) else {})
    writes = " ".join(f"{'-' if write.document is None else '+'}{write.table}/{write.id[:6]}" for write in entry.writes)
    return f"[{entry.lsn}] {time_text(entry.ts)} {made} {writes}".rstrip()


def operation_text(operation: Operation) -> str:
    after = f"after {operation.pause_ms} ms " if operation.pause_ms else ""
    return f"{after}{operation.verb} {call_text(operation.path, operation.args) if operation.path else ''}".rstrip()


def planned_fault_text(fault: Fault) -> str:
    return f"at {fault.at_ms} ms {fault_text(fault.kind, fault.target, fault.amount)}"
