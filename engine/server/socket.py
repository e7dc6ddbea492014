"""One websocket: its tasks, its heartbeat, its close.

reader   text messages ──> Connection.receive
writer   Connection.ready ──> frames, one write for all that is ready
The heartbeat of every socket is one task of the server, which calls `beat`.
"""

from __future__ import annotations

import logging
from typing import Any

import trio
import wsproto.frame_protocol
from attrs import Factory, define
from trio_websocket import ConnectionClosed, WebSocketConnection

from ...protocol.close import Closing, ErrorClass, Refused, closing
from ...protocol.errors import ProtocolError
from ...protocol.limits import CLIENT_SILENCE_S_MAX, WEBSOCKET_PING_S
from ...protocol.messages import Ping
from ...protocol.wire import encode_server
from ..determinism.real import real_clock_ns, real_monotonic_ns
from .connection import Connection
from .frames import ping_frame, text_frames
from .stream import SharedStream

PING = encode_server(Ping())
CLOSE_S_MAX = 5.0
"""How long a peer may take to answer a close frame."""

logger = logging.getLogger("relive")


@define(eq=False)
class Socket:
    stream: SharedStream
    websocket: WebSocketConnection
    connection: Connection
    woken: trio.Event = Factory(trio.Event)
    pinged_ns: int = Factory(real_monotonic_ns)
    ping_owed: bool = False
    websocket_ping_owed: bool = False
    draining: bool = False
    drained: trio.Event = Factory(trio.Event)

    def wake(self) -> None:
        self.woken.set()

    async def run(self) -> None:
        """Serve the client until it goes, or must go."""
        self.connection.session.sent(real_monotonic_ns() / 1e9)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.write)
                await self.read()
                nursery.cancel_scope.cancel()
        finally:
            self.connection.close()

    async def read(self) -> None:
        connection = self.connection
        try:
            while True:
                message: Any = await self.websocket.get_message()
                if self.draining or connection.failure is not None:
                    continue
                if not isinstance(message, str):
                    raise ProtocolError("BinaryMessage", "messages are text frames of JSON")
                connection.receive(message, real_clock_ns() // 1_000_000)
        except ConnectionClosed:
            pass
        except (ProtocolError, Refused) as error:
            await self.end(error)

    async def write(self) -> None:
        """Everything that is ready goes out in one write."""
        connection = self.connection
        while True:
            if connection.failure is not None:
                await self.end(connection.failure)
                return
            pieces: list[bytes] = []
            transitions = self.collect(pieces)
            if pieces:
                try:
                    await self.stream.send_all(b"".join(pieces))
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return
                if transitions:
                    connection.written(transitions)
                continue
            if self.draining and not connection.held and not connection.session.needs_transition:
                self.drained.set()
            self.woken = trio.Event()
            await self.woken.wait()

    def collect(self, pieces: list[bytes]) -> int:
        """Frames of all that is ready; how many transitions are among them."""
        transitions = 0
        ready = self.connection.ready
        if ready:
            self.ping_owed = False
            self.connection.session.sent(real_monotonic_ns() / 1e9)
        while ready:
            outgoing = ready.popleft()
            transitions += outgoing.is_transition
            for text in outgoing.texts:
                text_frames(text, pieces)
        if self.ping_owed:
            self.ping_owed = False
            text_frames(PING, pieces)
            self.connection.session.sent(real_monotonic_ns() / 1e9)
        if self.websocket_ping_owed:
            self.websocket_ping_owed = False
            pieces.append(ping_frame())
        return transitions

    def beat(self) -> None:
        """Called about once a second: pings that are due, and the end of clients that fell silent."""
        now = real_monotonic_ns()
        if now - self.stream.heard_ns > CLIENT_SILENCE_S_MAX * 1_000_000_000:
            silence = f"nothing was heard for {CLIENT_SILENCE_S_MAX} s"
            self.connection.fail(Refused(ErrorClass.CLIENT_DISCONNECT, "ClientSilent", silence))
        elif now - self.pinged_ns >= WEBSOCKET_PING_S * 1_000_000_000:
            self.pinged_ns, self.websocket_ping_owed = now, True
            self.wake()
        if self.connection.session.ping_due(now / 1e9):
            self.ping_owed = True
            self.wake()

    async def end(self, error: Exception) -> None:
        """Say why, then close.  What was answered already goes out first."""
        ended = closing(error, self.connection.session.version.identity)
        if ended.close_code == 1011:
            logger.error("a client connection failed: %s", error)
        with trio.move_on_after(CLOSE_S_MAX):
            await self.send_last(ended)
            code = ended.close_code or wsproto.frame_protocol.CloseReason.NO_STATUS_RCVD
            await self.websocket.aclose(code, ended.reason or None)
        await self.stream.aclose()

    async def send_last(self, ended: Closing) -> None:
        pieces: list[bytes] = []
        self.collect(pieces)
        message = self.connection.rejected or ended.message
        if message is not None:
            text_frames(encode_server(message), pieces)
        if pieces:
            try:
                await self.stream.send_all(b"".join(pieces))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def drain(self) -> None:
        """Take no more requests; return when every answer that is owed has been written."""
        self.draining = True
        self.wake()
        await self.drained.wait()

    async def go_away(self) -> None:
        """The server stops: clients come back by themselves."""
        with trio.move_on_after(CLOSE_S_MAX):
            await self.websocket.aclose(1001, "ServerStopping")
