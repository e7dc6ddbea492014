"""One client: what it said, what it watches, what it is owed.  No I/O; a shell moves the bytes.

    text ──> ServerSession ──> mutate, watch ──> messages ──> release gate ──> ready to be written

Invariants
    * Messages become ready in the order in which they were made, each when what it reflects is
      durable.
    * At most `TRANSITIONS_QUEUED_MAX` transitions wait; later changes are merged into the next.
    * A response is made before any transition that shows its commit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import assert_never

from attrs import Factory, define, evolve, field, frozen

from ...actors.errors import WritesRefused
from ...log.entry import BEFORE_FIRST, LSN, Timestamp
from ...protocol.chunks import transition_texts
from ...protocol.close import ErrorClass, Refused
from ...protocol.errors import ReliveError
from ...protocol.limits import TRANSITIONS_QUEUED_MAX
from ...protocol.messages import AdminToken, AuthError, NoToken, Token, UserToken
from ...protocol.requests import (
    Authenticated,
    Connected,
    Request,
    RunAction,
    RunMutation,
    Subscribe,
    Unsubscribe,
)
from ...protocol.results import QueryResult
from ...protocol.server_session import ServerSession
from ...protocol.wire import decode_client, encode_server
from ..actions.job import ActionOutcome
from ..admin_key import NO_POWERS, Keys, Power
from ..authentication.authenticator import Accepted, Authenticator, Fetch
from ..authentication.errors import KeysUnavailable, TokenRejected
from ..authentication.identity import Identity, acting_as
from ..authentication.tokens import SLACK_S
from ..database import Database
from ..execution.calls import Call, path_of
from ..execution.calls import Request as MutationRequest
from ..execution.live_queries import AsksWho, LiveQueries, QueryKey
from ..execution.system_functions import power_for
from ..limits import QUERY_ARGS_BYTES_MAX
from .access import WRONG_KEY
from .sessions import Sessions

Watcher = tuple["Connection", int]
"""A connection and its query id."""


@define(eq=False)
class Outgoing:
    """Messages on their way out; behind the release gate until what they reflect is durable."""

    connection: Connection
    texts: list[bytes]
    transitions: int
    """How many of them are transitions, however many pieces those are in."""

    @property
    def size(self) -> int:
        return sum(map(len, self.texts))

    def release(self) -> None:
        self.connection.ready.append(self)
        self.connection.held -= 1

    def wake(self) -> None:
        self.connection.wake()

    def drop(self, problem: str) -> None:
        # The client never hears of it; when it comes back it asks again.
        self.connection.database.env.probe("what was not written is never said")
        self.connection.held -= 1
        self.connection.unsent_bytes -= self.size
        self.connection.fail(Refused(ErrorClass.OVERLOADED, "DiskFull", problem))
        # It may be ending already, and wait for just this.
        self.connection.wake()


@frozen
class Unsettled:
    """A token, and what to fetch."""

    jwt: str = field(repr=False)
    url: str


@define(eq=False)
class Connection:
    session: ServerSession
    database: Database
    live: LiveQueries[Watcher]
    admin_keys: Keys
    authenticator: Authenticator
    schedule: Callable[[Connection], None]
    """Ask for `advance` to be called."""
    wake: Callable[[], None]
    """Something is ready, or the connection failed."""
    sessions: Sessions | None = None
    """Told of the client's session; None where nobody is."""
    session_name: str | None = None
    """Under which `sessions` knows it; None until it has begun."""
    admin: bool = False
    key: str | None = field(default=None, repr=False)
    """The admin key, if the client has come with one."""
    powers: frozenset[Power] = NO_POWERS
    """What the key opened when it was last looked at."""
    identity: Identity | None = None
    """Whom the client's token, or the admin key, has proved it to be."""
    expires_s: float | None = None
    """When the client's token ends to be valid, in seconds since the epoch."""
    unsettled: Unsettled | None = None
    """A token that can be judged once something was fetched.  No message is to be received before `settle`."""
    keys: dict[int, QueryKey] = Factory(dict[int, QueryKey])
    args_bytes: int = 0
    """Of all of them."""
    stale: dict[int, None] = Factory(dict[int, None])
    """Queries whose result the client may not have."""
    pending: list[bytes] = Factory(list[bytes])
    """Made while the current message is acted on; see `flush`."""
    pending_transitions: int = 0
    ready: deque[Outgoing] = Factory(deque[Outgoing])
    held: int = 0
    """Messages behind the release gate."""
    unsent_bytes: int = 0
    """Of all messages, held or ready."""
    transitions_queued: int = 0
    scheduled: bool = False
    last_lsn: LSN = BEFORE_FIRST
    """The newest entry that any message so far reflects."""
    failure: Exception | None = None
    """Why the connection must end."""
    rejected: AuthError | None = None
    """What to send before it ends."""

    def receive(self, text: str | bytes, now_ms: int) -> None:
        """Act on one message.  Raises ProtocolError or Refused: the connection must end."""
        assert self.unsettled is None, "a token is settled before the next message is looked at"
        self.check_credentials(now_ms / 1_000)
        if self.database.env.buggify("a client is sent away"):
            raise Refused(ErrorClass.OVERLOADED, "Busy", "a simulation sends the client away")
        requests = tuple(self.session.receive(decode_client(text), now_ms))
        # A client says who it is directly after Connect, if it says it.
        if not any(isinstance(request, (Connected, Authenticated)) for request in requests):
            self.begin_session()
        for request in requests:
            self.act(request)
        self.follow_up()

    def begin_session(self) -> None:
        """Once it is known whose it is, or that nobody will say; before anything else is done for the client."""
        if self.sessions is not None and self.session_name is None and self.session.session_id is not None:
            self.session_name = self.sessions.opened(self.session.session_id, self.identity)

    def follow_up(self) -> None:
        """Say what follows from what was acted upon."""
        if self.session.needs_transition:
            if self.keys:
                self.schedule(self)
            else:
                # Nothing to evaluate: the transition goes out together with the response.
                self.move_to_head()
        self.flush()

    def act(self, request: Request) -> None:
        match request:
            case RunMutation():
                self.mutate(request)
            case Subscribe(query_id, path, args, component_path, journal):
                name = path_of(component_path, path)
                call = Call(name, args, self.is_admin_for(name), journal, identity=self.identity)
                self.keys[query_id] = self.live.watch(call, (self, query_id))
                self.stale[query_id] = None
                self.args_bytes += len(self.keys[query_id].args)
                if self.args_bytes > QUERY_ARGS_BYTES_MAX:
                    problem = f"the queries of one client have {QUERY_ARGS_BYTES_MAX:,} bytes of arguments at most"
                    raise Refused(ErrorClass.RATE_LIMITED, "TooManyQueries", problem)
            case Unsubscribe(query_id):
                key = self.keys.pop(query_id)
                self.args_bytes -= len(key.args)
                self.live.unwatch(key, (self, query_id))
                self.stale.pop(query_id, None)
            case RunAction(request_id, path, args, component_path):
                name = path_of(component_path, path)
                self.run_action(request_id, Call(name, args, self.is_admin_for(name), identity=self.identity))
            case Connected(_, _, _, max_observed):
                self.connected(max_observed)
            case Authenticated(token):
                self.authenticate(token)
            case _:
                assert_never(request)

    def mutate(self, request: RunMutation) -> None:
        name = path_of(request.component_path, request.path)
        call = Call(name, request.args, self.is_admin_for(name), identity=self.identity)
        cause = MutationRequest("client", self.session.session_id, request.request_id)
        try:
            done = self.database.executor.mutate(call, cause)
        except WritesRefused as error:
            # A socket has only the answer to the call, and must not end: reads go on.
            done = self.database.executor.unwritten(call, cause, error)
        response = self.session.answer_mutation(request.request_id, done.outcome)
        self.send(done.lsn, encode_server(response))

    def run_action(self, request_id: int, call: Call) -> None:
        request = MutationRequest("client", self.session.session_id, request_id)
        job = self.database.actions.start(call, request)
        if job.outcome is not None:
            self.answer_action(request_id, job.outcome)
        else:
            job.told.append(partial(self.action_done, request_id))

    def action_done(self, request_id: int, outcome: ActionOutcome) -> None:
        if self.failure is None:  # Otherwise nobody is there to be told.
            self.answer_action(request_id, outcome)
            self.follow_up()

    def answer_action(self, request_id: int, outcome: ActionOutcome) -> None:
        # What it says is durable already: an action sees nothing else.
        self.send(self.last_lsn, encode_server(self.session.answer_action(request_id, outcome)))

    def connected(self, max_observed: int | None) -> None:
        tail = self.database.runtime.tail
        if max_observed is None or max_observed <= tail.head_ts:
            return
        self.database.env.probe("a client has seen a later time than the log has")
        # Of a write that the disk refused, or of another log that was here before.  Only now, not at the
        # start: if the clock is set back later, nobody was told a time that no entry has.
        tail.skip_to(Timestamp(self.database.env.clock_ns()))
        if max_observed > tail.head_ts:
            problem = f"the client has seen {max_observed}, which is later than our clock and our newest entry"
            raise Refused(ErrorClass.OPERATIONAL, "InternalServerError", problem)

    def authenticate(self, token: Token) -> None:
        match token:
            case NoToken():
                self.become(None)
            case AdminToken(key, attributes) if "run" in self.powers_of(key):
                try:
                    self.become(acting_as(attributes) if attributes is not None else None, with_key=key)
                except TokenRejected as error:
                    self.reject(error.problem)
            case AdminToken():
                self.reject(WRONG_KEY)
            case UserToken(jwt):
                self.judge(jwt)
            case _:
                assert_never(token)

    def judge(self, jwt: str) -> None:
        """Let in whom the token proves; or say what to fetch before that can be said."""
        try:
            answer = self.authenticator.authenticate(jwt)
        except TokenRejected as error:
            self.reject(error.problem)
        except KeysUnavailable as error:
            raise Refused(ErrorClass.OPERATIONAL, "AuthProviderUnavailable", str(error)) from None
        else:
            match answer:
                case Fetch(url):
                    self.unsettled = Unsettled(jwt, url)
                case Accepted(identity, expires_s):
                    self.become(identity, expires_s=expires_s)

    def settle(self) -> None:
        """What the token needed was fetched, or could not be.  Raises Refused: the connection must end."""
        assert self.unsettled is not None, "no token was waiting"
        jwt, self.unsettled = self.unsettled.jwt, None
        self.judge(jwt)
        if self.unsettled is None:
            self.follow_up()

    def become(self, identity: Identity | None, *, with_key: str | None = None, expires_s: float | None = None) -> None:
        """Another identity: every query that looks at it runs again."""
        self.session.authenticated()
        self.expires_s, self.key, admin = expires_s, with_key, with_key is not None
        powers = self.powers_of(with_key) if with_key is not None else NO_POWERS
        if (identity, admin, powers) == (self.identity, self.admin, self.powers):
            return
        self.identity, self.admin, self.powers = identity, admin, powers
        for query_id, key in self.keys.items():
            self.rewatch(query_id, key.journal)
            self.stale[query_id] = None

    def check_credentials(self, now_s: float) -> None:
        """Raises Refused if the client's token, or its admin key, is not valid any more."""
        if self.key is not None:
            self.powers = self.powers_of(self.key)
            if "run" not in self.powers:
                self.rejected = self.session.auth_expired(WRONG_KEY)
                raise Refused(ErrorClass.UNAUTHENTICATED, "Unauthenticated", WRONG_KEY)
        if self.expires_s is not None and now_s > self.expires_s + SLACK_S:
            problem = f"the token expired {now_s - self.expires_s:.0f} s ago"
            self.rejected = self.session.auth_expired(problem)
            raise Refused(ErrorClass.UNAUTHENTICATED, "Unauthenticated", problem)

    def is_admin_for(self, path: str) -> bool:
        """Whether the client may call that function even if it is internal."""
        return self.admin and power_for(path) in (None, *self.powers)

    def powers_of(self, key: str) -> frozenset[Power]:
        """What it opens now.  Raises Refused if that cannot be said."""
        try:
            return self.admin_keys.powers(key)
        except (OSError, ReliveError) as error:
            raise Refused(ErrorClass.OPERATIONAL, "AdminKeysUnavailable", "the admin keys cannot be read") from error

    def rewatch(self, query_id: int, journal: str | None) -> None:
        """Watch a query as who the client is now, with the pages that it has now."""
        watcher, call = (self, query_id), self.keys[query_id].call
        self.live.unwatch(self.keys[query_id], watcher)
        mine = evolve(
            call, admin=self.is_admin_for(call.path), identity=self.identity, everybody=False, journal=journal
        )
        self.keys[query_id] = self.live.watch(mine, watcher)

    def result(self, query_id: int) -> QueryResult:
        """The result as of the newest commit; pages end where they ended the last time."""
        journal = self.session.queries[query_id].journal
        if journal != self.keys[query_id].journal:
            self.rewatch(query_id, journal)
        try:
            return self.live.result(self.keys[query_id])
        except AsksWho:
            self.rewatch(query_id, journal)
            return self.live.result(self.keys[query_id])

    def reject(self, problem: str) -> None:
        self.rejected = self.session.auth_rejected(problem)
        raise Refused(ErrorClass.TOKEN_REJECTED, "Unauthenticated", problem)

    def advance(self) -> None:
        """Move the client to the newest commit, if it has room for another transition.

        The live queries must have followed the log to its head.
        """
        self.move_to_head()
        self.flush()

    def move_to_head(self) -> None:
        if self.failure is not None or self.transitions_queued >= self.transitions_max():
            self.database.env.probe("a client has no room for a transition")
            return  # `written` schedules it again.
        results = {query_id: self.result(query_id) for query_id in self.stale}
        self.stale.clear()
        queries = self.session.queries
        news = any(queries[query_id].digest != result.digest for query_id, result in results.items())
        if not news and not self.session.needs_transition:
            return
        tail = self.database.runtime.tail
        transition = self.session.transition(tail.head_ts, results, self.database.env.clock_ns())
        self.transitions_queued += 1
        self.pending_transitions += 1
        self.send(tail.head, *transition_texts(encode_server(transition), self.session.client))

    def transitions_max(self) -> int:
        return 1 if self.database.env.buggify("one transition at a time") else TRANSITIONS_QUEUED_MAX

    def send(self, lsn: LSN, *texts: bytes) -> None:
        """Say this with the next `flush`; it reflects the log up to ``lsn``."""
        # Never before what was made earlier, though that may reflect a later entry.
        self.last_lsn = max(self.last_lsn, lsn)
        self.pending += texts

    def flush(self) -> None:
        """Put what is pending behind the release gate, as one."""
        if self.pending:
            outgoing = Outgoing(self, self.pending, self.pending_transitions)
            self.pending, self.pending_transitions = [], 0
            self.held += 1
            self.unsent_bytes += outgoing.size
            self.database.runtime.hold(self.last_lsn, outgoing)

    def written(self, transitions: int) -> None:
        """So many transitions have been written: there is room for others."""
        self.transitions_queued -= transitions
        assert self.transitions_queued >= 0
        if self.stale or self.session.needs_transition:
            self.schedule(self)

    def fail(self, error: Exception) -> None:
        if self.failure is None:
            # Where it was raised holds what the client has sent, and would hold it as long as the connection.
            error.__cause__ = error.__context__ = None
            self.failure = error.with_traceback(None)
            self.wake()

    def close(self) -> None:
        """The client is gone: watch nothing for it any more."""
        if self.failure is None:
            self.failure = Refused(ErrorClass.CLIENT_DISCONNECT, "Closed", "the connection is closed")
        if self.sessions is not None and self.session_name is not None:
            self.sessions.closed(self.session_name)
            self.session_name = None
        for query_id, key in self.keys.items():
            self.live.unwatch(key, (self, query_id))
        self.keys.clear()
        self.stale.clear()
        self.session.queries.clear()
        self.wake = asleep  # It holds what holds us, and together they would wait for the garbage collector.


def asleep() -> None:
    """Nobody is there to be woken."""
