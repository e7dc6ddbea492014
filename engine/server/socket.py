"""One websocket: its tasks, its heartbeat, its close.

reader   text messages ──> Connection.receive
writer   Connection.ready ──> frames, one write for all that is ready
The heartbeat of every socket is one task of the server, which calls `beat`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import trio
from attrs import Factory, define
from trio_websocket import ConnectionClosed, WebSocketConnection
from wsproto.frame_protocol import CloseReason

from ...protocol.close import INTERNAL_ERROR, ErrorClass, Refused, closing
from ...protocol.errors import ProtocolError
from ...protocol.limits import CLIENT_SILENCE_S_MAX, MIB, WEBSOCKET_PING_S
from ...protocol.messages import Ping
from ...protocol.wire import encode_server
from ..env import Env
from .connection import Connection
from .frames import ping_frame, text_frames
from .stream import SharedStream

PING = encode_server(Ping())
CLOSE_S_MAX = 5.0
"""How long a peer may take to answer a close frame."""
END_S_MAX = 4 * CLOSE_S_MAX
"""How long the end of a connection may take altogether."""
GOING_AWAY = 1001
FRAGMENTS_MAX = 200_000
"""In how many pieces a message may come; the largest one comes in some 50,000 over a slow network."""
UNSENT_BYTES_MAX = 4 * MIB
"""While so much waits to be written, no more requests are taken from the client."""

logger = logging.getLogger("relive")


@define(eq=False)
class Socket:
    stream: SharedStream
    websocket: WebSocketConnection
    connection: Connection
    fetch: Callable[[str], Awaitable[None]]
    """Fetches what a token needs to be judged."""
    woken: trio.Event = Factory(trio.Event)
    room: trio.Event = Factory(trio.Event)
    pinged_ns: int = Factory(lambda self: self.env.monotonic_ns(), takes_self=True)
    ping_owed: bool = False
    websocket_ping_owed: bool = False
    draining: bool = False
    failed_ns: int | None = None
    """When `beat` first saw that the connection must end."""
    scope: trio.CancelScope = Factory(trio.CancelScope)
    idle: bool = False
    """The writer has nothing to do: what becomes ready may be sent without waking it."""
    unsent_transitions: int = 0
    """How many transitions end in what `write_now` could not send at once."""

    @property
    def env(self) -> Env:
        return self.connection.database.env

    def wake(self) -> None:
        rare = self.env.buggify("the writer is woken for nothing")
        if rare or not (self.idle and self.connection.failure is None and not self.draining and self.write_now()):
            self.idle = False
            self.woken.set()

    def write_now(self) -> bool:
        """Send all that is ready; False if the socket did not take it all."""
        pieces: list[bytes] = []
        transitions = self.collect(pieces)
        if not pieces:
            return True
        if not self.stream.send_now(b"".join(pieces)):
            self.env.probe("a socket does not take all at once")
            self.unsent_transitions = transitions
            return False
        if transitions:
            self.connection.written(transitions)
        return True

    async def run(self) -> None:
        """Serve the client until it goes, or must go."""
        self.connection.session.sent(self.env.monotonic_ns() / 1e9)
        try:
            with self.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.read, nursery.cancel_scope)
                    await self.write()
                    nursery.cancel_scope.cancel()
        finally:
            self.connection.close()

    async def read(self, gone: trio.CancelScope) -> None:
        connection = self.connection
        try:
            while True:
                await self.wait_room()
                # Nothing here keeps the message while the next one is waited for.
                await self.take(await self.websocket.get_message())
        except ConnectionClosed:
            if connection.failure is None:
                gone.cancel()
        except (ProtocolError, Refused) as error:
            connection.fail(error)

    async def take(self, message: str | bytes) -> None:
        """Raises ProtocolError or Refused: the connection must end."""
        connection = self.connection
        if self.draining or connection.failure is not None:
            return
        if not isinstance(message, str):
            raise ProtocolError("BinaryMessage", "messages are text frames of JSON")
        connection.receive(message, self.env.clock_ns() // 1_000_000)
        while connection.unsettled is not None:
            await self.fetch(connection.unsettled.url)
            connection.settle()

    async def wait_room(self) -> None:
        """A client that does not read what it asked for may not ask for more."""
        while self.connection.unsent_bytes > UNSENT_BYTES_MAX:
            self.room = trio.Event()
            await self.room.wait()

    async def write(self) -> None:
        """Everything that is ready goes out in one write; return when the client is gone."""
        connection = self.connection
        try:
            while connection.failure is None:
                pieces: list[bytes] = []
                transitions, self.unsent_transitions = self.unsent_transitions + self.collect(pieces), 0
                if pieces or self.stream.rest:
                    await self.stream.send_all(b"".join(pieces))
                    if transitions:
                        connection.written(transitions)
                elif self.draining and not connection.held and not connection.session.needs_transition:
                    await self.close(GOING_AWAY, "ServerStopping")
                    return
                else:
                    self.idle = True
                    await self.wait_woken()
                    self.idle = False
            await self.end(connection.failure)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def wait_woken(self) -> None:
        self.woken = trio.Event()
        await self.woken.wait()

    def collect(self, pieces: list[bytes]) -> int:
        """Frames of all that is ready; how many transitions are among them."""
        transitions = 0
        ready = self.connection.ready
        if ready:
            self.ping_owed = False
            self.connection.session.sent(self.env.monotonic_ns() / 1e9)
        self.room.set()
        while ready:
            outgoing = ready.popleft()
            self.connection.unsent_bytes -= outgoing.size
            transitions += outgoing.transitions
            for text in outgoing.texts:
                text_frames(text, pieces)
        if self.ping_owed:
            self.ping_owed = False
            text_frames(PING, pieces)
            self.connection.session.sent(self.env.monotonic_ns() / 1e9)
        if self.websocket_ping_owed:
            self.websocket_ping_owed = False
            pieces.append(ping_frame())
        return transitions

    def beat(self) -> None:
        """Called about once a second: pings that are due, and the end of clients that fell silent."""
        now = self.env.monotonic_ns()
        if self.connection.failure is not None:
            self.failed_ns = self.failed_ns or now
            if now - self.failed_ns > END_S_MAX * 1e9:
                self.scope.cancel()  # It does not read: not even the close reaches it.
            return
        self.connection.begin_session()
        # Empty ones count for nothing where the size of a message is limited, and are kept all the same.
        if len(self.websocket._message_parts) > FRAGMENTS_MAX:
            self.connection.fail(ProtocolError("TooManyFragments", f"a message has {FRAGMENTS_MAX:,} pieces at most"))
        elif now - self.stream.heard_ns > CLIENT_SILENCE_S_MAX * 1_000_000_000:
            silence = f"nothing was heard for {CLIENT_SILENCE_S_MAX} s"
            self.connection.fail(Refused(ErrorClass.CLIENT_DISCONNECT, "ClientSilent", silence))
        elif now - self.pinged_ns >= WEBSOCKET_PING_S * 1_000_000_000:
            self.env.probe("a websocket is pinged")
            self.pinged_ns, self.websocket_ping_owed = now, True
            self.wake()
        try:
            self.connection.check_credentials(self.env.clock_ns() / 1e9)
        except Refused as expired:
            self.connection.fail(expired)
            return
        if self.connection.session.ping_due(now / 1e9):
            self.ping_owed = True
            self.wake()

    async def end(self, error: Exception) -> None:
        """Say why, then close.  What was asked before is answered first."""
        ended = closing(error, self.connection.session.version.identity)
        if ended.close_code == INTERNAL_ERROR:
            logger.error("a client connection failed: %s", error)
        with trio.move_on_after(CLOSE_S_MAX):
            while self.connection.held:
                await self.wait_woken()
        with trio.move_on_after(CLOSE_S_MAX):
            pieces: list[bytes] = []
            self.collect(pieces)
            message = self.connection.rejected or ended.message
            if message is not None:
                text_frames(encode_server(message), pieces)
            if pieces:
                await self.stream.send_all(b"".join(pieces))
            await self.close(ended.close_code or CloseReason.NO_STATUS_RCVD, ended.reason or None)

    async def close(self, code: int, reason: str | None) -> None:
        """A close frame, and the answer to it.  Nothing may be sent after it."""
        with trio.move_on_after(CLOSE_S_MAX):
            await self.websocket.aclose(code, reason)
        await self.stream.aclose()

    def drain(self) -> None:
        """Take no more requests, and go when every answer that is owed has been written."""
        self.draining = True
        self.wake()
