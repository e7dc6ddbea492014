"""The server's half of one socket: what is legal now, what has been said, what is owed.

    decode_client ──> receive ──> requests ──> the engine ──> answer_mutation, transition... ──> encode_server

Invariants
    * Each Transition starts at the version at which the one before it ended; the first starts from zero.
    * Every query added is in the next Transition, every query removed too; received versions run ahead of
      the sent ones, and one Transition may catch up with several of them.
    * A result that a client already has on this socket is not sent again; on a new socket nothing has been
      sent.
    * Each request is answered once, mutations in the order received; a Transition at or after its timestamp
      is owed from then on, for only that tells the client that it can see its own write.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import assert_never

from attrs import Factory, define, field

from . import limits
from .client_version import ClientVersion
from .close import ErrorClass, Refused
from .errors import ProtocolError
from .messages import (
    INITIAL_VERSION,
    Action,
    ActionResponse,
    Add,
    Authenticate,
    AuthError,
    ClientMessage,
    Connect,
    Event,
    Modification,
    ModifyQuerySet,
    Mutation,
    MutationResponse,
    QueryFailed,
    QueryRemoved,
    QueryUpdated,
    Remove,
    StateVersion,
    Transition,
)
from .requests import Authenticated, Connected, Request, RunAction, RunMutation, Subscribe, Unsubscribe
from .results import ActionSuccess, FunctionFailure, MutationSuccess, QueryFailure, QueryResult, QuerySuccess

QUERIES_MAX = 10_000
"""Live queries of one socket: ours, so that one client cannot keep everybody waiting for its transitions."""


@define
class Subscribed:
    """A query that the client watches."""

    path: str
    args: list[object]
    component_path: str
    journal: str | None
    """To run it with: the last result's, at first the client's."""
    digest: bytes | None = None
    """Of the result that the client has; None if it has none yet."""


@define(eq=False)
class ServerSession:
    """See the module.  Not to be used after it has raised: the socket has to close."""

    client: ClientVersion
    session_id: bytes | None = None
    """16 bytes, once Connect came; it may never come."""
    max_observed: int | None = None
    """Latest timestamp, in nanoseconds, that the client says it has seen."""
    queries: dict[int, Subscribed] = Factory(dict[int, Subscribed])
    version: StateVersion = INITIAL_VERSION
    """Where the last Transition sent ended."""
    query_set_received: int = 0
    identity_received: int = 0
    transition_owed: bool = False
    """Whether something was answered since the last Transition."""
    _unanswered: set[int] = field(factory=set[int], init=False)
    """Live queries without a result so far."""
    _removed: list[int] = field(factory=list[int], init=False)
    """Queries removed since the last Transition."""
    _mutations: deque[int] = field(factory=deque[int], init=False)
    """Request ids not answered yet, in the order received."""
    _actions: Counter[int] = field(factory=Counter[int], init=False)
    _actions_running: int = field(default=0, init=False)
    _authenticating: bool = field(default=False, init=False)
    _answered_ts: int = field(default=0, init=False)
    """Latest timestamp of a mutation that was answered."""
    _clock_skew_ms: int | None = field(default=None, init=False)
    _last_sent_s: float | None = field(default=None, init=False)

    @property
    def needs_transition(self) -> bool:
        """Whether the client waits for a Transition, changed results or not."""
        return (
            self.transition_owed
            or self.query_set_received != self.version.query_set
            or self.identity_received != self.version.identity
        )

    @property
    def unanswered(self) -> frozenset[int]:
        """Live queries that have to be among the results of the next Transition."""
        return frozenset(self._unanswered)

    @property
    def mutations_waiting(self) -> int:
        return len(self._mutations)

    def receive(self, message: ClientMessage, received_ms: int) -> tuple[Request, ...]:
        """What the engine has to do about a message.

        ``received_ms`` is our clock, in milliseconds since the epoch, when the message came.
        Raises ProtocolError if the message is illegal now, Refused if there are too many requests waiting.
        """
        assert not self._authenticating, "a token is settled before the next message is looked at"
        match message:
            case Mutation():
                return (self._run_mutation(message),)
            case ModifyQuerySet():
                return self._modify_query_set(message)
            case Action():
                return (self._run_action(message),)
            case Event():
                return ()
            case Authenticate():
                return (self._authenticate(message),)
            case Connect():
                return (self._connect(message, received_ms),)
            case _:
                assert_never(message)

    def _connect(self, message: Connect, received_ms: int) -> Connected:
        if self.session_id is not None:
            raise ProtocolError("AlreadyConnected", "Connect came twice on one socket")
        self.session_id = message.session_id
        self.max_observed = message.max_observed
        if message.client_ts:  # Clients without a clock send 0.
            self._clock_skew_ms = message.client_ts - received_ms
        return Connected(message.session_id, message.connection_count, message.last_close_reason, message.max_observed)

    def _modify_query_set(self, message: ModifyQuerySet) -> tuple[Request, ...]:
        if message.base_version != self.query_set_received:
            raise _base_version_mismatch("query set", message.base_version, self.query_set_received)
        if message.new_version <= message.base_version:
            problem = f"the query set cannot go from version {message.base_version} to {message.new_version}"
            raise ProtocolError("VersionNotIncreasing", problem)
        self.query_set_received = message.new_version
        requests: list[Request] = []
        for modification in message.modifications:
            if isinstance(modification, Remove):
                requests.append(self._remove(modification))
            else:
                requests.append(self._add(modification))
        return tuple(requests)

    def _add(self, add: Add) -> Subscribe:
        if add.query_id in self.queries:
            raise ProtocolError("DuplicateQueryId", f"query {add.query_id} was added while it was live")
        if len(self.queries) >= QUERIES_MAX:
            problem = f"one client can watch {QUERIES_MAX} queries"
            raise Refused(ErrorClass.RATE_LIMITED, "TooManyQueries", problem)
        self.queries[add.query_id] = Subscribed(add.path, add.args, add.component_path, add.journal)
        self._unanswered.add(add.query_id)
        return Subscribe(add.query_id, add.path, add.args, add.component_path, add.journal)

    def _remove(self, remove: Remove) -> Unsubscribe:
        if self.queries.pop(remove.query_id, None) is None:
            raise ProtocolError("UnknownQueryId", f"query {remove.query_id} was removed but is not live")
        if len(self._removed) >= QUERIES_MAX:
            problem = f"{QUERIES_MAX} queries were removed, and the client has read of none of them"
            raise Refused(ErrorClass.RATE_LIMITED, "TooManyQueries", problem)
        self._unanswered.discard(remove.query_id)
        self._removed.append(remove.query_id)
        return Unsubscribe(remove.query_id)

    def _run_mutation(self, message: Mutation) -> RunMutation:
        if len(self._mutations) >= limits.MUTATIONS_QUEUED_MAX:
            problem = f"one client can have {limits.MUTATIONS_QUEUED_MAX} mutations waiting"
            raise Refused(ErrorClass.RATE_LIMITED, "TooManyConcurrentMutations", problem)
        self._mutations.append(message.request_id)
        return RunMutation(message.request_id, message.path, message.args, message.component_path)

    def _run_action(self, message: Action) -> RunAction:
        if self._actions_running >= limits.ACTIONS_IN_FLIGHT_MAX:
            problem = f"one client can have {limits.ACTIONS_IN_FLIGHT_MAX} actions running"
            raise Refused(ErrorClass.RATE_LIMITED, "TooManyInflightActionsForSingleClient", problem)
        self._actions[message.request_id] += 1
        self._actions_running += 1
        return RunAction(message.request_id, message.path, message.args, message.component_path)

    def _authenticate(self, message: Authenticate) -> Authenticated:
        if message.base_version != self.identity_received:
            raise _base_version_mismatch("identity", message.base_version, self.identity_received)
        self._authenticating = True
        return Authenticated(message.token)

    def authenticated(self) -> None:
        """The token was accepted.  The next Transition tells the client so."""
        assert self._authenticating, "no token was waiting"
        self._authenticating = False
        self.identity_received += 1

    def auth_rejected(self, error: str) -> AuthError:
        """The token was refused: what to send before closing."""
        assert self._authenticating, "no token was waiting"
        # Not of the attempt: the client compares it with what it has seen confirmed.
        return AuthError(error, self.version.identity, update_attempted=True)

    def auth_expired(self, error: str) -> AuthError:
        """The token in use has expired: what to send before closing."""
        return AuthError(error, self.version.identity, update_attempted=False)

    def answer_mutation(self, request_id: int, outcome: MutationSuccess | FunctionFailure) -> MutationResponse:
        """The answer to the mutation that has waited longest."""
        assert self._mutations, f"mutation {request_id} was answered already, or never asked for"
        expected = self._mutations.popleft()
        assert request_id == expected, f"mutation {request_id} was answered before {expected}"
        if isinstance(outcome, MutationSuccess):
            self._answered_ts = max(self._answered_ts, outcome.ts)
        self.transition_owed = True
        return MutationResponse(request_id, outcome)

    def answer_action(self, request_id: int, outcome: ActionSuccess | FunctionFailure) -> ActionResponse:
        """The answer to an action; they may be answered in any order."""
        waiting = self._actions[request_id]
        assert waiting, f"action {request_id} was answered already, or never asked for"
        if waiting == 1:
            del self._actions[request_id]
        else:
            self._actions[request_id] = waiting - 1
        self._actions_running -= 1
        # Some clients hold an application error back until the next Transition.
        self.transition_owed = True
        return ActionResponse(request_id, outcome)

    def transition(self, ts: int, results: Mapping[int, QueryResult], server_ts: int | None = None) -> Transition:
        """Move every live query to ``ts``.

        ``results`` holds, by query id, results as of ``ts``: at least those of ``unanswered``, and of every
        query that has changed since the last Transition.  ``ts`` and ``server_ts`` are in nanoseconds.
        """
        assert ts >= self.version.ts, (ts, self.version.ts)
        assert ts >= self._answered_ts, "a client has been told of a commit that its queries do not show yet"
        assert self.max_observed is None or ts >= self.max_observed, (ts, self.max_observed)
        assert self._unanswered <= results.keys(), self._unanswered - results.keys()
        modifications: list[Modification] = [QueryRemoved(query_id) for query_id in self._removed]
        for query_id, result in results.items():
            query = self.queries[query_id]
            query.journal = result.journal
            if query.digest != result.digest:
                query.digest = result.digest
                modifications.append(_modification(query_id, result))
        start = self.version
        self.version = StateVersion(self.query_set_received, self.identity_received, ts)
        self._unanswered.clear()
        self._removed.clear()
        self.transition_owed = False
        # Clients compare the two, so one without the other says nothing.
        skew = None if server_ts is None else self._clock_skew_ms
        return Transition(start, self.version, tuple(modifications), skew, None if skew is None else server_ts)

    def sent(self, now_s: float) -> None:
        """A message went out, or the socket was opened.  ``now_s`` is any monotonic clock, in seconds."""
        self._last_sent_s = now_s

    def ping_due(self, now_s: float) -> bool:
        """Whether the client has not heard of us for so long that it needs a Ping."""
        return self._last_sent_s is None or now_s >= self._last_sent_s + limits.PING_AFTER_S

    def check(self) -> None:
        """Assert the invariants; for tests and simulations, after every step."""
        for query_id, query in self.queries.items():
            assert (query.digest is None) == (query_id in self._unanswered), query_id
        assert self._unanswered <= self.queries.keys()
        behind = self.query_set_received - self.version.query_set
        assert behind >= 0
        assert behind > 0 or not (self._unanswered or self._removed), "queries change with the version"
        assert self.identity_received >= self.version.identity
        assert len(self._mutations) <= limits.MUTATIONS_QUEUED_MAX
        assert self._actions_running == self._actions.total() <= limits.ACTIONS_IN_FLIGHT_MAX
        assert self.transition_owed or self.version.ts >= self._answered_ts


def _modification(query_id: int, result: QueryResult) -> Modification:
    match result:
        case QuerySuccess():
            return QueryUpdated(query_id, result.value, result.log_lines, result.journal)
        case QueryFailure():
            return QueryFailed(query_id, result.message, result.data, result.log_lines, result.journal)
        case _:
            assert_never(result)


def _base_version_mismatch(what: str, base: int, received: int) -> ProtocolError:
    problem = f"base version {base} of the {what} does not match the current version {received}"
    return ProtocolError("BaseVersionMismatch", problem)
