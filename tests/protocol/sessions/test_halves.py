"""Both halves of a connection, joined by encoded text with delays, cuts and reconnections, as a seed decides.

A toy server keeps every write with its time, so a model can say what any query gave at any moment.  After every
step the client's version is the server's, results shown are the model's at that version, and no mutation is
done twice, too early, or after having run twice.  At the end of each run everything comes to rest.  To see a
failure step by step, run its seed alone with fewer steps.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from random import Random

import pytest
from attrs import Factory, define
from relive.protocol import json
from relive.protocol.chunks import split
from relive.protocol.client_session import (
    ActionDone,
    ClientSession,
    Fact,
    IdentityRefused,
    MutationDone,
    Terminated,
)
from relive.protocol.client_version import UNKNOWN_VERSION
from relive.protocol.client_wire import decode_server, encode_client
from relive.protocol.messages import NoToken, Ping, QueryUpdated, ServerMessage, Token, UserToken
from relive.protocol.requests import Authenticated, RunAction, RunMutation
from relive.protocol.results import (
    ActionSuccess,
    FunctionFailure,
    MutationSuccess,
    QueryFailure,
    QueryResult,
    QuerySuccess,
)
from relive.protocol.server_session import ServerSession
from relive.protocol.wire import decode_client, encode_server

SESSION = bytes(16)
STEPS_TO_REST_MAX = 2000
BAD_TOKEN = UserToken("bad")
KEYS = "ab"
PATHS = ("kv:get", "kv:broken", "auth:me")
TOKENS: tuple[Token, ...] = (UserToken("ada"), UserToken("bob"), BAD_TOKEN, NoToken())
STEPS = 1000
SEEDS = 30
PIECE_BYTES = 200


@define
class Backend:
    """The database behind the sockets: a list of writes, and what was answered to whom."""

    now: int = 100
    writes: list[tuple[int, str, int]] = Factory(list[tuple[int, str, int]])
    successes: dict[int, MutationSuccess] = Factory(dict[int, MutationSuccess])
    executions: Counter[int] = Factory(Counter[int])

    def write(self, key: str, value: int) -> None:
        self.now += 1
        self.writes.append((self.now, key, value))

    def read(self, key: str, ts: int) -> int | None:
        return next((value for at, name, value in reversed(self.writes) if name == key and at <= ts), None)

    def mutate(self, request: RunMutation) -> MutationSuccess | FunctionFailure:
        (args,) = request.args
        assert isinstance(args, dict)
        if request.path == "kv:fail":
            return FunctionFailure("no", b"null" if args["value"] else None, ())
        if request.request_id in self.successes:
            return self.successes[request.request_id]
        self.executions[request.request_id] += 1
        self.write(args["key"], args["value"])
        success = MutationSuccess(b"%d.0" % args["value"], self.now, ("[LOG] 'set'",))
        self.successes[request.request_id] = success
        return success


@define(eq=False)
class Socket:
    """The server's end of one socket, and the text under way in both directions."""

    session: ServerSession
    up: deque[bytes] = Factory(deque[bytes])
    down: deque[bytes] = Factory(deque[bytes])
    mutations: deque[RunMutation] = Factory(deque[RunMutation])
    actions: list[RunAction] = Factory(list[RunAction])
    identities: list[Token] = Factory(lambda: [NoToken()])
    answered_ts: int = 0
    closing: bool = False

    def send(self, message: ServerMessage) -> None:
        self.down.append(encode_server(message))


class Halves:
    """A client, its network and a server; ``step`` does one thing that may happen now."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.backend = Backend()
        self.client = ClientSession(SESSION)
        self.socket: Socket | None = None
        self.asked: dict[int, str] = {}
        self.done: Counter[int] = Counter()
        self.seen: Counter[str] = Counter()
        """What happened, so that a run in which little happens is noticed."""

    def step(self) -> None:
        happenings = [(2, self.subscribe), (3, self.mutate), (2, self.act), (4, self.somebody_else_writes)]
        happenings += [(1, self.authenticate)]
        if self.client.queries:
            happenings += [(1, self.unsubscribe)]
        if self.socket is None:
            happenings += [(8, self.open)]
        else:
            happenings += [(1, self.cut)]
            happenings += self.happenings_on(self.socket)
        (happening,) = self.random.choices([what for _, what in happenings], [weight for weight, _ in happenings])
        happening()
        self.check()

    def happenings_on(self, socket: Socket) -> Iterator[tuple[int, Callable[[], None]]]:
        if socket.down:
            yield 60, self.client_receives
        if socket.closing:
            return
        yield 1, self.ping
        yield 8, self.transition
        if socket.up:
            yield 25, self.server_receives
        if socket.mutations:
            yield 8, self.run_mutation
            yield 1, self.run_mutation_and_lose_the_answer
        if socket.actions:
            yield 4, self.answer_action

    # The application.

    def subscribe(self) -> None:
        self.client.subscribe(self.random.choice(PATHS), {"key": self.random.choice(KEYS)})
        self.pump()

    def unsubscribe(self) -> None:
        self.client.unsubscribe(self.random.choice(sorted(self.client.queries)))
        self.pump()

    def mutate(self) -> None:
        path = self.random.choice(("kv:set", "kv:set", "kv:fail"))
        args: dict[str, object] = {"key": self.random.choice(KEYS), "value": self.random.randrange(4)}
        self.asked[self.client.mutate(path, args)] = path
        self.pump()

    def act(self) -> None:
        path = self.random.choice(("net:fetch", "net:fail"))
        self.asked[self.client.act(path, {})] = path
        self.pump()

    def authenticate(self) -> None:
        self.client.authenticate(self.random.choice(TOKENS))
        self.pump()

    def pump(self) -> None:
        for message in self.client.outgoing():
            assert self.socket is not None
            self.socket.up.append(encode_client(message))

    # The network.

    def open(self) -> None:
        self.socket = Socket(ServerSession(UNKNOWN_VERSION))
        self.client.opened("InternalServerError", client_ts=0)
        self.pump()

    def cut(self) -> None:
        self.socket = None
        self.facts(self.client.lost())

    def server_receives(self) -> None:
        assert self.socket is not None
        session = self.socket.session
        for request in session.receive(decode_client(self.socket.up.popleft()), received_ms=0):
            match request:
                case RunMutation():
                    self.socket.mutations.append(request)
                case RunAction():
                    self.socket.actions.append(request)
                case Authenticated(token) if token == BAD_TOKEN:
                    self.socket.send(session.auth_rejected("bad token"))
                    self.socket.closing = True
                case Authenticated(token):
                    self.socket.identities.append(token)
                    session.authenticated()
                case _:
                    pass

    def client_receives(self) -> None:
        assert self.socket is not None
        self.facts(self.client.receive(decode_server(self.socket.down.popleft())))
        if self.socket.closing and not self.socket.down:
            self.cut()

    def facts(self, facts: tuple[Fact, ...]) -> None:
        for fact in facts:
            self.seen[type(fact).__name__] += 1
            match fact:
                case MutationDone(request_id, outcome):
                    self.done[request_id] += 1
                    if isinstance(outcome, MutationSuccess):
                        assert outcome == self.backend.successes[request_id]
                        assert self.client.version.ts >= outcome.ts
                    else:
                        assert self.asked[request_id] == "kv:fail"
                case ActionDone(request_id):
                    self.done[request_id] += 1
                case IdentityRefused():
                    self.client.token = NoToken()
                case Terminated(error):
                    raise AssertionError(error)
                case _:
                    pass

    # The server.

    def run_mutation(self) -> None:
        assert self.socket is not None
        assert self.socket.session.session_id == SESSION
        request = self.socket.mutations.popleft()
        self.seen["resent"] += request.request_id in self.backend.successes
        outcome = self.backend.mutate(request)
        if isinstance(outcome, MutationSuccess):
            self.socket.answered_ts = max(self.socket.answered_ts, outcome.ts)
        self.socket.send(self.socket.session.answer_mutation(request.request_id, outcome))

    def run_mutation_and_lose_the_answer(self) -> None:
        self.run_mutation()
        self.cut()

    def answer_action(self) -> None:
        assert self.socket is not None
        action = self.socket.actions.pop(self.random.randrange(len(self.socket.actions)))
        failed = action.path == "net:fail"
        outcome = FunctionFailure("no", None, ()) if failed else ActionSuccess(b"1.0", ())
        self.socket.send(self.socket.session.answer_action(action.request_id, outcome))

    def somebody_else_writes(self) -> None:
        self.backend.write(self.random.choice(KEYS), self.random.randrange(4))

    def ping(self) -> None:
        assert self.socket is not None
        self.socket.send(Ping())

    def transition(self) -> None:
        assert self.socket is not None
        session = self.socket.session
        floor = max(session.version.ts, self.socket.answered_ts, session.max_observed or 0)
        ts = max(floor, self.backend.now - self.random.choice((0, 0, 1, 3)))
        self.transition_to(self.socket, ts, in_pieces=self.random.random() < 0.2)

    def transition_to(self, socket: Socket, ts: int, in_pieces: bool) -> None:
        session = socket.session
        everything = self.random.random() < 0.3
        results: dict[int, QueryResult] = {}
        for query_id, query in session.queries.items():
            result = self.result(socket, query.path, query.args, ts, session.identity_received)
            before = self.result(socket, query.path, query.args, session.version.ts, session.version.identity)
            if everything or query_id in session.unanswered or result.digest != before.digest:
                results[query_id] = result
        message = session.transition(ts, results, server_ts=ts)
        assert not session.needs_transition
        if in_pieces:
            for chunk in split(encode_server(message), PIECE_BYTES):
                socket.send(chunk)
        else:
            socket.send(message)

    def result(self, socket: Socket, path: str, args: list[object], ts: int, identity: int) -> QueryResult:
        (arguments,) = args
        assert isinstance(arguments, dict)
        if path == "auth:me":
            token = socket.identities[identity]
            return QuerySuccess(json.encode(token.jwt if isinstance(token, UserToken) else None), (), None)
        if path == "kv:broken":
            request_id = self.random.randbytes(8).hex()
            return QueryFailure(f"[Request ID: {request_id}] broken", "broken", None, (), None)
        return QuerySuccess(json.encode(self.backend.read(arguments["key"], ts)), (), f"journal {ts}")

    # What holds after every step.

    def check(self) -> None:
        self.check_requests()
        if self.socket is not None:
            self.socket.session.check()
            if not self.socket.down:
                assert self.client.version == self.socket.session.version
            self.check_results(self.socket)

    def check_requests(self) -> None:
        assert all(times == 1 for times in self.done.values()), self.done
        assert all(times == 1 for times in self.backend.executions.values()), self.backend.executions
        assert not self.done.keys() & self.client.unresolved.keys()
        assert self.done.keys() | self.client.unresolved.keys() == self.asked.keys()

    def check_results(self, socket: Socket) -> None:
        version = self.client.version
        for query_id, query in self.client.queries.items():
            if query_id in self.client.unconfirmed:
                # Whatever else a Transition holds, it answers every query that its version covers.
                assert self.client.unconfirmed[query_id] > version.query_set
                continue
            shown = self.client.results[query_id]
            expected = self.result(socket, query.path, query.args, version.ts, version.identity)
            if isinstance(expected, QuerySuccess):
                assert isinstance(shown, QueryUpdated)
                assert shown.value == expected.value
            else:
                assert not isinstance(shown, QueryUpdated)

    def come_to_rest(self) -> None:
        """Nothing is lost any more: everything asked for is done, and everything shown is current."""
        for _ in range(STEPS_TO_REST_MAX):
            if self.socket is None:
                self.open()
            elif self.socket.down:
                self.client_receives()
            elif self.socket.closing:
                self.cut()
            elif self.socket.up:
                self.server_receives()
            elif self.socket.mutations:
                self.run_mutation()
            elif self.socket.actions:
                self.answer_action()
            elif self.socket.session.needs_transition or self.client.version.ts < self.backend.now:
                self.transition_to(self.socket, self.backend.now, in_pieces=False)
            else:
                return
            self.check()
        raise AssertionError("it does not come to rest")

    def check_rest(self) -> None:
        assert not self.client.unresolved
        assert not self.client.unconfirmed
        assert self.client.results.keys() == self.client.queries.keys()
        assert self.backend.executions.keys() == {
            request_id for request_id, path in self.asked.items() if path == "kv:set"
        }
        assert self.client.version.query_set == self.client.query_set_version
        assert self.client.version.identity == self.client.identity_version


def run(seed: int) -> Halves:
    halves = Halves(seed)
    for _ in range(STEPS):
        halves.step()
    halves.come_to_rest()
    halves.check_rest()
    return halves


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_results_are_exact_and_mutations_run_once(seed: int) -> None:
    run(seed)


def test_the_runs_reach_what_matters() -> None:
    seen = sum((run(seed).seen for seed in range(5)), Counter[str]())

    assert {"Changed", "MutationDone", "ActionDone", "IdentityConfirmed", "IdentityRefused"} <= seen.keys()
    assert seen["resent"] > 10
    assert seen["Changed"] > 100
