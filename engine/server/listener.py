"""One port: accept, read the request head, hand the stream on; stop gracefully.

socket ──> head ──┬──> upgrade: websocket ──> Socket
                  └──> anything else ──> hypercorn ──> the HTTP routes
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any, cast

import h11
import trio
from attrs import Factory, define, field
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from trio_websocket import ConnectionClosed, wrap_server_stream
from wsproto.utilities import LocalProtocolError

from ...actors.errors import CommitterFailed
from ...protocol import limits
from ...protocol.client_version import ClientVersion, InvalidClientVersion, parse_client_version
from ...protocol.close import closing
from ...protocol.server_session import ServerSession
from ..admin_key import Keys
from ..authentication.authenticator import Authenticator
from ..authentication.own_tokens import own_key
from ..database import Database
from ..determinism import gate
from ..env import Env
from .access import Access
from .connection import Connection
from .descriptors import Descriptors
from .groups import is_broken_invariant, leaves, single_error
from .head import RECEIVE_BYTES, read_head, refuse
from .history_routes import AskPast
from .http import routes
from .http_connection import HttpConnection
from .key_fetching import KeyFetching
from .limit_rows import LimitRows
from .migrator import Migrator
from .sessions import Sessions
from .site import Site, beside
from .socket import Socket
from .stream import SharedStream
from .syncer import Syncer

HEAD_S_MAX = 10.0
"""How long a client may take to send its request head."""
KEEP_ALIVE_S = 75.0
"""How long an HTTP connection may wait for its next request."""
REQUEST_S_MAX = 300
"""How long an HTTP client may send nothing while a request is under way."""
DRAIN_S_MAX = 10.0
"""How long a graceful stop waits for answers to be durable and written."""
BEAT_S = 1.0
VECTORS_LEFT_MAX = 20_000
"""Documents whose vectors may be left to look at when the first client comes: a query that searches then holds up
everybody for some 4 s, which is far from `STUCK_S_MAX`."""
STUCK_S_MAX = 30.0
"""A handler stuck in C code for so long ends the process, with all stacks printed."""
ENDLESS_ACTION_S = 5.0
"""How long after everything else has ended an action that cannot be cancelled may keep the process."""
SYNC_PATH = re.compile(r"/api/(?:(?P<version>[^/]+)/)?sync/?(?:\?.*)?")


logger = logging.getLogger("relive")


@define(eq=False)
class Server:
    database: Database
    admin_keys: Keys
    instance_name: str
    ask_past: AskPast | None = None
    """Asks a query about a moment of which no snapshot is held; None where that cannot be done."""
    syncer: Syncer = field(init=False)
    sessions: Sessions = field(init=False)
    migrator: Migrator = field(init=False)
    keys: KeyFetching = field(init=False)
    sockets: dict[Socket, None] = Factory(dict[Socket, None])
    streams: dict[trio.SocketStream, bool] = Factory(dict[trio.SocketStream, bool])
    """Every open connection, and whether its request head has been read."""
    descriptors: Descriptors = Factory(Descriptors)
    public_url: str | None = None
    """Under which address clients reach it, if that is another than it listens on."""
    site_url: str | None = None
    """Where HTTP actions have a port of their own, while they do."""
    actions_scope: trio.CancelScope = Factory(trio.CancelScope)
    filling: bool = False
    """Whether there is a task that looks at vectors."""
    stopping: trio.Event = Factory(trio.Event)
    stream_ended: trio.Event = Factory(trio.Event)

    def __attrs_post_init__(self) -> None:
        self.syncer = Syncer(self.database, self.database.live)
        self.sessions = Sessions(self.database)
        self.database.runtime.rewind = self.rewind
        self.database.runtime.committed = self.syncer.committed
        executor = self.database.executor
        self.keys = KeyFetching(
            Authenticator(
                lambda: executor.app.providers,
                lambda: executor.env.clock_ns() / 1e9,
                lambda: executor.env.monotonic_ns() / 1e9,
                lambda: (own_key(executor.secret),),
            )
        )
        self.migrator = Migrator(self.database)
        self.database.migrations.started = self.migrator.wake

    def rewind(self) -> None:
        """What followers have read may not be so."""
        self.syncer.rewind()
        self.database.schedules.rewind()
        self.sessions.rewind()

    @property
    def env(self) -> Env:
        return self.database.env

    async def serve(self, host: str, port: int, on_ready: Callable[[str], None], site_port: int | None = None) -> None:
        """Serve until `stop`.  ``on_ready`` is told the URL once connections are accepted.

        HTTP actions are served below ``/http``, and on a port of their own if there is to be one;
        ``site_url`` says where.

        Raises OSError if the port cannot be had, CommitterFailed if the database must stop.
        """
        context, config = WorkerContext(None), quiet_config()
        access = Access(self.admin_keys, self.keys)
        site = Site(self.database, access)
        main = beside(routes(self.database, access, self.instance_name, self.ask_past, self.descriptors), site)
        with single_error():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.database.run)
                nursery.start_soon(self.run_actions)
                async with trio.open_nursery() as shells:
                    shells.start_soon(self.syncer.run)
                    shells.start_soon(self.heartbeat, shells)
                    await self.database.runtime.wait_durable(self.database.runtime.tail.head)
                    shells.start_soon(self.migrator.run)
                    shells.start_soon(self.database.schedules.run)
                    shells.start_soon(self.sessions.run)
                    shells.start_soon(LimitRows(self.database).run)
                    shells.start_soon(self.database.files.run)
                    self.sessions.end_former()
                    await self.database.fill_vectors(VECTORS_LEFT_MAX)
                    async with trio.open_nursery() as doors:
                        listening = await self.env.listen(host, port)
                        accept = partial(trio.serve_listeners, handler_nursery=shells)
                        if site_port is not None:
                            door = await self.env.listen(host, site_port)
                            self.site_url = door.url
                            handler = partial(self.serve_stream, ASGIWrapper(cast(Any, site)), False, config, context)
                            await doors.start(accept, handler, door.listeners)
                        handler = partial(self.serve_stream, ASGIWrapper(cast(Any, main)), True, config, context)
                        await doors.start(accept, handler, listening.listeners)
                        self.database.files.reached_at(self.public_url or reachable(listening.url))
                        on_ready(listening.url)
                        await self.stopping.wait()
                        doors.cancel_scope.cancel()
                    await context.terminated.set()
                    await self.end_jobs()
                    await self.drain()
                    shells.cancel_scope.cancel()
                self.actions_scope.cancel()
                nursery.start_soon(self.leave_actions)
                self.database.runtime.stop()

    async def run_actions(self) -> None:
        with self.actions_scope:
            await self.database.actions.run()

    async def end_jobs(self) -> None:
        """Begin nothing more, let actions end or stop them, and note how scheduled ones have ended."""
        self.database.schedules.stopping = True
        await self.database.actions.stop()
        await self.database.schedules.stop()

    async def leave_actions(self) -> None:
        """Nobody waits any more for those whose code swallows every cancellation: they would keep the process
        for ever.  What was acknowledged is durable."""
        actions = self.database.actions
        with trio.move_on_after(ENDLESS_ACTION_S):
            await actions.wait_until_idle()
        if actions.known:
            logger.critical("ended without them: %s", ", ".join(job.name for job in actions.known))
            self.env.watchdog.end(1)

    def stop(self) -> None:
        """Answer what was asked, then return from `serve`."""
        self.stopping.set()
        self.database.executor.executions.stop()

    async def drain(self) -> None:
        """Return when everybody has been answered and is gone; those who do not read are cut off."""
        for stream, is_asking in self.streams.items():
            if not is_asking:
                stream.socket.close()
        for socket in self.sockets:
            socket.drain()
        with trio.move_on_after(DRAIN_S_MAX):
            while self.streams:
                self.stream_ended = trio.Event()
                await self.stream_ended.wait()
        # A send that waits for its reader does not listen to cancellation everywhere.
        for stream in self.streams:
            stream.socket.close()

    async def fill_vectors(self) -> None:
        """Beside the heartbeat, which must not wait for turns of others."""
        await self.database.fill_vectors()
        self.filling = False

    async def heartbeat(self, shells: trio.Nursery) -> None:
        try:
            while True:
                if gate.enabled:  # A debugger may stop the process for as long as it likes.
                    self.env.watchdog.feed(STUCK_S_MAX)
                for socket in list(self.sockets):
                    socket.beat()
                if not self.filling and self.database.vectors_pending():
                    self.filling = True
                    shells.start_soon(self.fill_vectors)
                await trio.sleep(BEAT_S)
        finally:
            self.env.watchdog.rest()

    async def serve_stream(
        self, app: ASGIWrapper, is_main: bool, config: Config, context: WorkerContext, stream: trio.SocketStream
    ) -> None:
        """One accepted connection, to its end; whatever happens there stays there.  Sockets of clients belong
        to the main port."""
        if not self.descriptors.take():
            return  # Whoever accepted it closes it.
        self.streams[stream] = False
        try:
            head, request = await read_head(stream, HEAD_S_MAX)
            self.streams[stream] = True
            if request is not None:
                shared = SharedStream(stream, self.env, head)
                await self.serve_request(shared, request, app, is_main, config, context)
            elif head:
                await refuse(stream, 400, "BadRequest", "this is not an HTTP request")
        except* (trio.BrokenResourceError, trio.ClosedResourceError, ConnectionClosed):
            pass  # The client went away.
        except* LocalProtocolError:
            pass  # trio-websocket cannot answer a ping that comes after we have said goodbye.
        except* CommitterFailed:
            raise
        except* Exception as failures:
            logger.error("a connection failed", exc_info=failures)
            if any(is_broken_invariant(error) for error in leaves(failures)):
                raise
        finally:
            del self.streams[stream]
            self.descriptors.give_back()
            self.stream_ended.set()

    async def serve_request(
        self,
        stream: SharedStream,
        request: h11.Request,
        app: ASGIWrapper,
        is_main: bool,
        config: Config,
        context: WorkerContext,
    ) -> None:
        headers = dict(request.headers)
        if is_main and headers.get(b"upgrade", b"").lower() == b"websocket":
            await self.serve_socket(stream, request.target.decode("ascii", "replace"), headers)
        else:
            self.env.probe("an HTTP request is served")
            await HttpConnection(app, config, context, {}, cast(Any, stream))

    async def serve_socket(self, stream: SharedStream, target: str, headers: dict[bytes, bytes]) -> None:
        self.env.probe("a websocket is asked for")
        match = SYNC_PATH.fullmatch(target)
        if match is None:
            await refuse(stream, 404, "NotFound", "websockets are served at /api/sync")
            return
        header = headers.get(b"convex-client")
        try:
            version = parse_client_version(header.decode("latin-1") if header else None, match["version"])
        except InvalidClientVersion as error:
            ended = closing(error)
            await refuse(stream, ended.http_status, ended.error_code, ended.error_text)
            return
        async with trio.open_nursery() as nursery:
            # A handshake that is wrong is answered, but never becomes a request.
            with trio.move_on_after(HEAD_S_MAX) as patience:
                request = await wrap_server_stream(
                    nursery,
                    stream,
                    max_message_size=limits.MESSAGE_BYTES_MAX,
                    receive_buffer_size=RECEIVE_BYTES,
                )
                websocket = await request.accept()
                patience.deadline = inf
                await self.serve_client(Socket(stream, websocket, self.connection_of(version), self.keys.fetch))
            nursery.cancel_scope.cancel()

    def connection_of(self, version: ClientVersion) -> Connection:
        return Connection(
            ServerSession(version),
            self.database,
            self.database.live,
            self.admin_keys,
            self.keys.authenticator,
            self.syncer.schedule,
            wake=lambda: None,
            sessions=self.sessions,
        )

    async def serve_client(self, socket: Socket) -> None:
        socket.connection.wake = socket.wake
        self.sockets[socket] = None
        if self.stopping.is_set():
            socket.drain()
        try:
            await socket.run()
        finally:
            del self.sockets[socket]


def reachable(url: str) -> str:
    """An address to connect to, where the server listens on every one."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def quiet_config() -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = logger
    config.include_server_header = False
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.read_timeout = REQUEST_S_MAX
    return config
