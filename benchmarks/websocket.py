"""The client's end of a websocket, as light as it can be (RFC 6455).

No events, no classes of frames, no masking: the mask is all zeros, which costs the server exactly as
much to remove as any other, and the client nothing to apply.
"""

from __future__ import annotations

import contextlib
import socket
from struct import pack, unpack_from

from attrs import define

HOST = "127.0.0.1"
RECEIVE_BYTES = 256 * 1024
ANSWER_S_MAX = 30.0
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
FIN = 0x80
NO_MASK = b"\x00\x00\x00\x00"
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: cmVsaXZlIGJlbmNobWFyaw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Closed(Exception):
    """The server ended the connection, which no measurement expects."""


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A whole message of at most 64 kB in one masked frame."""
    length = len(payload)
    if length < 126:
        return bytes((FIN | opcode, 0x80 | length)) + NO_MASK + payload
    return pack(">BBH", FIN | opcode, 0x80 | 126, length) + NO_MASK + payload


@define(eq=False)
class Link:
    """One open websocket.  Sockets do not block, unless ``wait`` is called."""

    socket: socket.socket
    rest: bytes = b""
    """The beginning of a frame whose end has not arrived."""

    @classmethod
    def open(cls, port: int, path: str) -> Link:
        """Connect and shake hands.  Raises OSError or Closed."""
        link = cls(socket.create_connection((HOST, port), ANSWER_S_MAX))
        try:
            link.shake_hands(path)
        except BaseException:
            link.socket.close()
            raise
        return link

    def shake_hands(self, path: str) -> None:
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(UPGRADE.format(path=path).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = self.socket.recv(RECEIVE_BYTES)
            if not data:
                raise Closed(f"no answer to the upgrade: {answer!r}")
            answer += data
        head, _, self.rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in head:
            raise Closed(head.decode("latin-1"))
        self.socket.setblocking(False)

    def send(self, data: bytes) -> None:
        """Send frames that fit into the socket's buffer, as those of a waiting client do."""
        sent = self.socket.send(data)
        assert sent == len(data), (sent, len(data))

    def receive(self) -> list[bytes]:
        """The text messages that have arrived whole; call it when the socket is readable."""
        received = self.socket.recv(RECEIVE_BYTES)
        if not received:
            raise Closed("the server closed the connection")
        data = self.rest + received if self.rest else received
        messages: list[bytes] = []
        start, end = 0, len(data)
        while end - start >= 2:
            length, body = data[start + 1], start + 2
            if length >= 126:
                body += 2 if length == 126 else 8
                if end < body:
                    break
                (length,) = unpack_from(">H" if length == 126 else ">Q", data, start + 2)
            if end < body + length:
                break
            first, start = data[start], body + length
            if first == FIN | TEXT:
                messages.append(data[body:start])
            else:
                self.control(first, data[body:start])
        self.rest = data[start:] if start < end else b""
        return messages

    def control(self, first: int, payload: bytes) -> None:
        if first == FIN | PING:
            self.send(frame(payload, PONG))
        elif first != FIN | PONG:
            raise Closed(f"frame {first:#x}: {payload[:200]!r}")

    def wait(self) -> list[bytes]:
        """The next messages, at least one.  Raises TimeoutError."""
        self.socket.settimeout(ANSWER_S_MAX)
        try:
            messages: list[bytes] = []
            while not messages:
                messages = self.receive()
            return messages
        finally:
            self.socket.setblocking(False)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.send(frame(b"\x03\xe8", CLOSE))
        self.socket.close()
