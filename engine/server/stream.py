"""A socket whose first bytes were read already, and whose writers take turns.

Both trio-websocket (handshake, pongs, close) and our own writer send on it; a frame is never cut
in two by another.
"""

from __future__ import annotations

from contextlib import suppress

import trio
from attrs import Factory, define

from ..env import Env

SEND_BYTES = 256 * 1024
SMALL_BYTES = 7
"""Read at once where a simulation wants little to be read."""
SEND_S_MAX = 120.0
"""How long a peer may leave so many bytes unread."""


@define(eq=False, slots=False)
class SharedStream(trio.abc.HalfCloseableStream):
    stream: trio.SocketStream
    env: Env
    head: bytes = b""
    """What was read before and is given out again."""
    rest: bytes = b""
    """What `send_now` could not send: it goes out before anything else."""
    turn: trio.Lock = Factory(trio.Lock)
    heard_ns: int = Factory(lambda self: self.env.monotonic_ns(), takes_self=True)
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
        if self.env.buggify("a small read"):
            max_bytes = SMALL_BYTES
        received = bytes(await self.stream.receive_some(max_bytes))
        self.heard_ns = self.env.monotonic_ns()
        return received

    def send_now(self, data: bytes) -> bool:
        """Send what the socket takes at once and keep the rest, so that nobody's frame comes between.

        True if all was sent; otherwise somebody has to call `send_all`, which also raises what went
        wrong.  Never waits: for small messages this spares waking a task.
        """
        sent = 0
        if not self.turn.locked() and not self.rest:
            with suppress(OSError):
                part = data[: len(data) // 2] if self.env.buggify("a small write") else data
                sent = self.env.write_now(self.stream, part)
        self.rest += data[sent:]
        return not self.rest

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Raises BrokenResourceError too if the peer takes nothing for `SEND_S_MAX`."""
        async with self.turn:
            if self.rest:
                data, self.rest = self.rest + data, b""
            for start in range(0, len(data), SEND_BYTES):
                with trio.move_on_after(SEND_S_MAX) as patience:
                    await self.stream.send_all(memoryview(data)[start : start + SEND_BYTES])
                if patience.cancelled_caught:
                    await trio.aclose_forcefully(self.stream)
                    raise trio.BrokenResourceError("the peer does not read")

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        async with self.turn:
            await self.stream.send_eof()

    async def aclose(self) -> None:
        await self.stream.aclose()
