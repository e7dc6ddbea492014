"""Traffic of the past against code that is not deployed yet: would it have done the same?

Each entry that a mutation made runs again on the state that it read, with its arguments, clock, seed and
identity; what is stored is taken from the log all the same, so that one entry that differs says nothing
about the next.  The code of then runs too, for what it costs.

Only what committed is in the log: queries are not, nor mutations that failed.

Invariant: every entry of the range is counted once, in the function that made it or in `left_out`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from hashlib import blake2b

from attrs import Factory, define, frozen

from ...log.entry import BEFORE_FIRST, LSN, Entry, Kind
from ...log.errors import HistoryDropped
from ...log.reader import LogReader
from ...protocol.values import Value, equal
from ..application.app import App
from ..application.endpoint import Endpoint
from ..data.table_codec import untyped
from ..errors import DocumentInvalid, SchemaMismatch
from ..execution.attempt import DIGEST_BYTES
from .errors import DoesNotFit
from .reexecution import Again, Difference, handler_of, run_again, written_text
from .replica import COMMITS_HELD_MAX, Replica, whole_from

PROGRESS_STEP = 100
"""Entries between one report of progress and the next."""
EXAMPLES_MAX = 3
"""Differences that are kept of each sort and function."""

Progress = Callable[[int, int], None]


@define
class Cost:
    """Of running a function, all its runs together."""

    runs: int = 0
    cpu_ns: int = 0
    documents_read: int = 0
    bytes_read: int = 0


@define
class FunctionTally:
    """What became of the entries of one function."""

    same: int = 0
    """The same writes and the same result."""
    writes: int = 0
    """Other writes."""
    results: int = 0
    """The same writes, but another result."""
    errors: int = 0
    """It fails now, or is gone."""
    before: Cost = Factory(Cost)
    """With the code of then."""
    now: Cost = Factory(Cost)


@define
class Shadowed:
    first: LSN
    last: LSN
    functions: dict[str, FunctionTally] = Factory(dict[str, FunctionTally])
    left_out: Counter[str] = Factory(Counter)
    """Why entries were not run, and how many."""
    examples: list[Difference] = Factory(list[Difference])

    @property
    def is_same(self) -> bool:
        return all(not (each.writes or each.results or each.errors) for each in self.functions.values())

    def tally(self, function: str) -> FunctionTally:
        return self.functions.setdefault(function, FunctionTally())

    def add(self, entry: Entry, difference: Difference | None) -> None:
        tally = self.tally(entry.function)
        if difference is None:
            tally.same += 1
            return
        match difference.what:
            case "writes":
                count = tally.writes = tally.writes + 1
            case "result":
                count = tally.results = tally.results + 1
            case _:
                count = tally.errors = tally.errors + 1
        if count <= EXAMPLES_MAX:
            self.examples.append(difference)


@frozen
class Shadow:
    reader: LogReader
    secret: bytes
    cpu_ns: Callable[[], int]
    """What measures cost, in nanoseconds."""
    on_progress: Progress = lambda done, total: None

    def run(self, app: App, first: LSN, last: LSN) -> Shadowed:
        """The entries of a range with ``app``.

        Raises DoesNotFit if documents of then do not fit its schema, HistoryDropped if the range begins where
        something is beyond retention, Damaged.
        """
        beginning = whole_from(self.reader)
        if begin_of(first) < beginning:
            raise HistoryDropped("", "", LSN(beginning - 1))
        shadowed = Shadowed(first, last)
        self.measure(shadowed)
        self.compare(shadowed, app)
        return shadowed

    def measure(self, shadowed: Shadowed) -> None:
        """With the code of then."""
        replica = Replica.resumed(self.reader, self.secret, begin_of(shadowed.first))
        for entry in self.reader.entries(LSN(replica.position + 1), canonical=False):
            if entry.lsn > shadowed.last:
                return
            endpoint = handler_of(replica, entry)[0] if entry.lsn >= shadowed.first else None
            if endpoint is not None and entry.kind is Kind.MUTATION:
                self.run_measured(replica, entry, endpoint, shadowed.tally(entry.function).before)
            replica.apply(entry)
            self.report(entry.lsn, shadowed.last, 0)

    def compare(self, shadowed: Shadowed, app: App) -> None:
        begin = begin_of(shadowed.first)
        try:
            replica = Replica.at(self.reader, self.secret, begin, app)
        except SchemaMismatch as error:
            raise DoesNotFit(begin, str(error)) from error
        for entry in self.reader.entries(LSN(begin + 1), canonical=False):
            if entry.lsn > shadowed.last:
                return
            if entry.lsn >= shadowed.first:
                self.compare_entry(shadowed, replica, entry)
            try:
                replica.apply(entry)
            except DocumentInvalid as error:
                raise DoesNotFit(entry.lsn, str(error)) from error
            self.report(entry.lsn, shadowed.last, 1)

    def compare_entry(self, shadowed: Shadowed, replica: Replica, entry: Entry) -> None:
        if entry.kind is not Kind.MUTATION:
            shadowed.left_out[f"no mutation made them, but a request of the kind {entry.kind.value}"] += 1
            return
        if not replica.holds(entry.snapshot):
            shadowed.left_out["what they read lies too far behind them"] += 1
            return
        endpoint = replica.app.endpoints.get(entry.function)
        if endpoint is None or endpoint.kind != "mutation":
            shadowed.add(
                entry, Difference(entry.lsn, entry.function, "outcome", "committed", "there is no such mutation")
            )
            return
        again = self.run_measured(replica, entry, endpoint, shadowed.tally(entry.function).now)
        shadowed.add(entry, again if isinstance(again, Difference) else difference(replica, entry, again))

    def run_measured(self, replica: Replica, entry: Entry, endpoint: Endpoint, cost: Cost) -> Again | Difference:
        started = self.cpu_ns()
        again = run_again(replica, entry, endpoint)
        cost.cpu_ns += self.cpu_ns() - started
        cost.runs += 1
        if isinstance(again, Again):
            used = again.attempt.used()
            cost.documents_read += used.documents_read
            cost.bytes_read += used.bytes_read
        return again

    def report(self, lsn: LSN, last: LSN, passes: int) -> None:
        if lsn % PROGRESS_STEP == 0:
            self.on_progress(passes * last + lsn, 2 * last)


def begin_of(first: LSN) -> LSN:
    """What the first entries may have read is known from there on."""
    return LSN(max(BEFORE_FIRST, first - 1 - COMMITS_HELD_MAX))


def difference(replica: Replica, entry: Entry, again: Again) -> Difference | None:
    """The first difference in what was written, in terms of the new schema; else in the result."""
    recorded = {(write.table, write.id): write.document for write in entry.writes}
    for key in {**recorded, **again.writes}:
        was = (key, recorded[key]) if key in recorded else None
        now = (key, again.writes[key]) if key in again.writes else None
        if was is None or now is None or not is_same(replica, key[0], was[1], now[1]):
            return Difference(entry.lsn, entry.function, "writes", written_text(was), written_text(now))
    if blake2b(again.result, digest_size=DIGEST_BYTES).digest() == entry.result_digest:
        return None
    kept = entry.result.decode() if entry.result is not None else "a result that was not kept"
    return Difference(entry.lsn, entry.function, "result", kept, again.result.decode())


def is_same(replica: Replica, table: str, one: bytes | None, other: bytes | None) -> bool:
    """Whether both are the same document once a deploy would have read them."""
    if one == other:
        return True
    if one is None or other is None:
        return False
    return equal(read(replica, table, one), read(replica, table, other))


def read(replica: Replica, table: str, document: bytes) -> Value:
    """Its fields as the new schema has them, defaults included.  Raises DocumentInvalid."""
    codec = replica.codecs.get(table) or untyped(table)
    return dict(codec.fields(codec.decode(document)))
