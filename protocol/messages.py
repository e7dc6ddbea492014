"""Every message of the Convex sync protocol, as frozen values.

    client ──> server                        server ──> client
    Connect, Authenticate                    Transition (QueryUpdated, QueryFailed, QueryRemoved)
    ModifyQuerySet (Add, Remove)             MutationResponse, ActionResponse
    Mutation, Action, Event                  TransitionChunk, Ping, AuthError, FatalError

Arguments from a client stay plain parsed JSON and paths stay text: a bad argument or a bad path is the
failure of that one function call, never of the socket.  Values for a client are bytes of Convex JSON,
encoded once. ``wire`` and ``client_wire`` say how each is written.
"""

from __future__ import annotations

from attrs import frozen

from .results import ActionSuccess, FunctionFailure, MutationSuccess

VERSION_MAX = 2**32 - 1
"""Of ``query_set``, ``identity``, query ids and request ids."""


@frozen
class StateVersion:
    """Where a client's view stands: its query set, its identity, and the time of all of its results."""

    query_set: int
    identity: int
    ts: int
    """Nanoseconds since the Unix epoch."""


INITIAL_VERSION = StateVersion(query_set=0, identity=0, ts=0)
"""Where both ends of a new socket begin."""


# From the client.


@frozen
class Connect:
    """Who is at the other end; usually, but not always, the first message of a socket."""

    session_id: bytes
    """16 bytes of a UUID; with a request id it makes a mutation that is sent again harmless."""
    connection_count: int
    last_close_reason: str | None
    max_observed: int | None
    """Latest timestamp the client has seen on any socket, in nanoseconds."""
    client_ts: int | None
    """The client's clock in milliseconds; 0 from clients that have none to offer."""


@frozen
class Add:
    """Watch a query."""

    query_id: int
    path: str
    args: list[object]
    component_path: str
    """Empty for the root."""
    journal: str | None
    """From the query's last result on an earlier socket."""


@frozen
class Remove:
    """Stop watching a query."""

    query_id: int


@frozen
class ModifyQuerySet:
    """Change what is watched; with no modifications it only moves the version."""

    base_version: int
    new_version: int
    modifications: tuple[Add | Remove, ...]


@frozen
class Mutation:
    """Run a mutation, after every earlier mutation of this socket."""

    request_id: int
    path: str
    args: list[object]
    component_path: str


@frozen
class Action:
    """Run an action, now."""

    request_id: int
    path: str
    args: list[object]
    component_path: str


@frozen
class UserToken:
    """A JWT of an identity provider."""

    jwt: str


@frozen
class AdminToken:
    """The deployment's key, perhaps to act as a user."""

    key: str
    acting_as: dict[str, object] | None
    """Attributes of that user's identity, as plain JSON."""


@frozen
class NoToken:
    """Nobody: the client signed out."""


Token = UserToken | AdminToken | NoToken


@frozen
class Authenticate:
    """Be someone else from here on."""

    base_version: int
    token: Token


@frozen
class Event:
    """The client's own metrics.  Never answered."""

    kind: str
    event: object


ClientMessage = Connect | ModifyQuerySet | Mutation | Action | Authenticate | Event


# From the server.


@frozen
class QueryUpdated:
    query_id: int
    value: bytes
    log_lines: tuple[str, ...]
    journal: str | None


@frozen
class QueryFailed:
    query_id: int
    message: str
    error_data: bytes | None
    """None leaves the key out: an ordinary error."""
    log_lines: tuple[str, ...]
    journal: str | None


@frozen
class QueryRemoved:
    query_id: int


Modification = QueryUpdated | QueryFailed | QueryRemoved


@frozen
class Transition:
    """All watched queries, as of one moment.  A query that is not listed has not changed."""

    start_version: StateVersion
    end_version: StateVersion
    modifications: tuple[Modification, ...]
    clock_skew_ms: int | None
    """The client's clock minus ours when it connected; None leaves the key out."""
    server_ts: int | None
    """When this was sent, in nanoseconds; None leaves the key out."""


@frozen
class TransitionChunk:
    """A piece of the text of one large Transition."""

    chunk: str
    part: int
    """From 0."""
    parts: int
    transition_id: str


@frozen
class MutationResponse:
    request_id: int
    outcome: MutationSuccess | FunctionFailure


@frozen
class ActionResponse:
    request_id: int
    outcome: ActionSuccess | FunctionFailure


@frozen
class AuthError:
    """A token was refused, or has expired.  The socket closes after it."""

    error: str
    base_version: int
    """Identity version of the last Transition that was sent."""
    update_attempted: bool
    """Whether an Authenticate was refused; False when the token in use has expired."""


@frozen
class FatalError:
    """The client broke the protocol.  JavaScript clients never connect again after it."""

    error: str


@frozen
class Ping:
    """Keeps a quiet socket alive: JavaScript clients do not see the pings of WebSocket itself."""


ServerMessage = Transition | TransitionChunk | MutationResponse | ActionResponse | AuthError | FatalError | Ping
