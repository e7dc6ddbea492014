"""Queries of the past, and why they say what they say.

    lsn = lsn_at(reader, ts, last)                  which entry was the newest then
    answer = ask(Replica.at(reader, secret, lsn), "notes:all", {}, ts)
    causes(reader, secret, answer.reads, lsn)       what was read, and who changed it last

Nothing that a query does here is written, and everything follows from the log and the question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from ...log.entry import BEFORE_FIRST, FIRST_LSN, LSN, Entry, KeyRange
from ...log.reader import LogReader
from ..env import Env
from ..errors import WrongKind
from ..execution.arguments import Arguments
from ..execution.attempt import SEED_BYTES
from ..execution.calls import Call
from ..execution.failures import failure_of
from ..execution.lookup import reachable
from ..execution.results import encode_result
from .errors import BeforeHistory
from .replica import Replica
from .starting import newest_checkpoint

PROGRESS_STEP = 100
"""Entries between one report of progress and the next."""


@frozen(eq=False)
class Asked:
    """What a query says, and what it looked at."""

    value: bytes | None
    """Canonical Convex JSON; None if it failed."""
    problem: str
    """Why it failed; empty if it did not."""
    data: bytes | None
    """JSON of an application error's data; None if it did not fail so."""
    lines: tuple[str, ...]
    reads: tuple[KeyRange, ...]


@frozen(eq=False)
class Read:
    """A range that a query read."""

    range: KeyRange
    changed_by: Entry | None
    """The last entry that changed what it says; None if nothing ever was there."""
    unknown_until: LSN = BEFORE_FIRST
    """If nothing changed it after this entry: what did before is beyond retention.  0 if nothing is."""


def lsn_at(reader: LogReader, ts: int, last: LSN) -> LSN:
    """The newest entry at ``ts``, in nanoseconds since the Unix epoch.

    Raises BeforeHistory if there was none yet, Damaged.
    """
    if last == BEFORE_FIRST or reader.entry(FIRST_LSN).ts > ts:
        raise BeforeHistory(ts, reader.entry(FIRST_LSN).ts if last else None)
    low, high = FIRST_LSN, last
    while low < high:
        middle = LSN((low + high + 1) // 2)
        if reader.entry(middle).ts <= ts:
            low = middle
        else:
            high = LSN(middle - 1)
    return low


def ask(replica: Replica, path: str, args: Mapping[str, object], ts: int) -> Asked:
    """Run a query of the replica's code, internal or not, as of its state; ``ts`` is what its clock says.

    Never raises for what the function does.  Raises FunctionNotFound, WrongKind, ArgumentValidationError.
    """
    call = Call(path, [dict(args)], admin=True)
    endpoint = reachable(replica.app, call)
    if endpoint.kind != "query":
        raise WrongKind(endpoint.path, "query", endpoint.kind)
    arguments = Arguments(call, endpoint)
    attempt = replica.attempt("query", Env(lambda: ts, bytes))
    value, problem, data = None, "", None
    try:
        result = endpoint.check_result(attempt.drive(endpoint, arguments.take))
        assert attempt.transaction is not None
        value = encode_result(result, attempt.transaction.handed_out)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # A handler may raise anything.
        failure = failure_of(error, replica.app.bundle.folder)
        problem, data = failure.text, failure.data
    assert attempt.run is None or len(attempt.run.seed) == SEED_BYTES
    return Asked(value, problem, data, attempt.lines(), attempt.reads())


def causes(
    reader: LogReader,
    secret: bytes,
    reads: tuple[KeyRange, ...],
    last: LSN,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Read]:
    """For each range the entry up to ``last`` that changed it: a document in it, or that there is none.

    Looked for in what the newest checkpoint does not cover, then in all of the log, for a checkpoint does not say
    who wrote what.  ``on_progress`` is told how many entries were looked at, of how many.  Raises Damaged,
    SchemaMismatch.
    """
    covered = newest_checkpoint(reader, last).newest.position
    replica = Replica.resumed(reader, secret, covered)
    found = changers(replica, reads, last, on_progress)
    if covered > BEFORE_FIRST and len(found) < len(set(reads)):
        replica = Replica(reader, secret)
        found = changers(replica, reads, last, on_progress)
    return [Read(read, found.get(read), BEFORE_FIRST if read in found else replica.whole_from) for read in reads]


def changers(
    replica: Replica, reads: tuple[KeyRange, ...], last: LSN, on_progress: Callable[[int, int], None]
) -> dict[KeyRange, Entry]:
    """The entry that last changed each range, of those from where ``replica`` is up to ``last``."""
    found: dict[KeyRange, Entry] = {}
    for entry in replica.reader.entries(LSN(replica.position + 1)):
        if entry.lsn > last:
            break
        for change in replica.apply(entry).changes:
            for name, old, new in change.keys:
                for read in reads:
                    if read.index == name and read.touched(old, new):
                        found[read] = entry
        if entry.lsn % PROGRESS_STEP == 0:
            on_progress(entry.lsn, last)
    return found
