"""A client of the sync protocol that follows one query, through lost connections too.

connect ──> ClientSession.opened ──> messages ──> results
   ^                                    │
   └──── wait, longer each time <───────┘ lost
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import urlsplit

import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError, WebSocketConnection, wrap_client_stream

from ..engine.version import ENGINE_VERSION
from ..protocol.client_session import (
    INITIAL_CONNECT,
    Changed,
    ClientSession,
    IdentityRefused,
    Terminated,
)
from ..protocol.client_wire import decode_server, encode_client
from ..protocol.errors import ProtocolError
from ..protocol.limits import MESSAGE_BYTES_MAX
from ..protocol.messages import AdminToken, QueryFailed, QueryUpdated
from .errors import RequestRefused, ServerUnreachable

SESSION_BYTES = 16
CONNECT_S_MAX = 5.0
SILENCE_S_MAX = 60.0
"""The server says something every 15 s at least."""
RETRY_S_MIN = 0.2
RETRY_S_MAX = 15.0


@define(eq=False)
class LiveClient:
    url: str
    """Of the server, as ``http://host:port``."""
    admin_key: Callable[[], str | None] = field(repr=False)
    """The one that opens the server now."""
    acting_as: dict[str, object] | None
    """Attributes of the identity that the holder of the key acts as."""
    path: str
    args: dict[str, object]
    on_result: Callable[[QueryUpdated | QueryFailed], None]
    on_remark: Callable[[str], None]
    """Told when the connection is lost and when it is back."""
    entropy: Callable[[int], bytes]
    failures: int = 0
    """Attempts to connect since the last message from the server."""

    async def run(self) -> None:
        """Follow the query until cancelled.

        Raises ServerUnreachable if there is no server at first, RequestRefused if it will not have us.
        """
        session = ClientSession(self.entropy(SESSION_BYTES))
        query_id = session.subscribe(self.path, self.args)
        close_reason: str | None = INITIAL_CONNECT
        while True:
            key = self.admin_key()
            if key is not None:
                session.authenticate(AdminToken(key, self.acting_as))
            try:
                close_reason = await self.connect(session, query_id, close_reason)
            except (HandshakeError, OSError) as error:
                if close_reason == INITIAL_CONNECT:
                    raise ServerUnreachable(self.url, reason_of(error)) from error
            if not self.failures:
                self.on_remark(f"the connection to {self.url} was lost ({close_reason}); trying again")
            delay = min(RETRY_S_MIN * 2**self.failures, RETRY_S_MAX)
            self.failures += 1
            await trio.sleep(delay)

    async def connect(self, session: ClientSession, query_id: int, close_reason: str | None) -> str:
        """One connection, from its opening to its end; why it ended."""
        with fail_after(CONNECT_S_MAX):
            stream = await open_stream(self.url)
        failure: Exception | None = None
        ended = ""
        try:
            async with trio.open_nursery() as nursery:
                # Errors pass the nursery by, which would wrap them in a group.
                try:
                    with fail_after(CONNECT_S_MAX):
                        socket = await open_websocket(nursery, stream, self.url)
                    ended = await self.converse(socket, session, query_id, close_reason)
                except Exception as error:
                    failure = error
                nursery.cancel_scope.cancel()
        except ExceptionGroup as group:
            failure = failure or group.exceptions[0]  # of the websocket's own task
        finally:
            await trio.aclose_forcefully(stream)
        if failure is not None:
            raise failure
        return ended

    async def converse(
        self, socket: WebSocketConnection, session: ClientSession, query_id: int, close_reason: str | None
    ) -> str:
        session.opened(close_reason)
        try:
            await self.follow(socket, session, query_id)
        except ConnectionClosed as error:
            reason: Any = error.reason
            return str(reason.reason or reason.name) if reason is not None else "ConnectionLost"
        except trio.TooSlowError:
            return "InactiveServer"
        except ProtocolError as error:
            return str(error)
        finally:
            session.lost()

    async def follow(self, socket: WebSocketConnection, session: ClientSession, query_id: int) -> NoReturn:
        while True:
            for message in session.outgoing():
                await socket.send_message(encode_client(message).decode())
            with trio.fail_after(SILENCE_S_MAX):
                text: Any = await socket.get_message()
            facts = session.receive(decode_server(text))
            if self.failures:
                self.failures = 0
                self.on_remark(f"connected to {self.url} again")
            for fact in facts:
                match fact:
                    case Changed() if query_id in fact.query_ids:
                        self.on_result(session.results[query_id])
                    case IdentityRefused():
                        raise RequestRefused(self.url, "Unauthenticated", fact.error)
                    case Terminated():
                        raise RequestRefused(self.url, "ProtocolError", fact.error)
                    case _:
                        pass


Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


async def open_stream(url: str) -> Stream:
    """Raises OSError."""
    parts = urlsplit(url)
    assert parts.hostname is not None, url
    if parts.scheme == "https":
        stream = await trio.open_ssl_over_tcp_stream(parts.hostname, parts.port or 443, https_compatible=True)
        await stream.do_handshake()
        return stream
    return await trio.open_tcp_stream(parts.hostname, parts.port or 80)


async def open_websocket(nursery: trio.Nursery, stream: Stream, url: str) -> WebSocketConnection:
    """Raises HandshakeError."""
    parts = urlsplit(url)
    headers = [(b"Convex-Client", f"relive-{ENGINE_VERSION}".encode())]
    path = f"{parts.path.rstrip('/')}/api/sync"
    return await wrap_client_stream(
        nursery, stream, parts.netloc, path, extra_headers=headers, max_message_size=MESSAGE_BYTES_MAX
    )


@contextmanager
def fail_after(seconds: float) -> Iterator[None]:
    """Taking too long is one more reason why there is no connection."""
    try:
        with trio.fail_after(seconds):
            yield
    except trio.TooSlowError:
        raise TimeoutError(f"no answer within {seconds:.0f} s") from None


def reason_of(error: Exception) -> str:
    if isinstance(error, ConnectionRejected):
        return f"HTTP {error.status_code}"
    return str(error) or type(error).__name__
