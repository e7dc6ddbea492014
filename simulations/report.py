"""A failure for people: what is wrong, the plan, a timeline with a column for each client, and how to run it again."""

from __future__ import annotations

from pathlib import Path
from textwrap import shorten

from .checkers.verdict import Verdict
from .plan import to_bytes
from .trace import (
    Answered,
    Asked,
    Done,
    Ended,
    Event,
    Faulted,
    Lost,
    Objected,
    Opened,
    Phase,
    Shown,
    Started,
    Stuck,
    Subscribed,
    Unlike,
    Unsubscribed,
    Wrote,
)

SERVER = -1
COLUMN = 40
"""Characters of a column."""
ROWS_MAX = 120
"""Before and after the moment of the violation together."""


def report(verdict: Verdict, plan_file: Path, first: Verdict | None = None) -> str:
    """``first`` is the run that was found, if ``verdict`` is that of a smaller plan."""
    plan = verdict.run.plan
    lines = [f"FAIL  seed {plan.seed}"]
    firsts = {violation.kind: violation for violation in reversed(verdict.violations)}
    for kind, violation in reversed(firsts.items()):
        lines += [f"  {kind}", f"    {violation.problem}"]
    lines.append(f"  {len(verdict.violations)} in all, {len(firsts)} of them of different kinds")
    sizes = f"{len([each for each in plan.clients if each])} clients, {plan.operations} operations"
    lines.append(f"plan: {sizes}, {len(plan.faults)} faults, schedule {plan.policy}")
    if first is not None:
        lines.append(f"      from {first.run.plan.operations} operations, {len(first.run.plan.faults)} faults")
    lines += [f"again: python -m relive.simulations --replay {plan_file}", "", *timeline(verdict), "", *log(verdict)]
    return "\n".join(lines) + "\n"


def save(verdict: Verdict, folder: Path) -> Path:
    """Write the plan into a folder, under a name that says the seed and the checker."""
    assert verdict.violations, "nothing to keep"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{verdict.violations[0].checker}-{verdict.run.plan.seed}.plan"
    file.write_bytes(to_bytes(verdict.run.plan))
    return file


def timeline(verdict: Verdict) -> list[str]:
    """One line for each event, in the column of whom it happened to; ``<==`` where a violation shows."""
    events = verdict.run.trace.events
    wrong = {violation.event for violation in verdict.violations if violation.event is not None}
    columns = [SERVER, *sorted({of(event) for _, event in events if isinstance(event, Asked | Subscribed)})]
    lines = [row("ms", [f"client {each}" if each != SERVER else "server and disk" for each in columns])]
    start = max(0, min(wrong, default=len(events)) - ROWS_MAX * 2 // 3)
    for position in range(start, min(len(events), start + ROWS_MAX)):
        at_ns, event = events[position]
        if of(event) in columns:
            cells = [words(event) if each == of(event) else "" for each in columns]
            lines.append(row(f"{at_ns / 1e6:.3f}", cells) + ("  <==" if position in wrong else ""))
    return lines


def row(time: str, cells: list[str]) -> str:
    texts = [shorten(cell, COLUMN, placeholder="...").ljust(COLUMN) for cell in cells]
    return "  ".join([time.rjust(12), *texts]).rstrip()


def of(event: Event) -> int:
    """The client that it happened to, or `SERVER`."""
    client = getattr(event, "client", SERVER)
    assert isinstance(client, int)
    return client


def arguments(args: dict[str, object]) -> str:
    return ", ".join(map(str, args.values()))


def words(event: Event) -> str:
    match event:
        case Asked(_, request, path, args):
            return f"-> {request} {path}({arguments(args)})"
        case Answered(_, request, ts, result, _):
            told = result.decode(errors="replace")
            return f"<- {request} ok {told} @{ts % 10**12}" if ts is not None else f"<- {request} failed {told[-60:]}"
        case Done(_, request, _, shown_ts):
            return f"   {request} done, shows @{shown_ts % 10**12}"
        case Subscribed(_, query, path, args):
            return f"watches {query} {path}({arguments(args)})"
        case Unsubscribed(_, query):
            return f"watches {query} no more"
        case Shown(_, _, ts, seen):
            values = " ".join(f"{each.query}={each.value.decode() if each.value else '?'}" for each in seen)
            return f"shows @{ts % 10**12} {values}"
        case _:
            return words_of_machines(event)


def words_of_machines(event: Event) -> str:
    match event:
        case Opened(_, socket):
            return f"socket {socket} opens"
        case Lost(_, socket):
            return f"socket {socket} is lost"
        case Objected(_, problem) | Unlike(_, problem) | Stuck(problem):
            return f"PROBLEM {problem}"
        case Started(process, lsn, torn):
            return f"process {process} starts at entry {lsn}{', after a torn end' if torn else ''}"
        case Wrote(_, lsn):
            return f"durable up to entry {lsn}"
        case Ended(process, how):
            return f"process {process} {how}"
        case Faulted(kind, target, amount):
            return f"FAULT {kind} {target} {amount}"
        case Phase(name):
            return f"--- {name}"
        case _:
            return repr(event)


def log(verdict: Verdict) -> list[str]:
    """What the log says at the end."""
    lines = ["log"]
    for entry in verdict.run.entries[-ROWS_MAX:]:
        told = entry.result.decode(errors="replace") if entry.result is not None else ""
        request = "" if entry.request is None else f" request {entry.request}"
        lines.append(f"  {entry.lsn:5} @{entry.ts % 10**12} {entry.function or entry.kind.value}{request} -> {told}")
    return lines
