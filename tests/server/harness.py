"""A server in this process on a port of its own, and a client that checks what every client relies on."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import trio
from attrs import Factory, define
from relive.actors.runtime import InThread
from relive.engine.admin_key import AdminKey, Keys
from relive.engine.application.app import App
from relive.engine.database import Database
from relive.engine.env import Env, real_env
from relive.engine.files.file_store import FileStore
from relive.engine.server.listener import Server
from relive.log.entry import LSN
from relive.log.memory import MemoryStorage
from relive.log.storage import Storage
from relive.log.writer import Batch
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

ADMIN_KEY = "happy-otter-123|0123456789abcdef"
SESSION = "7f5ba1a8-35a4-4c9d-9c1b-0123456789ab"
MESSAGE_BYTES_MAX = 128 * 2**20
RECEIVE_BYTES = 2**18
PATIENCE_S = 20.0
"""Nothing that a test waits for takes so long, however busy the machine is."""
INITIAL = {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}

Json = dict[str, Any]


def ts_of(text: str) -> int:
    return int.from_bytes(base64.b64decode(text), "little")


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once something holds that no event tells of."""
    with trio.fail_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.002)


@define(eq=False)
class HeldDisk:
    """Runs the log's writes off the trio thread's path, and holds them up while it is closed."""

    opened: trio.Event = Factory(trio.Event)
    waiting: int = 0

    def __attrs_post_init__(self) -> None:
        self.opened.set()

    def close(self) -> None:
        self.opened = trio.Event()

    def open(self) -> None:
        self.opened.set()

    async def __call__(self, write: Callable[[Batch], LSN], batch: Batch) -> LSN:
        self.waiting += 1
        await self.opened.wait()
        self.waiting -= 1
        await trio.lowlevel.checkpoint()
        return write(batch)


@define(eq=False)
class Client:
    """A websocket client.  Checks that transitions follow one another, and the field rules of the protocol."""

    websocket: WebSocketConnection
    version: Json = Factory(lambda: dict(INITIAL))
    query_set: int = 0
    identity: int = 0
    results: dict[int, Json] = Factory(dict[int, Json])
    """The newest modification of each live query."""
    pieces: list[str] = Factory(list[str])

    async def send(self, message: Json) -> None:
        await self.websocket.send_message(json.dumps(message))

    async def connect(self, session: str = SESSION, **more: Any) -> None:
        message = {"type": "Connect", "sessionId": session, "connectionCount": 0, "lastCloseReason": None}
        await self.send(message | more)

    async def modify(self, *modifications: Json) -> None:
        base, self.query_set = self.query_set, self.query_set + 1
        await self.send(
            {
                "type": "ModifyQuerySet",
                "baseVersion": base,
                "newVersion": self.query_set,
                "modifications": list(modifications),
            }
        )

    async def watch(self, query_id: int, path: str, **args: Any) -> None:
        await self.modify(add(query_id, path, **args))

    async def mutate(self, request_id: int, path: str, **args: Any) -> None:
        await self.send({"type": "Mutation", "requestId": request_id, "udfPath": path, "args": [args]})

    async def authenticate(self, token_type: str, value: str | None = None) -> None:
        base, self.identity = self.identity, self.identity + 1
        message = {"type": "Authenticate", "baseVersion": base, "tokenType": token_type}
        await self.send(message if value is None else message | {"value": value})

    async def next(self) -> Json:
        """The next message, pieces put together, pings left out."""
        with trio.fail_after(PATIENCE_S):
            while True:
                text = await self.websocket.get_message()
                assert isinstance(text, str)
                message: Json = json.loads(text)
                if message["type"] == "TransitionChunk":
                    assert message["partNumber"] == len(self.pieces)
                    assert len(message["chunk"].encode()) <= 5_000_000
                    self.pieces.append(message["chunk"])
                    if len(self.pieces) < message["totalParts"]:
                        continue
                    message = json.loads("".join(self.pieces))
                    self.pieces.clear()
                assert not self.pieces, "pieces were cut off"
                if message["type"] != "Ping":
                    self.check(message)
                    return message

    async def transition(self) -> Json:
        message = await self.next()
        assert message["type"] == "Transition", message
        return message

    async def response(self) -> Json:
        message = await self.next()
        assert message["type"].endswith("Response"), message
        return message

    async def answered(self, request_id: int, path: str, **args: Any) -> Json:
        """Run a mutation: its response, once its transition is here too."""
        await self.mutate(request_id, path, **args)
        while (response := await self.next())["type"] != "MutationResponse":
            pass
        assert response["requestId"] == request_id
        while not response["success"] or ts_of(self.version["ts"]) < ts_of(response["ts"]):
            await self.transition()
            if not response["success"]:
                break
        return response

    async def until(self, condition: Callable[[], bool]) -> None:
        """Take transitions until something holds."""
        while not condition():
            await self.next()

    def value(self, query_id: int) -> Any:
        return self.results[query_id]["value"] if query_id in self.results else None

    def check(self, message: Json) -> None:
        kind = message["type"]
        if kind == "Transition":
            assert message["startVersion"] == self.version, "a transition starts where the last one ended"
            self.version = message["endVersion"]
            assert ts_of(message["startVersion"]["ts"]) <= ts_of(self.version["ts"])
            for modification in message["modifications"]:
                self.check_modification(modification)
            assert message.get("serverTs", 0) is not None
            assert message.get("clientClockSkew", 0) is not None
        elif kind in ("MutationResponse", "ActionResponse"):
            assert isinstance(message["logLines"], list)
            assert message["success"] or isinstance(message["result"], str)
            assert (kind == "ActionResponse") or (message["ts"] is None) is not message["success"]
        else:
            assert kind in ("FatalError", "AuthError"), message

    def check_modification(self, modification: Json) -> None:
        query_id = modification["queryId"]
        if modification["type"] == "QueryRemoved":
            self.results.pop(query_id, None)
            return
        self.results[query_id] = modification
        assert isinstance(modification["logLines"], list)
        assert "journal" in modification
        assert ("value" in modification) is (modification["type"] == "QueryUpdated")

    async def closed(self) -> int:
        """The close code, after whatever else arrives."""
        try:
            while True:
                await self.next()
        except ConnectionClosed as error:
            return int(error.reason.code) if error.reason is not None else 0


def add(query_id: int, path: str, **args: Any) -> Json:
    return {"type": "Add", "queryId": query_id, "udfPath": path, "args": [args]}


def remove(query_id: int) -> Json:
    return {"type": "Remove", "queryId": query_id}


def masked(message: bytes, first: int = 0x81) -> bytes:
    """A client's frame, its mask all zero."""
    size = len(message)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([first]) + length + bytes(4) + message


async def shake_hands(stream: trio.SocketStream, path: str = "/api/sync") -> None:
    """Make a websocket of a stream, for tests of what websocket libraries do not let one do."""
    head = (
        f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    )
    await stream.send_all(head.encode())
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        received += await stream.receive_some()
    assert received.startswith(b"HTTP/1.1 101"), received


@define(eq=False)
class Running:
    """A server that runs, and how to talk to it."""

    server: Server
    database: Database
    url: str
    disk: HeldDisk
    ended: trio.Event = Factory(trio.Event)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @asynccontextmanager
    async def client(
        self, path: str = "/api/1.48.0/sync", headers: list[tuple[bytes, bytes]] | None = None
    ) -> AsyncGenerator[Client, None]:
        async with await self.raw() as stream, trio.open_nursery() as nursery:
            websocket = await wrap_client_stream(
                nursery,
                stream,
                f"127.0.0.1:{self.port}",
                path,
                extra_headers=headers,
                max_message_size=MESSAGE_BYTES_MAX,
                receive_buffer_size=RECEIVE_BYTES,
            )
            yield Client(websocket)
            await websocket.aclose()
            nursery.cancel_scope.cancel()

    def http(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=PATIENCE_S)

    async def raw(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    async def stop(self) -> None:
        self.server.stop()
        with trio.fail_after(PATIENCE_S):
            await self.ended.wait()


Serve = Callable[..., AbstractAsyncContextManager[Running]]


@asynccontextmanager
async def serve(
    app: App | None,
    storage: Storage | None = None,
    env: Env | None = None,
    admin_key: str = ADMIN_KEY,
    admin_keys: Keys | None = None,
    port: int = 0,
    site_port: int | None = None,
    store: FileStore | None = None,
) -> AsyncGenerator[Running, None]:
    """A server until the block ends, then stopped and closed.  What `serve` raises comes out."""
    disk = HeldDisk()
    in_thread: InThread = disk
    database = Database.open(
        storage or MemoryStorage(), app, env or real_env(), b"a secret of the tests", in_thread=in_thread, store=store
    )
    server = Server(database, admin_keys or AdminKey(admin_key), "tests")
    try:
        async with trio.open_nursery() as nursery:
            running = Running(server, database, "", disk)

            async def run(task_status: trio.TaskStatus[str]) -> None:
                try:
                    await server.serve("127.0.0.1", port, task_status.started, site_port)
                finally:
                    running.ended.set()

            running.url = await nursery.start(run)
            yield running
            disk.open()
            await running.stop()
    finally:
        database.log.close()
