"""A server and its clients without sockets: nothing moves until the scenario says so.

    client.say() ──> the server has read what the client sent
    server.work() ──> live queries follow the log, transitions are made
    server.write() ──> what was committed reaches the disk, and what waited for that is let go
    client.hear() ──> the client has read what the server sent, or the first few messages of it

`server.settle()` does all of it until everybody is at rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import Factory, define, field
from relive.engine.admin_key import AdminKey
from relive.engine.authentication.authenticator import Authenticator
from relive.engine.execution.live_queries import LiveQueries
from relive.engine.server.connection import Connection
from relive.engine.server.syncer import Syncer
from relive.log.errors import DiskFull
from relive.protocol import json
from relive.protocol.client_session import ClientSession, Fact, MutationDone
from relive.protocol.client_version import UNKNOWN_VERSION
from relive.protocol.client_wire import decode_server, encode_client
from relive.protocol.close import Refused
from relive.protocol.messages import MutationResponse, QueryUpdated, ServerMessage, Transition
from relive.protocol.server_session import ServerSession

from ..engine.bench import Bench
from ..server.harness import ADMIN_KEY


@define(eq=False)
class Server:
    bench: Bench
    syncer: Syncer = field(init=False)
    clients: list[Client] = Factory(list["Client"])

    def __attrs_post_init__(self) -> None:
        database = self.bench.database
        self.syncer = Syncer(database, database.live)
        database.runtime.rewind = self.syncer.rewind
        database.runtime.committed = self.syncer.committed
        self.write()

    @property
    def live(self) -> LiveQueries[Any]:
        return self.bench.database.live

    def client(self) -> Client:
        """A new client, connected."""
        client = Client(self, ClientSession(len(self.clients).to_bytes(16, "big")))
        self.clients.append(client)
        client.connect()
        return client

    def work(self) -> None:
        self.live.catch_up()
        while self.syncer.waiting:
            connection = self.syncer.waiting.popleft()
            connection.scheduled = False
            connection.advance()
        self.live.subscriptions.check()

    def write(self) -> None:
        runtime = self.bench.database.runtime
        while (batch := runtime.log.writer.take()) is not None:
            try:
                runtime.written(runtime.log.writer.write(batch))
            except DiskFull as error:
                runtime.not_written(str(error))

    def settle(self) -> None:
        for _ in range(3):
            for client in self.clients:
                client.say()
            self.work()
            self.write()
            for client in self.clients:
                client.hear()


@define(eq=False)
class Client:
    """A client as the protocol knows it, which refuses whatever it must not be told."""

    server: Server
    session: ClientSession
    connection: Connection = field(init=False)
    heard: list[ServerMessage] = Factory(list[ServerMessage])
    facts: list[Fact] = Factory(list[Fact])
    on_its_way: list[bytes] = Factory(list[bytes])
    """Sent by the server, and not read by the client."""
    after_each: Callable[[], object] = lambda: None
    """What to do after each message that is heard."""

    def connect(self) -> None:
        database = self.server.bench.database
        self.connection = Connection(
            ServerSession(UNKNOWN_VERSION),
            database,
            database.live,
            AdminKey(ADMIN_KEY),
            Authenticator(tuple, float, float),
            self.server.syncer.schedule,
            wake=lambda: None,
        )
        self.session.opened()

    def lose(self) -> None:
        """The socket is gone, with all that was on its way."""
        self.connection.close()
        self.on_its_way.clear()
        self.facts += self.session.lost()

    def say(self) -> None:
        now_ms = self.server.bench.clock.now_ns // 10**6
        for message in self.session.outgoing():
            try:
                self.connection.receive(encode_client(message), now_ms)
            except Refused as refused:
                self.connection.fail(refused)

    def hear(self, messages: int | None = None) -> list[ServerMessage]:
        """What is new of what the server sent, or the first few messages of it."""
        while self.connection.ready:
            outgoing = self.connection.ready.popleft()
            self.connection.unsent_bytes -= outgoing.size
            self.on_its_way += outgoing.texts
            if outgoing.transitions:
                self.connection.written(outgoing.transitions)
        count = len(self.on_its_way) if messages is None else messages
        texts, self.on_its_way = self.on_its_way[:count], self.on_its_way[count:]
        heard = [decode_server(text) for text in texts]
        for message in heard:
            self.facts += self.session.receive(message)
            self.after_each()
        self.heard += heard
        return heard

    # What tests ask.

    def watch(self, path: str, **args: object) -> int:
        return self.session.subscribe(path, dict(args))

    def mutate(self, path: str, **args: object) -> int:
        return self.session.mutate(path, dict(args))

    def shown(self, query_id: int) -> Any:
        """What the client shows of a query; the text of a failure."""
        result = self.session.results.get(query_id)
        if result is None:
            return None
        return json.decode(result.value) if isinstance(result, QueryUpdated) else result.message

    @property
    def done(self) -> list[int]:
        """Mutations whose promises are kept."""
        return [fact.request_id for fact in self.facts if isinstance(fact, MutationDone)]

    def transitions(self) -> list[Transition]:
        return [message for message in self.heard if isinstance(message, Transition)]

    def responses(self) -> list[MutationResponse]:
        return [message for message in self.heard if isinstance(message, MutationResponse)]
