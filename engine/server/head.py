"""The head of a request, read from a stream before anybody knows who will speak on it."""

from __future__ import annotations

import h11
import msgspec
import trio

HEAD_BYTES_MAX = 64 * 1024
RECEIVE_BYTES = 64 * 1024


async def read_head(stream: trio.SocketStream, seconds: float) -> tuple[bytes, h11.Request | None]:
    """The bytes of a request up to its head at least, and the head; None if there is none in time."""
    parser, head = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX), b""
    with trio.move_on_after(seconds):
        while True:
            data = bytes(await stream.receive_some(RECEIVE_BYTES))
            if not data:
                return head, None
            head += data
            try:
                parser.receive_data(data)
                event = parser.next_event()
            except h11.RemoteProtocolError:
                return head, None
            if isinstance(event, h11.Request):
                return head, event
    return head, None


async def refuse(stream: trio.abc.SendStream, status: int, code: str, problem: str) -> None:
    """An HTTP answer on a stream that nobody else speaks on, then its end."""
    body = msgspec.json.encode({"code": code, "message": problem})
    head = f"HTTP/1.1 {status} {code}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    await stream.send_all(head.encode() + b"connection: close\r\n\r\n" + body)
    await stream.aclose()
