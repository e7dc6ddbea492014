"""The client's half of a connection: what the official JavaScript client does, without its socket.

    subscribe, mutate, act, authenticate ──> outgoing ──> encode_client ──> the socket
    the socket ──> decode_server ──> receive ──> facts for the application

It lives longer than a socket.  ``opened`` says everything again that the server has to know, under the same
session id: all live queries, and each mutation that is not known to be visible.

Invariants
    * A Transition is taken only if it starts where the one before it ended.
    * A successful mutation is done at the first Transition at or after its timestamp, not when it is
      answered: from then on the results shown include what it wrote.
    * Results shown are all of one moment, and stay while there is no socket.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from attrs import Factory, define, field, frozen

from .chunks import Assembler
from .client_wire import decode_server
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
    FatalError,
    ModifyQuerySet,
    Mutation,
    MutationResponse,
    NoToken,
    Ping,
    QueryFailed,
    QueryRemoved,
    QueryUpdated,
    Remove,
    ServerMessage,
    StateVersion,
    Token,
    Transition,
    TransitionChunk,
)
from .results import ActionSuccess, FunctionFailure, MutationSuccess

INITIAL_CONNECT = "InitialConnect"
ACTION_LOST = "Connection lost while action was in flight"


@frozen
class Changed:
    """Results of these queries changed, all at once; ``results`` holds them."""

    ts: int
    query_ids: tuple[int, ...]


@frozen
class MutationDone:
    """A mutation failed, or succeeded and is visible in ``results``."""

    request_id: int
    outcome: MutationSuccess | FunctionFailure


@frozen
class ActionDone:
    request_id: int
    outcome: ActionSuccess | FunctionFailure


@frozen
class IdentityConfirmed:
    """Results from here on are those of the token given last."""


@frozen
class IdentityRefused:
    """The token given last was refused, or has expired.  Give another; the socket closes."""

    error: str
    update_attempted: bool


@frozen
class Terminated:
    """The server says that we broke the protocol.  Do not connect again."""

    error: str


Fact = Changed | MutationDone | ActionDone | IdentityConfirmed | IdentityRefused | Terminated


@define
class LiveQuery:
    """A query that the application watches."""

    path: str
    args: list[object]
    component_path: str
    journal: str | None = None
    """From its last result; the server wants it back on the next socket."""

    def add(self, query_id: int) -> Add:
        return Add(query_id, self.path, self.args, self.component_path, self.journal)


@define
class Unresolved:
    """A request whose outcome the application does not know yet."""

    message: Mutation | Action
    sent: bool = False
    """Whether it went out on any socket."""
    success: MutationSuccess | None = None
    """Answered, and waiting for the Transition that shows it."""


@define(eq=False)
class ClientSession:
    """See the module.  After ``receive`` has raised, close the socket and call ``lost``."""

    session_id: bytes
    """16 bytes, the same for the life of the client."""
    queries: dict[int, LiveQuery] = Factory(dict[int, LiveQuery])
    results: dict[int, QueryUpdated | QueryFailed] = Factory(dict[int, QueryUpdated | QueryFailed])
    """What to show, by query id."""
    unresolved: dict[int, Unresolved] = Factory(dict[int, Unresolved])
    """By request id, in the order of the requests."""
    unconfirmed: dict[int, int] = Factory(dict[int, int])
    """Query id to the query set version that added it on this socket; no result came on this socket."""
    version: StateVersion = INITIAL_VERSION
    connected: bool = False
    connection_count: int = 0
    max_observed: int | None = None
    """Latest timestamp seen, in nanoseconds."""
    token: Token = Factory(NoToken)
    query_set_version: int = 0
    identity_version: int = 0
    next_query_id: int = 0
    next_request_id: int = 0
    _outgoing: list[ClientMessage] = field(factory=list[ClientMessage], init=False)
    _in_flight: dict[int, type[Mutation | Action]] = field(factory=dict[int, type[Mutation | Action]], init=False)
    """Requests sent on this socket and not answered on it."""
    _chunks: Assembler = field(factory=Assembler, init=False)

    # What the application does.

    def subscribe(self, path: str, args: dict[str, object], component_path: str = "") -> int:
        """Watch a query and return its id.  ``args`` is plain JSON of Convex values."""
        query_id = self.next_query_id
        self.next_query_id += 1
        self.queries[query_id] = LiveQuery(path, [args], component_path)
        if self.connected:
            self._modify(self.queries[query_id].add(query_id))
        return query_id

    def unsubscribe(self, query_id: int) -> None:
        """Stop watching a query.  Raises KeyError if it is not watched."""
        del self.queries[query_id]
        self.results.pop(query_id, None)
        if self.connected:
            self._modify(Remove(query_id))

    def mutate(self, path: str, args: dict[str, object], component_path: str = "") -> int:
        """Ask for a mutation and return its request id."""
        return self._request(Mutation(self.next_request_id, path, [args], component_path))

    def act(self, path: str, args: dict[str, object], component_path: str = "") -> int:
        """Ask for an action and return its request id."""
        return self._request(Action(self.next_request_id, path, [args], component_path))

    def authenticate(self, token: Token) -> None:
        """Be someone else; ``NoToken`` is nobody."""
        self.token = token
        if self.connected:
            self._authenticate()

    def outgoing(self) -> tuple[ClientMessage, ...]:
        """The messages to send now, in this order.  Each is given once."""
        messages = tuple(self._outgoing)
        self._outgoing.clear()
        return messages

    def _modify(self, modification: Add | Remove) -> None:
        base = self.query_set_version
        self.query_set_version += 1
        if isinstance(modification, Add):
            self.unconfirmed[modification.query_id] = self.query_set_version
        else:
            self.unconfirmed.pop(modification.query_id, None)
        self._outgoing.append(ModifyQuerySet(base, self.query_set_version, (modification,)))

    def _request(self, message: Mutation | Action) -> int:
        self.next_request_id += 1
        self.unresolved[message.request_id] = Unresolved(message)
        if self.connected:
            self._send(self.unresolved[message.request_id])
        return message.request_id

    def _send(self, request: Unresolved) -> None:
        request.sent = True
        self._in_flight[request.message.request_id] = type(request.message)
        self._outgoing.append(request.message)

    def _authenticate(self) -> None:
        self._outgoing.append(Authenticate(self.identity_version, self.token))
        self.identity_version += 1

    # What the socket does.

    def opened(self, last_close_reason: str | None = INITIAL_CONNECT, client_ts: int | None = None) -> None:
        """A socket is open.  ``client_ts`` is our clock in milliseconds, if it may be told."""
        assert not self.connected, "one socket at a time"
        self.connected = True
        self.version = INITIAL_VERSION
        self.identity_version = 0
        self._outgoing.append(
            Connect(self.session_id, self.connection_count, last_close_reason, self.max_observed, client_ts)
        )
        if not isinstance(self.token, NoToken):
            self._authenticate()
        self.query_set_version = 1
        self.unconfirmed = dict.fromkeys(self.queries, 1)
        additions = tuple(query.add(query_id) for query_id, query in self.queries.items())
        self._outgoing.append(ModifyQuerySet(0, 1, additions))
        for request in self.unresolved.values():
            # Answered ones too: their Transition may be lost, and only the server knows its clock.
            self._send(request)

    def lost(self) -> tuple[Fact, ...]:
        """The socket is gone.  Actions that may have run are given up: nobody can tell whether they did."""
        assert self.connected, "there is no socket"
        self.connected = False
        self.connection_count += 1
        self._outgoing.clear()
        self._in_flight.clear()
        self._chunks = Assembler()
        given_up = [
            request_id
            for request_id, request in self.unresolved.items()
            if request.sent and isinstance(request.message, Action)
        ]
        for request_id in given_up:
            del self.unresolved[request_id]
        return tuple(ActionDone(each, FunctionFailure(ACTION_LOST, None, ())) for each in given_up)

    def receive(self, message: ServerMessage) -> tuple[Fact, ...]:
        """What a message means for the application.

        Raises ProtocolError if the server must not say this now.
        """
        assert self.connected, "there is no socket"
        if not isinstance(message, TransitionChunk | Ping):
            self._chunks.interrupted()
        match message:
            case Transition():
                return tuple(self._transition(message))
            case TransitionChunk():
                return self._chunk(message)
            case MutationResponse():
                return self._mutation_response(message)
            case ActionResponse():
                self._answered(message.request_id, Action)
                del self.unresolved[message.request_id]
                return (ActionDone(message.request_id, message.outcome),)
            case AuthError():
                return self._auth_error(message)
            case FatalError(error):
                return (Terminated(error),)
            case Ping():
                return ()
            case _:
                assert_never(message)

    def _transition(self, message: Transition) -> Iterator[Fact]:
        end = message.end_version
        self._check_versions(message.start_version, end)
        identity_before = self.version.identity
        self.version = end
        self._observed(end.ts)
        changed: list[int] = []
        for modification in message.modifications:
            query = self.queries.get(modification.query_id)
            if isinstance(modification, QueryRemoved) or query is None:
                continue  # Not watched any more: the application has dropped its result already.
            query.journal = modification.journal
            self.results[modification.query_id] = modification
            self.unconfirmed.pop(modification.query_id, None)
            changed.append(modification.query_id)
        if identity_before < end.identity == self.identity_version:
            yield IdentityConfirmed()
        if changed:
            yield Changed(end.ts, tuple(changed))
        for request_id, request in tuple(self.unresolved.items()):
            if request.success is not None and request.success.ts <= end.ts:
                del self.unresolved[request_id]
                yield MutationDone(request_id, request.success)

    def _check_versions(self, start: StateVersion, end: StateVersion) -> None:
        if start != self.version:
            raise ProtocolError("BaseVersionMismatch", f"a Transition from {start} came at {self.version}")
        if end.query_set < start.query_set or end.identity < start.identity or end.ts < start.ts:
            raise ProtocolError("VersionNotIncreasing", f"a Transition goes back from {start} to {end}")
        if end.query_set > self.query_set_version or end.identity > self.identity_version:
            raise ProtocolError("UnknownVersion", f"a Transition to {end}, which was never asked for")

    def _observed(self, ts: int) -> None:
        self.max_observed = ts if self.max_observed is None else max(self.max_observed, ts)

    def _chunk(self, message: TransitionChunk) -> tuple[Fact, ...]:
        text = self._chunks.add(message)
        if text is None:
            return ()
        whole = decode_server(text)
        if not isinstance(whole, Transition):
            raise ProtocolError("NotATransition", f"pieces made a {type(whole).__name__}")
        return tuple(self._transition(whole))

    def _mutation_response(self, message: MutationResponse) -> tuple[Fact, ...]:
        self._answered(message.request_id, Mutation)
        request = self.unresolved.get(message.request_id)
        if isinstance(message.outcome, MutationSuccess):
            self._observed(message.outcome.ts)
        if request is None or request.success is not None:
            return ()  # It was answered on an earlier socket, and that answer counts.
        if isinstance(message.outcome, MutationSuccess):
            request.success = message.outcome
            return ()
        del self.unresolved[message.request_id]
        return (MutationDone(message.request_id, message.outcome),)

    def _answered(self, request_id: int, kind: type[Mutation | Action]) -> None:
        if self._in_flight.pop(request_id, None) is not kind:
            raise ProtocolError("UnexpectedResponse", f"no {kind.__name__} {request_id} is waiting for an answer")

    def _auth_error(self, message: AuthError) -> tuple[Fact, ...]:
        stale = message.base_version + 1 < self.identity_version
        # A token that expired does not matter while its successor is being looked at.
        superseded = not message.update_attempted and self.version.identity < self.identity_version
        if stale or superseded:
            return ()
        return (IdentityRefused(message.error, message.update_attempted),)
