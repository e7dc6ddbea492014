"""Verification by running again: does each entry follow from its code, arguments, clock, seed and snapshot?

For every entry that a function of an app made, the function runs on the state that the log tells, and
what it reads, writes, returns and prints is compared with what the entry says.  What is stored is
taken from the log all the same, so that one entry that differs says nothing about the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, TypeVar

from attrs import Factory, define, frozen

from ...actors.key_text import range_text
from ...actors.version import Change
from ...log.entry import BEFORE_FIRST, FIRST_LSN, LSN, Entry, KeyRange, Kind, Timestamp
from ...log.errors import HistoryDropped
from ...log.reader import LogReader
from ...protocol import cbor, json
from ..application.endpoint import Endpoint
from ..authentication.identity import identity_of_entry
from ..data.system_tables import BESIDE_MUTATIONS
from ..deployment.deploy import deployed_app
from ..deployment.migrations import CAUSE_ID, Batch
from ..errors import AppInvalid
from ..execution.attempt import DIGEST_BYTES, Attempt
from ..execution.callers import session_of_entry
from ..execution.results import encode_result
from ..execution.scheduled import SCHEDULE, job_of_cause
from ..execution.system_writes import system_endpoint
from ..transactions.scheduling import JOBS
from .replica import COMMITS_HELD_MAX, Replica

T = TypeVar("T")

NOTHING = "nothing"
PROGRESS_STEP = 100
"""Entries between one report of progress and the next."""


@frozen
class Difference:
    """What came out of an entry that does not stand in it."""

    lsn: LSN
    function: str
    what: str
    """``outcome``, ``reads``, ``writes``, ``result``, ``printed`` or ``code``."""
    recorded: str
    again: str


@define
class Verification:
    checked: int = 0
    """Entries that were run again."""
    deploys: int = 0
    """Whose source was loaded again, and has the hash that the entry says."""
    passed_over: int = 0
    """Not in the sample, or not in the range."""
    unverifiable: Counter[str] = Factory(Counter)
    """Why entries could not be run again, and how many."""
    different: int = 0
    first: Difference | None = None

    def add(self, difference: Difference | None) -> None:
        if difference is not None:
            self.different += 1
            self.first = self.first or difference

    def join(self, later: Verification) -> None:
        """Together with what came of the entries behind these."""
        self.checked += later.checked
        self.deploys += later.deploys
        self.passed_over += later.passed_over
        self.unverifiable += later.unverifiable
        self.different += later.different
        self.first = self.first or later.first


@frozen
class Sample:
    """Which entries of a range are run again: each, or some, evenly spread."""

    first: LSN
    step: int

    @classmethod
    def of(cls, first: LSN, last: LSN, count: int | None) -> Sample:
        """About ``count`` of the range; None is all of them."""
        return cls(first, 1 if count is None else max(1, -(-(last - first + 1) // count)))

    def __contains__(self, lsn: LSN) -> bool:
        return (lsn - self.first) % self.step == 0


def verify_again(
    reader: LogReader,
    secret: bytes,
    *,
    first: LSN = FIRST_LSN,
    last: LSN,
    sample: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verification:
    """Run the entries of a range again, or ``sample`` of them, evenly spread.

    ``on_progress`` is told how many entries are behind it, of how many.  Raises Damaged, SchemaMismatch if a
    document does not fit the code that wrote it.
    """
    verification = verify_part(reader, secret, first, last, Sample.of(first, last, sample), on_progress)
    verification.passed_over += first - FIRST_LSN
    return verification


def verify_part(
    reader: LogReader,
    secret: bytes,
    first: LSN,
    last: LSN,
    sample: Sample,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verification:
    """The same of a part of a range.  Parts depend on nothing but the log: processes can share a range.

    What came before is not run: its state is that of a checkpoint and of the writes since, but for the
    entries on whose state the first ones of the part may have read.
    """
    begin = LSN(max(BEFORE_FIRST, first - 1 - COMMITS_HELD_MAX))
    verification, replica = Verification(), Replica.resumed(reader, secret, begin, on_progress)
    for entry in reader.entries(LSN(begin + 1), canonical=False):
        if entry.lsn > last:
            break
        changes = None
        if entry.lsn >= first and entry.lsn in sample:
            changes = verify_entry(verification, replica, entry)
        elif entry.lsn >= first:
            verification.passed_over += 1
        replica.apply(entry, changes)
        if entry.lsn % PROGRESS_STEP == 0:
            on_progress(entry.lsn, last)
    return verification


def verify_entry(verification: Verification, replica: Replica, entry: Entry) -> tuple[Change, ...] | None:
    """What its writes mean for the tables as they are, if running it has shown that."""
    if entry.kind is Kind.DEPLOY:
        verify_deploy(verification, entry)
        return None
    endpoint, problem = handler_of(replica, entry)
    if endpoint is None:
        verification.unverifiable[problem] += 1
        return None
    try:
        again = run_again(replica, entry, endpoint)
    except HistoryDropped:
        verification.unverifiable["it read versions that are beyond retention"] += 1
        return None
    verification.checked += 1
    difference = again if isinstance(again, Difference) else compare(entry, again)
    verification.add(difference)
    return again.changes(replica, entry) if difference is None and isinstance(again, Again) else None


def verify_deploy(verification: Verification, entry: Entry) -> None:
    try:
        app = deployed_app(entry.args)
    except AppInvalid as error:
        verification.unverifiable[f"the code that was deployed does not load here: {error}"] += 1
        return
    verification.deploys += 1
    if app.code != entry.code:
        verification.add(Difference(entry.lsn, "", "code", entry.code.hex(), app.code.hex()))


def handler_of(replica: Replica, entry: Entry) -> tuple[Endpoint | None, str]:
    """What to run, or why there is nothing."""
    if entry.lsn <= replica.whole_from:
        return None, "what it did, or what was stored then, is beyond retention and was dropped"
    if entry.kind is Kind.IMPORT:
        return None, "imports come from a file"
    if replica.unloadable:
        return None, f"its code does not load here: {replica.unloadable}"
    if entry.code != replica.app.code:
        return None, "the code that ran is not the one of the deploy before it"
    if not replica.holds(entry.snapshot):
        return None, "its snapshot lies too far behind it, or before a deploy"
    endpoint = replica.app.endpoints.get(entry.function)
    if entry.kind is Kind.SYSTEM:
        size = batch_of(entry)
        if endpoint is None or endpoint.kind != "migration" or size is None:
            return None, "the system wrote it, by request from outside"
        return system_endpoint(endpoint.path, Batch(endpoint, size).run), ""
    return endpoint, "" if endpoint is not None else "its function is not in the deployed code"


def batch_of(entry: Entry) -> int | None:
    """How many documents a step of a migration was to take; None if the entry is none."""
    match cbor.decode(entry.args):
        case {"batch": int(size)} if entry.cause.id == CAUSE_ID:
            return size
    return None


@frozen(eq=False)
class Again:
    """What came of a function that was run again."""

    attempt: Attempt
    writes: dict[tuple[str, str], bytes | None]
    """Documents by table and id; None if it was deleted."""
    result: bytes

    def changes(self, replica: Replica, entry: Entry) -> tuple[Change, ...] | None:
        """What the writes mean for the newest tables; None if it was made for older ones, or remade since."""
        mutation = self.attempt.mutation
        assert mutation is not None
        changes: tuple[Change, ...] = mutation.transaction.changes()
        if entry.snapshot != replica.position or mutation.merges or mutation.stamps:
            return None
        return changes if len(changes) == len(entry.writes) else None  # The system wrote beside it.


def run_again(replica: Replica, entry: Entry, endpoint: Endpoint) -> Again | Difference:
    attempt, arguments = attempt_of(replica, entry, endpoint)
    is_system = entry.kind is Kind.SYSTEM
    try:
        with replica.rewound(entry.snapshot):
            returned = endpoint.check_result(attempt.drive(endpoint, arguments))
            assert attempt.transaction is not None
            result = b"null" if is_system else encode_result(returned, attempt.transaction.handed_out)
            stamped = stamped_documents(attempt, entry.ts)
        return Again(attempt, written(replica, attempt, stamped), result)
    except (KeyboardInterrupt, HistoryDropped):
        raise
    except BaseException as error:  # A handler may raise anything; that is a difference like any other.
        return Difference(entry.lsn, entry.function, "outcome", "committed", f"raised {type(error).__name__}: {error}")


def attempt_of(replica: Replica, entry: Entry, endpoint: Endpoint) -> tuple[Attempt, Callable[[], dict[str, Any]]]:
    """A run with the entry's clock, chance and identity; and its arguments, made anew at each call."""
    replica.moment = (entry.clock, entry.seed)
    attempt = replica.attempt("mutation", replica.env, entry.cause.id)
    # Whoever did not look then must not look now: there is nothing to see.
    attempt.identity, attempt.everybody = identity_of_entry(entry.identity), entry.identity is None
    attempt.job, attempt.session = job_of_cause(entry.cause), session_of_entry(entry)
    if entry.kind is Kind.SYSTEM:
        return attempt, dict
    return attempt, lambda: endpoint.bind(cbor.decode(entry.args))


def stamped_documents(attempt: Attempt, ts: Timestamp) -> dict[tuple[str, str], bytes]:
    """Documents that hold the time of the commit, with that time."""
    assert attempt.mutation is not None
    if not attempt.mutation.stamps:
        return {}
    return {key: stamp(ts)[1] for key, stamp in attempt.mutation.commit_stamps().items()}


def written(
    replica: Replica, attempt: Attempt, stamped: dict[tuple[str, str], bytes]
) -> dict[tuple[str, str], bytes | None]:
    """What the entry must hold: merges are made anew on the state before it, as its commit did."""
    assert attempt.transaction is not None
    assert attempt.mutation is not None
    merges = attempt.mutation.commit_merges()
    documents: dict[tuple[str, str], bytes | None] = {}
    changes: tuple[Change, ...] = attempt.transaction.changes()
    for change, document in zip(changes, attempt.mutation.documents(), strict=True):
        key = (change.table, change.id)
        newest = replica.tables.get(*key)
        if key in merges and newest is not None and newest is not change.old:
            document = merges[key](newest)[1]
        documents[key] = stamped.get(key, document)
    return documents


def compare(entry: Entry, again: Again) -> Difference | None:
    """The first difference: what was read comes before what followed from it."""
    attempt, writes, result = again.attempt, again.writes, again.result

    def difference(what: str, recorded: str, again: str) -> Difference:
        return Difference(entry.lsn, entry.function, what, recorded, again)

    # What the system did beside the function is not the function's.
    reads = attempt.reads()
    if reads != entry.reads:
        for one, other in differing(own_reads(entry, entry.reads), own_reads(entry, reads)):
            return difference("reads", read_text(one), read_text(other))
    recorded = [
        ((write.table, write.id), write.document)
        for write in entry.writes
        if write.table not in BESIDE_MUTATIONS and not is_own_job(entry, (write.table, write.id))
    ]
    made = [(key, document) for key, document in writes.items() if not is_own_job(entry, key)]
    for was, now in differing(tuple(recorded), tuple(made)):
        return difference("writes", written_text(was), written_text(now))
    for line, now_line in differing(entry.logs, attempt.lines()):
        return difference("printed", line or NOTHING, now_line or NOTHING)
    digest = blake2b(result, digest_size=DIGEST_BYTES).digest()
    if digest != entry.result_digest or entry.result not in (None, result):
        kept = entry.result.decode() if entry.result is not None else "a result that was not kept"
        recorded_hash = f"(hash {entry.result_digest.hex()})"
        return difference("result", f"{kept} {recorded_hash}", f"{result.decode()} (hash {digest.hex()})")
    return None


def is_own_job(entry: Entry, key: tuple[str, str]) -> bool:
    """Whether it is the row that says that the scheduled function which made the entry has run."""
    return entry.cause.kind == SCHEDULE and key == (JOBS, entry.cause.id)


def own_reads(entry: Entry, reads: tuple[KeyRange, ...]) -> tuple[KeyRange, ...]:
    beside = {*BESIDE_MUTATIONS, JOBS} if entry.cause.kind == SCHEDULE else BESIDE_MUTATIONS
    return tuple(each for each in reads if each.index.table not in beside)


def differing(recorded: tuple[T, ...], again: tuple[T, ...]) -> list[tuple[T | None, T | None]]:
    """The first pair that is not alike."""
    if recorded == again:
        return []
    for place in range(max(len(recorded), len(again))):
        one = recorded[place] if place < len(recorded) else None
        other = again[place] if place < len(again) else None
        if one != other:
            return [(one, other)]
    return []


def read_text(read: KeyRange | None) -> str:
    if read is None:
        return NOTHING
    return f"{read.index} {range_text(read)}{', keys only' if read.keys_only else ''}"


def written_text(write: tuple[tuple[str, str], bytes | None] | None) -> str:
    if write is None:
        return NOTHING
    (table, id), document = write
    return f"{table}/{id} {'deleted' if document is None else json.encode(cbor.decode(document)).decode()}"
