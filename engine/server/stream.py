"""A socket whose first bytes were read already, and whose writers take turns.

Both trio-websocket (handshake, pongs, close) and our own writer send on it; a frame is never cut
in two by another.
"""

from __future__ import annotations

import trio
from attrs import Factory, define

from ..determinism.real import real_monotonic_ns


@define(eq=False, slots=False)
class SharedStream(trio.abc.HalfCloseableStream):
    stream: trio.SocketStream
    head: bytes = b""
    """What was read before and is given out again."""
    turn: trio.Lock = Factory(trio.Lock)
    heard_ns: int = Factory(real_monotonic_ns)
    """When the peer last sent anything."""

    @property
    def socket(self) -> trio.socket.SocketType:
        return self.stream.socket

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self.head:
            count = max_bytes or len(self.head)
            data, self.head = self.head[:count], self.head[count:]
            await trio.lowlevel.checkpoint()
            return data
        received = bytes(await self.stream.receive_some(max_bytes))
        self.heard_ns = real_monotonic_ns()
        return received

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        async with self.turn:
            await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def aclose(self) -> None:
        await self.stream.aclose()
