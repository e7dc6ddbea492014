"""A server's end of a simulated connection: what `engine/server/socket.py` is for a real one.

Messages are given to the same `Connection`, and what is ready is sent in the same order; only frames, pings
and the close handshake are left out.
"""

from __future__ import annotations

import trio
from attrs import Factory, define

from ..engine.server.connection import Connection
from ..protocol.close import Refused, closing
from ..protocol.errors import ProtocolError
from ..protocol.wire import encode_server
from .network import Link
from .trace import Trace


@define(eq=False)
class ServerSocket:
    link: Link
    connection: Connection
    now_ms: int
    trace: Trace
    woken: trio.Event = Factory(trio.Event)

    def wake(self) -> None:
        self.woken.set()

    async def run(self) -> None:
        """Serve the client until it goes, or must go."""
        self.connection.wake = self.wake
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.read, nursery.cancel_scope)
                await self.write()
                nursery.cancel_scope.cancel()
        finally:
            self.connection.close()
            self.link.to_client.close()

    async def read(self, gone: trio.CancelScope) -> None:
        while (text := await self.link.to_server.receive()) is not None:
            if self.connection.failure is not None:
                continue
            try:
                self.connection.receive(text, self.now_ms)
            except (ProtocolError, Refused) as error:
                self.connection.fail(error)
        if self.connection.failure is None:
            gone.cancel()

    async def write(self) -> None:
        connection = self.connection
        while connection.failure is None:
            if connection.ready:
                await self.send_ready()
            else:
                await self.wait_woken()
        while connection.held:
            await self.wait_woken()
        await self.send_ready()
        message = connection.rejected or closing(connection.failure, connection.session.version.identity).message
        if message is not None:
            self.link.to_client.send(encode_server(message))
        self.link.to_client.close()

    async def send_ready(self) -> None:
        ready = self.connection.ready
        while ready:
            if len(self.link.to_client.under_way) >= self.link.to_client.window:
                self.trace.probe("a server waits for a slow client")
            await self.link.to_client.wait_room()
            outgoing = ready.popleft()
            self.connection.unsent_bytes -= outgoing.size
            for text in outgoing.texts:
                self.link.to_client.send(text)
            if outgoing.transitions:
                self.connection.written(outgoing.transitions)

    async def wait_woken(self) -> None:
        self.woken = trio.Event()
        await self.woken.wait()
