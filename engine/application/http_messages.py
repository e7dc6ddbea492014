"""What an HTTP action is given and what it gives back: a request and a response, bodies of both as streams.

Invariants
    * A body is read once, by whoever reads it first; what was collected may be had again.
    * A response that exists can be sent: its status is one, and no header breaks out of its line.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec
from attrs import frozen
from starlette.datastructures import Headers, QueryParams

from ..errors import BodyTooLarge
from ..limits import HTTP_ACTION_BODY_BYTES_MAX

NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
OURS = frozenset({"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})
"""Headers that say how the message itself is sent: not for handlers."""
STATUS_MIN, STATUS_MAX = 200, 599
BODILESS = frozenset({204, 205, 304})

Chunks = AsyncIterable[bytes | str]


class Source(Protocol):
    """Where the body of a request comes from, and who is at the other end."""

    async def receive(self) -> bytes:
        """What comes next; nothing at the end.  Raises RequestGone."""
        ...

    @property
    def gone(self) -> bool: ...

    async def wait_gone(self) -> None: ...


Crossing = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""Does something where the server runs, for a handler that may run elsewhere."""


@frozen(eq=False)
class Parts:
    """A body as it comes.  No generator, so that whoever stops early has nothing to close."""

    source: Source
    cross: Crossing

    def __aiter__(self) -> Parts:
        return self

    async def __anext__(self) -> bytes:
        part: bytes = await self.cross(self.source.receive)
        if not part:
            raise StopAsyncIteration
        return part


class Request:
    """One request, as the client sent it."""

    def __init__(self, method: str, url: str, path: str, headers: Headers, source: Source, cross: Crossing) -> None:
        self.method = method
        self.url = url
        """In full, as the client knows it."""
        self.path = path
        """Decoded, without the ``/http`` of the main port."""
        self.headers = headers
        """Names in any case; ``getlist`` for one that comes several times."""
        self.query = QueryParams(url.partition("#")[0].partition("?")[2])
        self._source = source
        self._cross = cross
        self._begun = False
        self._body: bytes | None = None

    def __repr__(self) -> str:
        return f"<{self.method} {self.path}>"

    def stream(self) -> AsyncIterator[bytes]:
        """The body, piece by piece as it comes, of any length.  Once.

        Raises RequestGone if the client goes away before its end, RuntimeError the second time.
        """
        if self._begun:
            raise RuntimeError("the body of the request was read already: keep what `await request.bytes()` gave")
        self._begun = True
        return Parts(self._source, self._cross)

    async def bytes(self) -> bytes:
        """The whole body.  Raises BodyTooLarge, RequestGone."""
        if self._body is None:
            parts, length = [], 0
            async for part in self.stream():
                length += len(part)
                if length > HTTP_ACTION_BODY_BYTES_MAX:
                    raise BodyTooLarge(HTTP_ACTION_BODY_BYTES_MAX)
                parts.append(part)
            self._body = b"".join(parts)
        return self._body

    async def text(self) -> str:
        """The whole body as UTF-8; what is not becomes U+FFFD.  Raises BodyTooLarge, RequestGone."""
        return (await self.bytes()).decode("utf-8", "replace")

    async def json(self) -> Any:
        """The whole body as JSON.  Raises ValueError if it is none, BodyTooLarge, RequestGone."""
        try:
            return msgspec.json.decode(await self.bytes())
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"the body of the request is no JSON: {error}") from None

    @property
    def is_gone(self) -> bool:
        """Whether the client has gone away.  The handler goes on: what it began may matter to others."""
        return self._source.gone

    async def wait_gone(self) -> None:
        """Until the client has gone away, for handlers that have nothing to do then."""
        await self._cross(self._source.wait_gone)


class Response:
    """What is answered.  Raises ValueError for what cannot be sent.

    Response("created", status=201)
    Response.json({"id": id}, headers={"access-control-allow-origin": "*"})
    Response(lines(), content_type="text/event-stream")     # an async generator: sent as it yields
    """

    def __init__(
        self,
        body: str | bytes | Chunks | None = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        content_type: str | None = None,
    ) -> None:
        if not (isinstance(status, int) and STATUS_MIN <= status <= STATUS_MAX):
            raise ValueError(f"the status of a response is from {STATUS_MIN} to {STATUS_MAX}, not {status!r}")
        if body is not None and not isinstance(body, str | bytes | AsyncIterable):
            raise ValueError(f"the body of a response is str, bytes or an async iterator, not {type(body).__name__}")
        if status in BODILESS and body:
            raise ValueError(f"a response with status {status} has no body")
        self.body = body
        self.status = status
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        self.headers: tuple[tuple[str, str], ...] = tuple(checked_header(name, value) for name, value in pairs)
        if content_type is not None:
            self.headers += (checked_header("content-type", content_type),)
        elif isinstance(body, str) and "content-type" not in {name for name, _ in self.headers}:
            self.headers += (("content-type", "text/plain; charset=utf-8"),)

    @classmethod
    def json(
        cls, value: object, *, status: int = 200, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()
    ) -> Response:
        """A value, or a document, as plain JSON.  Raises TypeError for what JSON cannot say."""
        return cls(msgspec.json.encode(value), status=status, headers=headers, content_type="application/json")

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


def checked_header(name: str, value: str) -> tuple[str, str]:
    """With its name in lower case.  Raises ValueError."""
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} cannot be the name of a header")
    if name.lower() in OURS:
        raise ValueError(f"the header `{name}` is the server's own: it knows how the response is sent")
    if not isinstance(value, str) or VALUE.fullmatch(value) is None:
        raise ValueError(f"the value of the header `{name}` is text of one line, not {value!r}")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"the value of the header `{name}` has characters that no header can hold") from None
    return name.lower(), value.strip(" \t")
