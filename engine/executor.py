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
from hashlib import blake2b
from typing import TypeVar

from attrs import define, evolve, field

from ..actors.errors import AlreadyCommitted, CommitterFailed, Conflict, WritesRefused
from ..actors.messages import Commit, Merge
from ..actors.runtime import Runtime
from ..log.entry import BEFORE_FIRST, LSN, Cause, Entry, Kind, Timestamp
from ..protocol import cbor, paths
from ..protocol.errors import InvalidPath, InvalidValue
from ..protocol.results import FunctionFailure, MutationSuccess, QueryFailure, QueryResult, QuerySuccess
from ..protocol.values import Value
from .app import App
from .arguments import Arguments
from .attempt import Attempt
from .calls import Call, Evaluated, Outcome, Request
from .catalog import Catalog
from .cursors import Cursors
from .determinism.reexecution import Trace, run_twice
from .endpoint import Endpoint
from .env import Env
from .errors import FunctionError, FunctionNotFound, ReturnsValidationError, WrongKind
from .failures import REQUEST_ID_BYTES, failure_of, request_id
from .functions import FunctionKind
from .limits import COMMIT_ATTEMPTS_MAX
from .nested_calls import NestedCalls
from .overlay import Overlay
from .pagination import Pages
from .results import encode_result
from .system_writes import SystemHandler, Written, system_endpoint
from .table_codec import TableCodec
from .transaction import Transaction
from .usage import FULL, TransactionLimits, Usage
from .version import ENGINE_VERSION

T = TypeVar("T")

logger = logging.getLogger("relive")

DIGEST_BYTES = 16
NO_MERGES: Mapping[tuple[str, str], Merge] = {}
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
    conflicts: int = 0
    """How often a mutation had to run again because what it had read was changed."""
    on_logs: Callable[[str, tuple[str, ...]], None] = lambda path, lines: None
    """Told what functions print: path and lines."""

    def __attrs_post_init__(self) -> None:
        self.cursors = Cursors(self.secret)
        self.nested = NestedCalls(self.app)

    def query(self, call: Call, past: Overlay | None = None, past_lsn: LSN | None = None) -> Evaluated:
        """Run a query as of the newest commit, or of the past laid over it.  Never raises for what
        the function does: a failure is a result."""
        tables = self.runtime.tables
        overlay = past if past is not None else Overlay(tables)
        lsn = past_lsn if past_lsn is not None else tables.position

        def open() -> Transaction:
            pages = Pages.from_journal(self.cursors, call.journal)
            return Transaction(tables, lsn, overlay, pages, Usage(whole=self.limits))

        attempt = self.prepare("query", open)
        answer: QueryResult
        try:
            endpoint = self.find(call, "query")
            value = self.run(attempt, endpoint, Arguments(call, endpoint))
            answer = QuerySuccess(value, attempt.lines(), attempt.journal())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # A handler may raise anything; it must not end the server.
            failure = failure_of(error, self.app.bundle.folder)
            message = failure.message(self.fresh_request_id())
            # With the journal that it was given: when it succeeds again, its pages end where they did.
            answer = QueryFailure(message, failure.text, failure.data, attempt.lines(), call.journal)
        self.tell(call.path, answer.log_lines)
        return Evaluated(answer, attempt.reads(), lsn, attempt.clock_read_ns())

    def mutate(self, call: Call, request: Request) -> Outcome:
        """Run a mutation and commit it.  Never raises for what the function does."""
        runtime = self.runtime
        if request.session is None:
            id = self.fresh_request_id()
        else:
            lsn = runtime.requests.find(request.session, request.request)
            if lsn is not None:
                return self.recorded(lsn)
            id = request_id(request.session, request.request)

        def open() -> Transaction:
            return Transaction.at_head(runtime.tables, Pages(self.cursors), self.limits)

        attempt = self.prepare("mutation", open, id)
        try:
            endpoint = self.find(call, "mutation")
            outcome = self.run_and_commit(attempt, endpoint, Arguments(call, endpoint), request, id)
        except AlreadyCommitted as known:
            return self.recorded(known.lsn)
        except Conflict:
            assert self.leader is not None, "nothing is committed between the head and its next commit"
            return self.leader.mutate(call, request)
        except (CommitterFailed, KeyboardInterrupt):
            raise
        except BaseException as error:  # A handler may raise anything; it must not end the server.
            if isinstance(error, WritesRefused) and request.cause == "http":
                raise  # HTTP has a status for it; a socket has only the answer to the call.
            failure = failure_of(error, self.app.bundle.folder)
            failed = FunctionFailure(failure.message(id), failure.data, attempt.lines())
            # What it says may show what it read, so it waits for that to be durable.
            outcome = Outcome(failed, runtime.tail.head)
        self.tell(call.path, outcome.outcome.log_lines)
        return outcome

    def run_and_commit(
        self, attempt: Attempt, endpoint: Endpoint, arguments: Arguments, request: Request, id: str
    ) -> Outcome:
        """Raises Conflict if its reads changed underneath it again and again."""
        encoded_arguments = cbor.encode(arguments.value)
        for left in reversed(range(COMMIT_ATTEMPTS_MAX)):
            value = self.run(attempt, endpoint, arguments)
            assert attempt.transaction is not None
            if not attempt.transaction.overlay.staged:
                # Nothing was written, so nothing can conflict: it happened as of its snapshot.
                tail = self.runtime.tail
                return Outcome(MutationSuccess(value, tail.head_ts, attempt.lines()), tail.head)
            try:
                committed = self.runtime.commit(
                    self.commit_of(attempt, endpoint, encoded_arguments, value, request, id)
                )
            except Conflict as conflict:
                what = "run again" if left else "queued to run alone"
                logger.info("%s; %s (request %s)", conflict, what, id)
                self.conflicts += 1
                if not left:
                    raise
                self.runtime.catch_up()
            else:
                return Outcome(MutationSuccess(value, committed.ts, attempt.lines()), committed.lsn)
        raise AssertionError("unreachable")

    def write(
        self, name: str, cause: str, handler: SystemHandler[T], args: Value = None, id: str | None = None
    ) -> Written[T]:
        """One transaction of the system itself; its entry is of the kind ``system``.

        The entry says ``name`` as its function, ``cause`` and ``id`` (that of a new request if not
        given) as its cause, and ``args``.  Raises what the handler raises, Conflict and WritesRefused;
        then nothing was written.
        """
        id = id if id is not None else self.fresh_request_id()
        attempt, endpoint = self.prepare_write(id), system_endpoint(name, handler)
        for left in reversed(range(COMMIT_ATTEMPTS_MAX)):
            value: T = attempt.drive(endpoint, dict)  # type: ignore[assignment]
            assert attempt.transaction is not None
            if not attempt.transaction.overlay.staged:
                return Written(value, self.runtime.tail.head)
            request = Request(cause, None, 0)
            commit = self.commit_of(attempt, endpoint, cbor.encode(args), b"null", request, id)
            try:
                committed = self.runtime.commit(evolve(commit, kind=Kind.SYSTEM))
            except Conflict:
                if not left:
                    raise
                self.runtime.catch_up()
            else:
                self.tell(name, attempt.lines())
                return Written(value, committed.lsn)
        raise AssertionError("unreachable")

    def rehearse(self, name: str, handler: SystemHandler[T]) -> T:
        """Run a handler of the system and write nothing.  Raises what it raises."""
        value: T = self.prepare_write("").drive(system_endpoint(name, handler), dict)  # type: ignore[assignment]
        return value

    def prepare_write(self, id: str) -> Attempt:
        return self.prepare("mutation", lambda: Transaction.at_head(self.runtime.tables, Pages(self.cursors)), id)

    def commit_of(
        self, attempt: Attempt, endpoint: Endpoint, arguments: bytes, value: bytes, request: Request, id: str
    ) -> Commit:
        transaction, mutation, run = attempt.transaction, attempt.mutation, attempt.run
        assert transaction is not None
        assert mutation is not None
        assert run is not None
        return Commit(
            kind=Kind.MUTATION,
            cause=Cause(request.cause, id, BEFORE_FIRST),
            function=endpoint.path,
            code=self.app.code,
            engine=ENGINE_VERSION,
            args=arguments,
            identity=None,
            clock=Timestamp(run.clock_ns),
            seed=run.seed,
            snapshot=transaction.snapshot,
            reads=transaction.reads(),
            changes=transaction.changes(),
            documents=mutation.documents(),
            merges=mutation.commit_merges() if mutation.merges else NO_MERGES,
            result_digest=blake2b(value, digest_size=DIGEST_BYTES).digest(),
            result=value if request.session is not None else None,
            logs=attempt.lines(),
            session=request.session,
            request=request.request if request.session is not None else None,
            now=Timestamp(max(self.env.clock_ns(), mutation.newest_ns())),
        )

    def run(self, attempt: Attempt, endpoint: Endpoint, arguments: Arguments) -> bytes:
        """The result as JSON.  Raises what the handler raises, and Irreproducible if it is run twice
        and does not come out the same."""
        if not self.twice:
            return self.run_once(attempt, endpoint, arguments)
        attempts = iter((lambda: attempt, attempt.twin))

        def once(trace: Trace) -> bytes:
            current = next(attempts)()
            value = self.run_once(current, endpoint, arguments)
            current.record(trace)
            return value

        return run_twice(endpoint.path, once, lambda value: value)

    def run_once(self, attempt: Attempt, endpoint: Endpoint, arguments: Arguments) -> bytes:
        result = attempt.drive(endpoint, arguments.take)
        endpoint.check_result(result)
        return self.encode(endpoint, result, attempt)

    def prepare(self, kind: FunctionKind, open: Callable[[], Transaction], id: str = "") -> Attempt:
        if self.nested.app is not self.app:
            self.nested = NestedCalls(self.app)  # Another version has been deployed.
        return Attempt(kind, self.env, self.clock, self.secret, self.codecs, self.catalog, self.nested, open, id)

    def recorded(self, lsn: LSN) -> Outcome:
        """The answer of a request that was committed before: its result and original timestamp."""
        entry = self.entry(lsn)
        assert entry.result is not None, lsn
        return Outcome(MutationSuccess(entry.result, entry.ts, entry.logs), lsn)

    def entry(self, lsn: LSN) -> Entry:
        tail = self.runtime.tail
        if lsn >= tail.oldest:
            return next(tail.after(LSN(lsn - 1))).entry
        return self.runtime.log.reader.entry(lsn)

    def tell(self, path: str, lines: tuple[str, ...]) -> None:
        if lines:
            self.on_logs(path, lines)

    def reachable(self, call: Call) -> Endpoint:
        """The function that the call names, if the caller may know of it.  Raises FunctionNotFound."""
        try:
            path = str(paths.parse(call.path))
        except InvalidPath:
            raise FunctionNotFound(call.path) from None
        endpoint = self.app.endpoints.get(path)
        if endpoint is None or not (endpoint.public or call.admin):
            raise FunctionNotFound(call.path)
        return endpoint

    def find(self, call: Call, kind: str) -> Endpoint:
        """Raises FunctionNotFound or WrongKind."""
        endpoint = self.reachable(call)
        if endpoint.kind != kind:
            raise WrongKind(call.path, kind, endpoint.kind)
        return endpoint

    def kind_of(self, call: Call) -> FunctionKind:
        """Raises FunctionNotFound."""
        return self.reachable(call).kind

    def refuse_action(self, path: str, admin: bool) -> FunctionFailure:
        """What a client is told that asks for an action: there are none, or it is something else."""
        try:
            self.find(Call(path, None, admin), "action")
        except FunctionError as error:
            failure = failure_of(error, self.app.bundle.folder)
            return FunctionFailure(failure.message(self.fresh_request_id()), None, ())
        raise AssertionError("no function is an action")

    def encode(self, endpoint: Endpoint, result: object, attempt: Attempt) -> bytes:
        """Raises ReturnsValidationError."""
        assert attempt.transaction is not None
        try:
            return encode_result(result, attempt.transaction.handed_out)
        except InvalidValue as error:
            raise ReturnsValidationError(endpoint.path, str(error)) from None

    def fresh_request_id(self) -> str:
        """For a request without a session: unpredictable, as nothing can tell it from others."""
        return self.env.entropy(REQUEST_ID_BYTES).hex()

    def clock(self) -> int:
        """What the function sees: past the newest commit and all that it created."""
        return max(self.env.clock_ns(), self.runtime.tail.head_ts + CLOCK_STEP_NS)
