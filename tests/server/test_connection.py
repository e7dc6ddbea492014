"""Connections, the syncer and the database without sockets, in every order that chance makes of their steps.

The clients are those of the protocol, which check everything that they receive; at the end each of them must
see what the database holds, and every mutation that was confirmed must have happened exactly once.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from attrs import Factory, define, field
from relive.engine.admin_key import AdminKey
from relive.engine.application.app import App
from relive.engine.authentication.authenticator import Authenticator
from relive.engine.database import Database
from relive.engine.env import Env
from relive.engine.execution.calls import Call
from relive.engine.server.connection import Connection
from relive.engine.server.syncer import Syncer
from relive.log.errors import DiskFull
from relive.log.memory import MemoryStorage
from relive.protocol.client_session import ClientSession, MutationDone, Terminated
from relive.protocol.client_version import UNKNOWN_VERSION
from relive.protocol.client_wire import decode_server, encode_client
from relive.protocol.close import Refused
from relive.protocol.limits import TRANSITIONS_QUEUED_MAX
from relive.protocol.messages import AdminToken, NoToken, QueryFailed, QueryUpdated
from relive.protocol.results import MutationSuccess, QuerySuccess
from relive.protocol.server_session import ServerSession

from .harness import ADMIN_KEY

NAMES = ["a", "b", "c"]
STEPS = 400
LEAP_NS = 2_000_000_000
"""How far the clock goes at once: past what a full disk refuses writes for."""


@define(eq=False)
class Peer:
    """A client and, while it has one, its connection."""

    session: ClientSession
    connection: Connection | None = None
    to_server: list[bytes] = Factory(list[bytes])
    asked: dict[int, str] = Factory(dict[int, str])
    """Which counter a mutation adds to."""
    done: Counter[str] = Factory(Counter[str])


@define(eq=False)
class World:
    app: App
    random: Random
    storage: MemoryStorage = Factory(MemoryStorage)
    now_ns: int = 1_700_000_000 * 10**9
    peers: list[Peer] = Factory(list[Peer])
    database: Database = field(init=False)
    syncer: Syncer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.peers = [Peer(ClientSession(self.random.randbytes(16))) for _ in range(3)]
        self.start()

    def start(self) -> None:
        env = Env(self.clock, self.random.randbytes)
        self.database = Database.open(self.storage, self.app, env, b"a secret of the tests")
        self.syncer = Syncer(self.database, self.database.live)
        self.database.runtime.rewind = self.syncer.rewind
        self.database.runtime.committed = self.syncer.committed
        self.write()

    def clock(self) -> int:
        self.now_ns += 1_000
        return self.now_ns

    # Steps.

    def ask(self) -> None:
        peer = self.random.choice(self.peers)
        name = self.random.choice(NAMES)
        match self.random.randrange(8):
            case 0 | 1 | 2:
                peer.asked[peer.session.mutate("counters:add", {"name": name})] = name
            case 3:
                peer.session.mutate(self.random.choice(["counters:add_and_fail", "counters:touch"]), {"name": name})
            case 4 | 5:
                path = self.random.choice(["counters:get", "counters:get_secretly", "values:while_even"])
                peer.session.subscribe(path, {"name": name})
            case 6:
                if peer.session.queries:
                    peer.session.unsubscribe(self.random.choice(list(peer.session.queries)))
            case _:
                peer.session.authenticate(AdminToken(ADMIN_KEY, None) if self.random.random() < 0.5 else NoToken())

    def connect(self, peer: Peer) -> None:
        runtime = self.database.live
        server_session = ServerSession(UNKNOWN_VERSION)
        peer.connection = Connection(
            server_session,
            self.database,
            runtime,
            AdminKey(ADMIN_KEY),
            Authenticator(tuple, float, float),
            self.syncer.schedule,
            wake=lambda: None,
        )
        peer.session.opened()

    def lose(self, peer: Peer) -> None:
        assert peer.connection is not None
        peer.connection.close()
        peer.connection = None
        peer.to_server.clear()
        peer.session.lost()

    def talk(self, peer: Peer) -> None:
        """Some of what the client has to say arrives."""
        if peer.connection is None:
            self.connect(peer)
        assert peer.connection is not None
        peer.to_server += map(encode_client, peer.session.outgoing())
        for _ in range(self.random.randint(0, 5)):
            if not peer.to_server or peer.connection.failure is not None:
                break
            try:
                peer.connection.receive(peer.to_server.pop(0).decode(), self.now_ns // 10**6)
            except Refused as refused:
                peer.connection.fail(refused)
            peer.connection.session.check()
            assert peer.connection.transitions_queued <= TRANSITIONS_QUEUED_MAX

    def read(self, peer: Peer) -> None:
        """The client reads some of what is ready; its connection may end with that."""
        connection = peer.connection
        if connection is None:
            return
        for _ in range(self.random.randint(0, 3)):
            if connection.ready:
                outgoing = connection.ready.popleft()
                connection.unsent_bytes -= outgoing.size
                for text in outgoing.texts:
                    self.hear(peer, text)
                if outgoing.transitions:
                    connection.written(outgoing.transitions)
        if connection.failure is not None and not connection.ready:
            self.lose(peer)

    def hear(self, peer: Peer, text: bytes) -> None:
        for fact in peer.session.receive(decode_server(text)):
            assert not isinstance(fact, Terminated), fact
            if isinstance(fact, MutationDone) and isinstance(fact.outcome, MutationSuccess):
                if fact.request_id in peer.asked:
                    peer.done[peer.asked.pop(fact.request_id)] += 1
            elif isinstance(fact, MutationDone):
                # Refused while the disk was full, or a failure of its own.
                peer.asked.pop(fact.request_id, None)

    def sync(self) -> None:
        self.database.live.catch_up()
        for _ in range(self.random.randint(1, 3)):
            if self.syncer.waiting:
                connection = self.syncer.waiting.popleft()
                connection.scheduled = False
                connection.advance()
        self.database.live.subscriptions.check()

    def write(self) -> None:
        runtime = self.database.runtime
        batch = runtime.log.writer.take()
        if batch is None:
            return
        try:
            runtime.written(runtime.log.writer.write(batch))
        except DiskFull as error:
            runtime.not_written(str(error))
        runtime.committer.check()

    def fill_disk(self) -> None:
        self.storage.space = 0 if self.storage.space is None else None
        self.now_ns += LEAP_NS

    def crash(self) -> None:
        for peer in self.peers:
            if peer.connection is not None:
                peer.connection = None
                peer.to_server.clear()
                peer.session.lost()
        self.storage.crash()
        self.storage.space = None
        self.now_ns += LEAP_NS
        self.start()

    def step(self, crashes: bool) -> None:
        peer = self.random.choice(self.peers)
        roll = self.random.random()
        if roll < 0.30:
            self.ask()
        elif roll < 0.55:
            self.talk(peer)
        elif roll < 0.70:
            self.read(peer)
        elif roll < 0.85:
            self.sync()
        elif roll < 0.96:
            self.write()
        elif roll < 0.98:
            if peer.connection is not None:
                self.lose(peer)
        elif roll < 0.99:
            self.fill_disk()
        elif crashes:
            self.crash()

    def settle(self) -> None:
        """Everything heals, and everybody comes to rest."""
        self.storage.space = None
        self.now_ns += LEAP_NS
        for _ in range(300):
            for peer in self.peers:
                self.talk(peer)
                self.read(peer)
            self.sync()
            self.write()

    # What must hold at the end.

    def check(self) -> None:
        for peer in self.peers:
            assert peer.connection is not None
            assert not peer.session.unresolved
            assert not peer.connection.held
            assert peer.connection.unsent_bytes == peer.connection.transitions_queued == 0
            for query_id, query in peer.session.queries.items():
                self.check_result(query.path, query.args, peer.connection.admin, peer.session.results[query_id])
        total: Counter[str] = sum((peer.done for peer in self.peers), Counter[str]())
        for name in NAMES:
            assert self.counter(name) == total[name], name

    def check_result(self, path: str, args: list[object], admin: bool, shown: QueryUpdated | QueryFailed) -> None:
        truth = self.database.executor.query(Call(path, args, admin)).result
        assert isinstance(shown, QueryUpdated) is isinstance(truth, QuerySuccess)
        if isinstance(shown, QueryUpdated) and isinstance(truth, QuerySuccess):
            assert shown.value == truth.value

    def counter(self, name: str) -> float:
        result = self.database.executor.query(Call("counters:get", [{"name": name}])).result
        assert isinstance(result, QuerySuccess)
        return float(result.value)


@pytest.mark.parametrize("seed", [*range(10), 112, 119, 142])
@pytest.mark.parametrize("crashes", [False, True])
def test_everybody_sees_the_database_and_nothing_confirmed_is_lost_or_done_twice(
    app: App, seed: int, crashes: bool
) -> None:
    world = World(app, Random(seed))
    for _ in range(STEPS):
        world.step(crashes)
    world.settle()

    world.check()
