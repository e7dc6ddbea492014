"""What was missed or lost, in words: the lines that make a violation a bug report.

    shown, and not true   ──> the entry that changed the query's result, and the range of its reads that it hit
    log, and not serial   ──> what was committed between an entry's snapshot and itself, and whether it had read it
    acknowledged, and not there  ──> who was told, what the disk had confirmed, and who lost it

They are worked out from the log and the trace alone, with the code that the log holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from attrs import define, frozen

from ...actors.key_text import key_text, range_text, shortened
from ...actors.version import Change
from ...engine.history.past_query import Asked as Reading
from ...engine.history.past_query import ask
from ...engine.history.replica import Replica
from ...log.entry import BEFORE_FIRST, LSN, Entry, KeyRange
from ...log.memory import MemoryStorage
from ...log.reader import LogReader
from ...protocol.errors import ReliveError
from ..checkers.verdict import Verdict
from ..checkers.violation import Violation
from ..fold import Fold
from ..process import SECRET
from ..trace import Answered, Seen, Shown, Started, Stuck, Wrote
from .words import bytes_text, call_text, entry_text, time_text

KEY_CHARS_MAX = 80
LINES_MAX = 12
"""In all; what follows from the first says little more."""
RANGES_MAX = 4


def why(verdict: Verdict) -> list[str]:
    """For the first violation of each kind, as far as the run tells; never fails."""
    lines: dict[str, None] = {}
    kinds: set[str] = set()
    for violation in verdict.violations:
        if violation.kind not in kinds:
            kinds.add(violation.kind)
            lines |= dict.fromkeys(reasons(verdict, violation))
    return list(lines)[:LINES_MAX]


def reasons(verdict: Verdict, violation: Violation) -> Iterator[str]:
    event = verdict.run.trace.events[violation.event][1] if violation.event is not None else None
    match event:
        case Shown():
            yield from why_shown(verdict, event)
        case Answered():
            yield from why_answered(verdict, violation, event)
        case Stuck():
            yield from why_stuck(verdict)
        case _:
            named = re.search(r"\bentry (\d+)", violation.problem)
            if named is not None and 1 <= int(named[1]) <= len(verdict.run.entries):
                yield from why_not_serial(verdict, verdict.run.entries[int(named[1]) - 1])
    yield from why_lost(verdict)


# The log, read again.


@frozen(eq=False)
class Step:
    """What an entry did, and the state after it."""

    entry: Entry
    changes: tuple[Change, ...]


@define(eq=False)
class Past:
    """The state after each entry in turn, with the code that the log holds."""

    replica: Replica
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, verdict: Verdict) -> Past:
        nothing = LogReader(MemoryStorage(), [], lambda: BEFORE_FIRST)
        return cls(Replica(nothing, SECRET), verdict.run.entries)

    def steps(self) -> Iterator[Step]:
        """Up to the first entry that no longer fits."""
        fold = Fold()
        for entry in self.entries:
            fold.apply(entry)
            if fold.problems:
                return  # A log that contradicts itself is a violation of its own.
            try:
                yield Step(entry, tuple(self.replica.apply(entry).changes))
            except ReliveError:
                return  # Nor does what is in it fit the code that it holds.

    def ask(self, path: str, args: Mapping[str, object], ts: int) -> Reading | None:
        """What a query says now; None if there is no such query."""
        try:
            return ask(self.replica, path, args, ts)
        except ReliveError:
            return None


# A client shows what is not so.


def why_shown(verdict: Verdict, shown: Shown) -> Iterator[str]:
    for seen in shown.seen:
        if seen.value is not None:
            yield from why_seen(verdict, shown, seen)


def why_seen(verdict: Verdict, shown: Shown, seen: Seen) -> Iterator[str]:
    """The first entry that ended what is shown, if it was ever true."""
    past = Past.of(verdict)
    held: tuple[LSN, Reading] | None = None
    ended: tuple[Step, tuple[LSN, Reading]] | None = None
    for step in past.steps():
        if step.entry.ts > shown.ts and not is_last(verdict, shown):
            break
        reading = past.ask(seen.path, seen.args, step.entry.ts)
        if reading is not None and reading.value == seen.value:
            held, ended = (step.entry.lsn, reading), None
        elif held is not None and ended is None:
            ended = step, held
    query = f"{call_text(seen.path, seen.args)} of client {shown.client}"
    if ended is not None:
        yield from why_missed(query, *ended)
    elif held is None:
        yield f"{query} shows {bytes_text(seen.value)}, which is its result after no entry of the log"


def is_last(verdict: Verdict, shown: Shown) -> bool:
    """Whether everything had settled: then all entries count."""
    return next(event for _, event in reversed(verdict.run.trace.events) if isinstance(event, Shown)).ts <= shown.ts


def why_missed(query: str, step: Step, held: tuple[LSN, Reading]) -> Iterator[str]:
    lsn, reading = held
    yield f"{query} was right up to entry {step.entry.lsn - 1}; entry {entry_text(step.entry)} changed its result"
    hits = list(hit(reading.reads, step.changes))
    for read, what in hits[:RANGES_MAX]:
        yield f"missed: {what} is in {read.index} {range_text(read)}, which the query read as of {lsn}"
    if not hits:
        yield from (f"{what} is in nothing that the query read as of {lsn}" for what in written(step.changes))
        yield from (f"it read {read.index} {range_text(read)}" for read in reading.reads[:RANGES_MAX])
        if not reading.reads:
            yield "its read set is empty"


def hit(reads: tuple[KeyRange, ...], changes: tuple[Change, ...]) -> Iterator[tuple[KeyRange, str]]:
    """Ranges that the changes touch, each with what touched it."""
    for change in changes:
        for name, old, new in change.keys:
            for read in reads:
                if read.index == name and read.touched(old, new):
                    key = new if new is not None and new in read else old
                    yield read, f"{verb(change)} {change.table}/{change.id[:6]} with key {shortened_key(read, key)}"


def shortened_key(read: KeyRange, key: bytes | None) -> str:
    return shortened(key_text(read.index, key), KEY_CHARS_MAX) if key is not None else "none"


def verb(change: Change) -> str:
    return "new" if change.old is None else "deleted" if change.new is None else "changed"


def written(changes: tuple[Change, ...]) -> Iterator[str]:
    for change in changes[:RANGES_MAX]:
        keys = [
            f"{name} {shortened(key_text(name, new if new is not None else old or b''), KEY_CHARS_MAX)}"
            for name, old, new in change.keys
            if name.index != "by_id"
        ]
        yield f"{verb(change)} {change.table}/{change.id[:6]}, in {', '.join(keys)},"


# The log is not what its functions do one after another.


def why_not_serial(verdict: Verdict, entry: Entry) -> Iterator[str]:
    between = [step for step in Past.of(verdict).steps() if entry.snapshot < step.entry.lsn < entry.lsn]
    if not between:
        yield f"entry {entry.lsn} read as of {entry.snapshot}, the entry before it: no other came between"
        return
    lsns = f"{between[0].entry.lsn} to {between[-1].entry.lsn}" if len(between) > 1 else f"{between[0].entry.lsn}"
    yield f"entry {entry_text(entry)} read as of {entry.snapshot}; committed between: {lsns}"
    hits = [(step, read, what) for step in between for read, what in hit(entry.reads, step.changes)]
    for step, read, what in hits[:RANGES_MAX]:
        yield f"missed: {what} by entry {step.entry.lsn} is in {read.index} {range_text(read)}, which it had read"
    if not hits:
        yield f"nothing of that is in the recorded read set: {reads_text(entry.reads)}"
        yield from (f"entry {step.entry.lsn}: {what}" for step in between for what in written(step.changes))


def reads_text(reads: tuple[KeyRange, ...]) -> str:
    texts = [f"{read.index} {range_text(read)}" for read in reads[:RANGES_MAX]]
    more = [f"and {len(reads) - RANGES_MAX} more"] if len(reads) > RANGES_MAX else []
    return "; ".join([*texts, *more]) or "it is empty"


# Something was acknowledged and is not there, or there too often.


def why_answered(verdict: Verdict, violation: Violation, answer: Answered) -> Iterator[str]:
    assert violation.event is not None
    durable = 0
    for _, event in verdict.run.trace.events[: violation.event]:
        if isinstance(event, Wrote | Started):
            durable = event.lsn
    at_ns = verdict.run.trace.events[violation.event][0]
    told = f"client {answer.client} was told of request {answer.request} at {at_ns / 1e6:.3f} ms"
    what = f"committed {time_text(answer.ts)}" if answer.ts is not None else "failed"
    yield f"{told}: {what}; the disk had confirmed entry {durable} then, and the log ends at {len(verdict.run.entries)}"
    for entry in verdict.run.entries:
        if answer.ts is not None and entry.ts == answer.ts:
            yield f"of that time is entry {entry_text(entry)}"


def why_lost(verdict: Verdict) -> Iterator[str]:
    """Entries that were durable, and that a later process did not have."""
    known, by, at_ns = 0, 0, 0
    for now_ns, event in verdict.run.trace.events:
        if isinstance(event, Started) and event.lsn < known:
            lsns = f"entry {known} was" if event.lsn == known - 1 else f"entries {event.lsn + 1} to {known} were"
            yield (
                f"lost: {lsns} durable at {at_ns / 1e6:.3f} ms in process {by}; "
                f"process {event.process} starts with {event.lsn} at {now_ns / 1e6:.3f} ms"
            )
        if isinstance(event, Wrote | Started):
            known, by, at_ns = event.lsn, event.process, now_ns


def why_stuck(verdict: Verdict) -> Iterator[str]:
    """Who is still waited for."""
    asked: dict[tuple[int, int], str] = {}
    for at_ns, event in verdict.run.trace.events:
        client, request = getattr(event, "client", None), getattr(event, "request", None)
        if isinstance(client, int) and isinstance(request, int):
            asked[client, request] = f"{type(event).__name__.lower()} at {at_ns / 1e6:.3f} ms"
    for (client, request), last in asked.items():
        if not last.startswith("done"):
            yield f"the last of request {request} of client {client}: {last}"
