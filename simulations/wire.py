"""A simulated connection as bytes: websocket frames and HTTP, for the server's own listener.

    client ──> FramingPipe ──> bytes ──> ServerStream ──> the server's listener, websocket and HTTP
    client <── UnframingPipe <── bytes <──────┘

The client's end is small on purpose: what it sends is right, and what it is sent must be.  Its frames are
masked with zeros, which is a mask like any other and leaves them readable.
"""

from __future__ import annotations

import errno
import socket as real_socket
from collections import deque
from collections.abc import Callable
from struct import pack, unpack_from
from typing import Any, Final, cast

import trio
from attrs import Factory, define, field

from ..engine.env import Listening
from .network import Link, Pipe

CONTINUATION, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA
FIN: Final = 0x80
MASKED: Final = 0x80
NO_MASK: Final = bytes(4)
END_OF_HEAD: Final = b"\r\n\r\n"
HOST: Final = "simulation"
PORT: Final = 3210
KEY: Final = "c2ltdWxhdGVkIGNsaWVudA=="
ACCEPTED: Final = b"HTTP/1.1 101 "
UPGRADE: Final = (
    "GET /api/1.31.2/sync HTTP/1.1\r\nHost: simulation\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
).encode()


def frame(opcode: int, payload: bytes) -> bytes:
    """As clients send it (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < 126:
        head = bytes((FIN | opcode, MASKED | length))
    elif length < 65_536:
        head = pack(">BBH", FIN | opcode, MASKED | 126, length)
    else:
        head = pack(">BBQ", FIN | opcode, MASKED | 127, length)
    return head + NO_MASK + payload


def parsed(data: bytes) -> tuple[int, bool, bytes, int] | None:
    """Opcode, whether it is the last of its message, payload, bytes used; None if more must come first."""
    if len(data) < 2:
        return None
    length, start = data[1] & 0x7F, 2
    wider = {126: 2, 127: 8}.get(length, 0)
    if len(data) < start + wider:
        return None
    if wider:
        length, start = int(unpack_from(">H" if wider == 2 else ">Q", data, start)[0]), start + wider
    if len(data) < start + length:
        return None
    return data[0] & 0x0F, bool(data[0] & FIN), data[start : start + length], start + length


@define(eq=False)
class FramingPipe(Pipe):
    """Towards the server: a message becomes a frame, once the server has accepted the upgrade."""

    held: list[bytes] | None = Factory(list[bytes])
    """Until then."""

    def send(self, text: bytes) -> None:
        if self.held is not None:
            self.held.append(text)
        else:
            self.send_bytes(frame(TEXT, text))

    def go_on(self) -> None:
        held, self.held = self.held or [], None
        for text in held:
            self.send(text)

    def send_bytes(self, data: bytes) -> None:
        Pipe.send(self, data)


@define(eq=False)
class UnframingPipe(Pipe):
    """From the server: frames become messages; at what no client understands it ends."""

    reply: Callable[[bytes], None] = lambda data: None
    accepted: Callable[[], None] = lambda: None
    objected: Callable[[str], None] = lambda problem: None
    data: bytes = b""
    parts: list[bytes] = Factory(list[bytes])
    is_accepted: bool = False
    is_over: bool = False

    async def receive(self) -> bytes | None:
        """The next message; None once there will be no more."""
        while not self.is_over:
            message = self.next_message()
            if message is not None:
                return message
            if self.is_over:
                break
            data = await Pipe.receive(self)
            if data is None:
                return None
            self.data += data
        return None

    def next_message(self) -> bytes | None:
        if not self.is_accepted:
            head, found, rest = self.data.partition(END_OF_HEAD)
            if not found:
                return None
            if not head.startswith(ACCEPTED):
                self.object(f"the upgrade was answered with {head[:60]!r}")
                return None
            self.is_accepted, self.data = True, rest
            self.accepted()
        while (found_frame := parsed(self.data)) is not None:
            opcode, is_last, payload, used = found_frame
            self.data = self.data[used:]
            if opcode in (TEXT, CONTINUATION):
                self.parts.append(payload)
                if is_last:
                    message, self.parts = b"".join(self.parts), []
                    return message
            elif opcode == PING:
                self.reply(frame(PONG, payload))
            elif opcode == CLOSE:
                self.reply(frame(CLOSE, payload[:2]))
                self.is_over = True
                return None
            elif opcode != PONG:
                self.object(f"a frame of kind {opcode}")
                return None
        return None

    def object(self, problem: str) -> None:
        self.objected(problem)
        self.is_over = True


def websocket_link(
    client: int, pipe: Callable[[type[Pipe], int], Any], objected: Callable[[str], None], window: int
) -> Link:
    """A connection that asks for an upgrade, and then speaks in frames."""
    to_server = pipe(FramingPipe, 2**30)
    to_client = pipe(UnframingPipe, window)
    to_client.reply, to_client.accepted, to_client.objected = to_server.send_bytes, to_server.go_on, objected
    to_server.send_bytes(UPGRADE)
    return Link(client, to_server, to_client)


@define(eq=False)
class Address:
    """What there is of a socket."""

    close_stream: Callable[[], None]
    family: int = real_socket.AF_INET

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 3210)

    def getpeername(self) -> tuple[str, int]:
        return ("127.0.0.1", 50_000)

    def close(self) -> None:
        self.close_stream()


@define(eq=False, slots=False)
class ServerStream(trio.abc.HalfCloseableStream):
    """The server's end of a link, as its listener knows streams."""

    link: Link
    waited: Callable[[], None] = lambda: None
    """Told whenever the server must wait for the client."""
    rest: bytes = b""
    is_closed: bool = False
    socket: Address = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.socket = Address(self.close_now)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self.is_closed:
            raise trio.ClosedResourceError
        if not self.rest:
            data = await Pipe.receive(self.link.to_server)
            if self.is_closed:
                raise trio.ClosedResourceError
            if data is None:
                return b""
            self.rest = data
        else:
            await trio.lowlevel.checkpoint()
        count = max_bytes or len(self.rest)
        given, self.rest = self.rest[:count], self.rest[count:]
        return given

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        to_client = self.link.to_client
        if len(to_client.under_way) >= to_client.window:
            self.waited()
        await to_client.wait_room()
        if self.is_closed:
            raise trio.ClosedResourceError
        if to_client.is_closed:
            raise trio.BrokenResourceError
        if data:
            to_client.send(bytes(data))

    def write_now(self, data: bytes) -> int:
        """What there is room for: everything or nothing.  Raises OSError."""
        to_client = self.link.to_client
        if self.is_closed or to_client.is_closed:
            raise OSError(errno.EPIPE, "broken pipe")
        if len(to_client.under_way) >= to_client.window:
            raise BlockingIOError(errno.EAGAIN, "no room")
        to_client.send(data)
        return len(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.link.to_client.wait_room()

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_closed:
            raise trio.ClosedResourceError
        self.link.to_client.close()

    async def aclose(self) -> None:
        self.close_now()
        await trio.lowlevel.checkpoint()

    def close_now(self) -> None:
        """What is under way arrives; the server neither hears nor says any more."""
        self.is_closed = True
        self.link.to_client.close()
        self.link.to_server.cut()


def write_now(stream: Any, data: bytes) -> int:
    """What `Env.write_now` is in a simulation."""
    written: int = stream.write_now(data)
    return written


@define(eq=False, slots=False)
class Door(trio.abc.Listener[Any]):
    """A port of the simulated network."""

    waiting: deque[ServerStream] = Factory(deque[ServerStream])
    knocked: trio.Event = Factory(trio.Event)

    def knock(self, stream: ServerStream) -> None:
        self.waiting.append(stream)
        self.knocked.set()
        self.knocked = trio.Event()

    async def accept(self) -> ServerStream:
        await trio.lowlevel.checkpoint()
        while not self.waiting:
            await self.knocked.wait()
        return self.waiting.popleft()

    async def aclose(self) -> None:
        for stream in self.waiting:
            stream.link.cut()
        await trio.lowlevel.checkpoint()

    async def listen(self, host: str, port: int) -> Listening:
        """What `Env.listen` is in a simulation."""
        return Listening(f"http://{host}:{port}", [cast(Any, self)])
