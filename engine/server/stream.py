"""A socket whose first bytes were read already, and whose writers take turns.

Both trio-websocket (handshake, pongs, close) and our own writer send on it; a frame is never cut
in two by another.
"""

from __future__ import annotations

import trio
from attrs import Factory, define

from ..determinism.real import real_monotonic_ns, real_write

SEND_BYTES = 256 * 1024
SEND_S_MAX = 120.0
"""How long a peer may leave so many bytes unread."""


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

    def send_now(self, data: bytes) -> int:
        """Send what the socket takes at once; how many bytes that was.  Never waits.

        For small messages this spares waking a task.  An error is left to the next `send_all`.
        """
        if self.turn.locked():
            return 0
        try:
            return real_write(self.stream.socket.fileno(), data)
        except OSError:
            return 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Raises BrokenResourceError too if the peer takes nothing for `SEND_S_MAX`."""
        async with self.turn:
            for start in range(0, len(data), SEND_BYTES):
                with trio.move_on_after(SEND_S_MAX) as patience:
                    await self.stream.send_all(memoryview(data)[start : start + SEND_BYTES])
                if patience.cancelled_caught:
                    await trio.aclose_forcefully(self.stream)
                    raise trio.BrokenResourceError("the peer does not read")

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def aclose(self) -> None:
        await self.stream.aclose()
