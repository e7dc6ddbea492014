"""Runs the functions of the deployed app: one after another, each to its end without suspension.

mutate ──> seen before? ──> run ──> check the result ──> commit ──> done
                             ^                             └──> conflict: again, new clock and seed
query  ──> run ──> result and read set

A mutation whose reads keep changing underneath it is queued at the leader, the executor whose
snapshot is always the head, and runs there alone: contention is never an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from attrs import define, evolve, field

from ...actors.errors import AlreadyCommitted, CommitterFailed, Conflict, WritesRefused
from ...actors.messages import Commit
from ...actors.runtime import Runtime
from ...log.entry import BEFORE_FIRST, LSN, Entry, Kind, Timestamp
from ...protocol import cbor
from ...protocol.errors import InvalidValue
from ...protocol.limits import PATH_CHARS_MAX
from ...protocol.results import FunctionFailure, MutationSuccess, QueryFailure, QueryResult, QuerySuccess
from ...protocol.values import Value
from ..application.app import App
from ..application.endpoint import Endpoint
from ..application.functions import FunctionKind
from ..data.catalog import Catalog
from ..data.table_codec import TableCodec
from ..determinism.errors import Interruption
from ..determinism.reexecution import Trace, run_twice
from ..env import Env
from ..errors import DeploymentPaused, ReturnsValidationError, WrongKind
from ..limits import COMMIT_ATTEMPTS_MAX
from ..transactions.cursors import Cursors
from ..transactions.journal import Pages
from ..transactions.overlay import Overlay
from ..transactions.transaction import Transaction
from ..transactions.usage import FULL, TransactionLimits, Usage
from .arguments import Arguments
from .attempt import Attempt
from .beside import Beside, with_beside
from .callers import session_of
from .calls import Call, Evaluated, Outcome, Request
from .executions import Executions
from .failures import REQUEST_ID_BYTES, Failure, failure_of, request_id
from .lookup import reachable
from .nested_calls import NestedCalls
from .origins import DEFAULT_ORIGIN, set_origin
from .past_entries import PastEntries
from .pause import is_paused
from .results import encode_result
from .system_writes import SystemHandler, Written, system_endpoint

T = TypeVar("T")

logger = logging.getLogger("relive")

CLOCK_STEP_NS = 1_000
"""Between one commit and the next function at least: creation times tell no less than 1/4 µs apart."""


@define(eq=False)
class Executor:
    runtime: Runtime
    catalog: Catalog
    env: Env
    secret: bytes = field(repr=False)
    app: App
    codecs: Mapping[str, TableCodec] = field(factory=dict)
    twice: bool = False
    """Run every function twice and compare: finds what no guard sees, at twice the price."""
    leader: Executor | None = None
    """Runs mutations that meet conflicts again and again; None if that is this one: then nothing can
    be committed between its snapshot and its commit."""
    limits: TransactionLimits = FULL
    """Of each transaction."""
    cursors: Cursors = field(init=False, repr=False)
    nested: NestedCalls = field(init=False, repr=False)
    past: PastEntries = field(init=False, repr=False)
    conflicts: int = 0
    """How often a mutation had to run again because what it had read was changed."""
    origin: str = DEFAULT_ORIGIN
    """Under which address clients reach the deployment, as far as this process knows."""
    redact: bool = False
    """Whether clients without the admin key hear only that a function failed, and not what it printed."""
    executions: Executions = field(init=False)
    """What ran, in full, for whoever operates the server."""

    def __attrs_post_init__(self) -> None:
        self.executions = Executions(self.env.clock_ns)
        self.cursors = Cursors(self.secret)
        self.nested = NestedCalls(self.app)
        self.past = PastEntries(self.runtime.log.reader, self.runtime.tail)

    def query(self, call: Call, past: Overlay | None = None, past_lsn: LSN | None = None) -> Evaluated:
        """Run a query as of the newest commit, or of the past laid over it.  Never raises for what
        the function does: a failure is a result."""
        started_ns, id, hidden = self.env.clock_ns(), self.fresh_request_id(), self.redact and not call.admin
        tables = self.runtime.tables
        overlay = past if past is not None else Overlay(tables)
        lsn = past_lsn if past_lsn is not None else tables.position

        def open() -> Transaction:
            pages = Pages.from_journal(self.cursors, call.journal)
            return Transaction(tables, lsn, overlay, pages, Usage(whole=self.limits))

        attempt = self.prepare("query", open, call=call)
        answer: QueryResult
        failure: Failure | None = None
        interrupted_ns: int | None = None
        try:
            endpoint = self.find(call, "query")
            value = self.run(attempt, endpoint, Arguments(call, endpoint))
            answer = QuerySuccess(value, () if hidden else attempt.lines(), attempt.journal())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # A handler may raise anything; it must not end the server.
            failure = failure_of(error, self.app.bundle.folder)
            # With the journal that it was given: when it succeeds again, its pages end where they did.
            answer = failure.of_query(id, hidden, attempt.lines(), call.journal)
            if isinstance(error, Interruption):
                # Another time it may take less of the processor: as if it had looked at the clock.
                interrupted_ns = started_ns
        if attempt.viewer.looked and call.everybody:
            return Evaluated(answer, (), lsn, None, personal=True)
        self.note(attempt, call, call.cause, id, started_ns, failure)
        return Evaluated(answer, attempt.reads(), lsn, attempt.clock_read_ns() or interrupted_ns)

    def mutate(self, call: Call, request: Request, beside: Beside | None = None) -> Outcome:
        """Run a mutation and commit it.  Never raises for what the function does.

        What ``beside`` writes is in the same entry, or, if the function fails, nowhere.

        Raises WritesRefused if the log takes nothing now.
        """
        started_ns, conflicts, hidden = self.env.clock_ns(), self.conflicts, self.redact and not call.admin
        runtime = self.runtime
        if request.session is not None:
            lsn = runtime.requests.find(request.session, request.request)
            if lsn is not None:
                self.env.probe("a request is answered by its entry")
                return self.recorded(lsn, hidden)
            kept = runtime.requests.answer(request.session, request.request)
            if kept is not None:
                self.env.probe("a request that wrote nothing is answered as before")
                assert isinstance(kept, Outcome)
                return without_lines(kept) if hidden else kept
        id = request.id or self.id_of(request)

        def open() -> Transaction:
            return Transaction.at_head(runtime.tables, Pages(self.cursors), self.limits)

        attempt = self.prepare("mutation", open, id, call)
        attempt.session = session_of(request.cause, request.id, request.session)
        failure: Failure | None = None
        try:
            endpoint = self.find(call, "mutation")
            outcome = self.run_and_commit(attempt, endpoint, Arguments(call, endpoint), request, id, beside)
        except AlreadyCommitted as known:
            return self.recorded(known.lsn, hidden)
        except Conflict:
            assert self.leader is not None, "nothing is committed between the head and its next commit"
            return self.leader.mutate(call, request, beside)
        except (CommitterFailed, KeyboardInterrupt):
            raise
        except BaseException as error:  # A handler may raise anything; it must not end the server.
            if attempt.transaction is not None and attempt.transaction.origin_needed:
                (self.leader or self).record_origin()
                self.runtime.catch_up()
                return self.mutate(call, request, beside)
            failure = failure_of(error, self.app.bundle.folder)
            # What it says may show what it read, so it waits for that to be durable.
            outcome = Outcome(failure.of_function(id, hidden, attempt.lines()), runtime.tail.head)
            if isinstance(error, WritesRefused):
                self.note(attempt, call, request.cause, id, started_ns, failure)
                raise
        if failure is None and request.session is not None and not attempt.wrote():
            assert isinstance(outcome.outcome, MutationSuccess)
            runtime.requests.keep_answer(request.session, request.request, outcome, len(outcome.outcome.result))
        lsn = outcome.lsn if failure is None and attempt.wrote() else None
        self.note(attempt, call, request.cause, id, started_ns, failure, lsn, self.conflicts - conflicts)
        return without_lines(outcome) if hidden else outcome

    def record_origin(self, *, only_if_known: bool = False) -> None:
        """Write under which address clients reach the deployment, if the database says otherwise, or nothing.

        Raises WritesRefused.
        """
        self.write("set_origin", "system", partial(set_origin, url=self.origin, only_if_known=only_if_known))

    def run_and_commit(
        self,
        attempt: Attempt,
        endpoint: Endpoint,
        arguments: Arguments,
        request: Request,
        id: str,
        beside: Beside | None = None,
    ) -> Outcome:
        """Raises Conflict if its reads changed underneath it again and again."""
        args = cbor.encode(arguments.value)
        value, lsn, ts = self.transact(
            attempt,
            lambda: self.run(attempt, endpoint, arguments, beside),
            lambda value: self.commit_of(attempt, args, value, request, id),
        )
        return Outcome(MutationSuccess(value, ts, attempt.lines()), lsn)

    def transact(
        self, attempt: Attempt, run: Callable[[], T], commit: Callable[[T], Commit]
    ) -> tuple[T, LSN, Timestamp]:
        """Run and commit; again, with another snapshot, clock and seed, if what was read has changed.

        What ``run`` gave at last, and the entry as of which.  Raises Conflict when it has changed
        again and again.
        """
        for left in reversed(range(COMMIT_ATTEMPTS_MAX)):
            value = run()
            assert attempt.transaction is not None
            if not attempt.transaction.overlay.staged:
                # Nothing was written, so nothing can conflict: it happened as of its snapshot.
                snapshot = attempt.transaction.snapshot
                return value, snapshot, self.ts_of(snapshot)
            try:
                committed = self.runtime.commit(commit(value))
                return value, committed.lsn, committed.ts
            except Conflict as conflict:
                what = "run again" if left else "queued to run alone"
                logger.info("%s; %s (request %s)", conflict, what, attempt.request_id)
                self.conflicts += 1
                if not left:
                    raise
                self.runtime.catch_up()
        raise AssertionError("unreachable")

    def write(
        self,
        name: str,
        cause: str,
        handler: SystemHandler[T],
        args: Value = None,
        id: str | None = None,
        parent: LSN = BEFORE_FIRST,
    ) -> Written[T]:
        """One transaction of the system itself; its entry is of the kind ``system``.

        The entry says ``name`` as its function, and ``args``.  Its cause is ``cause`` with ``id`` (that of a
        new request if not given) and ``parent``, the entry that made it happen.  Raises what the handler
        raises, Conflict and WritesRefused; then nothing was written.
        """
        started_ns, id = self.env.clock_ns(), id if id is not None else self.fresh_request_id()
        attempt, endpoint = self.prepare_write(id), system_endpoint(name, handler)
        request, encoded = Request(cause, None, 0, id, parent), cbor.encode(args)

        def run() -> T:
            value: T = attempt.drive(endpoint, dict)  # type: ignore[assignment]
            return value

        value, lsn, _ = self.transact(
            attempt, run, lambda value: evolve(self.commit_of(attempt, encoded, b"null", request, id), kind=Kind.SYSTEM)
        )
        if attempt.wrote():
            used, lines = attempt.used(), attempt.lines()
            self.executions.record(started_ns, name, "system", cause, id, log_lines=lines, lsn=lsn, used=used)
        return Written(value, lsn)

    def rehearse(self, name: str, handler: SystemHandler[T]) -> T:
        """Run a handler of the system and write nothing.  Raises what it raises."""
        value: T = self.prepare_write("").drive(system_endpoint(name, handler), dict)  # type: ignore[assignment]
        return value

    def prepare_write(self, id: str) -> Attempt:
        return self.prepare(
            "mutation", lambda: Transaction.at_head(self.runtime.tables, Pages(self.cursors), self.limits), id
        )

    def commit_of(self, attempt: Attempt, args: bytes, value: bytes, request: Request, id: str) -> Commit:
        """What the attempt asks to be an entry; ``args`` as CBOR, ``value`` its result as JSON."""
        return attempt.commit(self.app.code, args, value, request, id, self.env.clock_ns())

    def run(self, attempt: Attempt, endpoint: Endpoint, arguments: Arguments, beside: Beside | None = None) -> bytes:
        """The result as JSON.  Raises what the handler raises, and Irreproducible if it is run twice
        and does not come out the same."""
        if not self.twice:
            return self.run_once(attempt, endpoint, arguments, beside)
        attempts = iter((lambda: attempt, attempt.twin))

        def once(trace: Trace) -> bytes:
            current = next(attempts)()
            value = self.run_once(current, endpoint, arguments, beside)
            current.record(trace)
            return value

        return run_twice(endpoint.path, once, lambda value: value)

    def run_once(
        self, attempt: Attempt, endpoint: Endpoint, arguments: Arguments, beside: Beside | None = None
    ) -> bytes:
        if beside is not None:
            both = with_beside(endpoint, beside, lambda result: self.encode(endpoint, result, attempt))
            value = attempt.drive(both, arguments.take)
            assert isinstance(value, bytes)
            return value
        result = endpoint.check_result(attempt.drive(endpoint, arguments.take))
        return self.encode(endpoint, result, attempt)

    def prepare(
        self, kind: FunctionKind, open: Callable[[], Transaction], id: str = "", call: Call | None = None
    ) -> Attempt:
        if self.nested.app is not self.app:
            self.nested = NestedCalls(self.app)  # Another version has been deployed.
        return Attempt(
            kind,
            self.env,
            self.clock,
            self.secret,
            self.codecs,
            self.catalog,
            self.nested,
            open,
            id,
            self.past,
            call.identity if call is not None else None,
            call is not None and call.everybody,
            call.job if call is not None else None,
        )

    def recorded(self, lsn: LSN, hidden: bool) -> Outcome:
        """The answer of a request that was committed before: its result and original timestamp."""
        entry = self.entry(lsn)
        if entry.result is None:
            # It was committed long ago: whoever still asks gets no wrong answer.
            problem = f"it was committed as entry {lsn}, so long ago that its result is not kept any more"
            return Outcome(FunctionFailure(problem, None, ()), lsn)
        return Outcome(MutationSuccess(entry.result, entry.ts, () if hidden else entry.logs), lsn)

    def entry(self, lsn: LSN) -> Entry:
        return self.past.entry(lsn)

    def ts_of(self, lsn: LSN) -> Timestamp:
        """When an entry was committed, or the newest timestamp given out if it is the newest."""
        tail = self.runtime.tail
        return tail.head_ts if lsn == tail.head else self.entry(lsn).ts

    def note(
        self,
        attempt: Attempt,
        call: Call,
        cause: str,
        id: str,
        started_ns: int,
        failure: Failure | None,
        lsn: LSN | None = None,
        retries: int = 0,
    ) -> None:
        """Remember an execution: once, however often it ran again."""
        self.executions.record(
            started_ns,
            call.path if len(call.path) <= PATH_CHARS_MAX else f"{call.path[:PATH_CHARS_MAX]}...",
            attempt.kind,
            cause,
            id,
            error=failure.text if failure is not None else None,
            log_lines=attempt.lines(),
            lsn=lsn,
            retries=retries,
            used=attempt.used(),
        )

    def note_cached(self, call: Call, result: QueryResult | None) -> None:
        """A query was answered with the result of an execution before it."""
        failure = result if isinstance(result, QueryFailure) else None
        # The client is told the request id of the failure that it is given: that one must be found.
        id = failure.request if failure is not None else self.fresh_request_id()
        now_ns, error = self.env.clock_ns(), failure.text if failure is not None else None
        self.executions.record(now_ns, call.path, "query", call.cause, id, error=error, cached=True)

    def find(self, call: Call, kind: str) -> Endpoint:
        """Raises FunctionNotFound, DeploymentPaused, WrongKind."""
        endpoint = reachable(self.app, call)
        if is_paused(self.runtime.tables) and endpoint.path in self.app.endpoints:
            raise DeploymentPaused()
        if endpoint.kind != kind:
            raise WrongKind(endpoint.path, kind, endpoint.kind)
        return endpoint

    def kind_of(self, call: Call) -> FunctionKind:
        """Raises FunctionNotFound."""
        return reachable(self.app, call).kind

    def encode(self, endpoint: Endpoint, result: object, attempt: Attempt) -> bytes:
        """Raises ReturnsValidationError."""
        assert attempt.transaction is not None
        try:
            return encode_result(result, attempt.transaction.handed_out)
        except InvalidValue as error:
            raise ReturnsValidationError(endpoint.path, str(error)) from None

    def unwritten(self, call: Call, request: Request, error: WritesRefused) -> Outcome:
        """How a mutation that could not be written is answered where an answer is all that there is."""
        failure = failure_of(error, self.app.bundle.folder)
        hidden = self.redact and not call.admin
        return Outcome(failure.of_function(self.id_of(request), hidden, ()), self.runtime.tail.head)

    def id_of(self, request: Request) -> str:
        """The same for a resent request."""
        if request.session is None:
            return self.fresh_request_id()
        return request_id(request.session, request.request)

    def fresh_request_id(self) -> str:
        """For a request without a session: unpredictable, as nothing can tell it from others."""
        return self.env.entropy(REQUEST_ID_BYTES).hex()

    def clock(self) -> int:
        """What the function sees: past the newest commit and all that it created."""
        return max(self.env.clock_ns(), self.runtime.tail.head_ts + CLOCK_STEP_NS)


def without_lines(outcome: Outcome) -> Outcome:
    done = outcome.outcome
    return Outcome(evolve(done, log_lines=()), outcome.lsn) if done.log_lines else outcome
