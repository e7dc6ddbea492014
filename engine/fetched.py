"""A request to an HTTP action of an app under test, without a network, and what is answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import trio
from attrs import Factory, define
from starlette.datastructures import Headers
from starlette.types import Message

from .database import Database
from .server.access import Caller
from .server.site import NO_ROUTE, NO_ROUTER, Exchange, answer, serve

HOST = "app.test"


@define(eq=False)
class Fetched:
    """What an HTTP action has answered, in full."""

    status: int = 0
    headers: Headers = Factory(Headers)
    """Names in any case; ``getlist`` for one that comes several times."""
    parts: list[bytes] = Factory(list[bytes])
    """The body, as it was sent piece by piece."""
    whole: bool = False
    """Whether the body came to its end; False if the handler failed after the response had begun."""

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        """Raises ValueError if the body is no JSON."""
        return msgspec.json.decode(self.body)

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], Headers(raw=message["headers"])
            return
        if part := message.get("body", b""):
            self.parts.append(bytes(part))
        self.whole = not message.get("more_body", False)


@define(eq=False)
class Sent:
    """The body of a request, piece by piece; then its client waits for the answer."""

    pieces: Iterator[bytes]
    ended: bool = False

    async def receive(self) -> Message:
        await trio.lowlevel.checkpoint()
        if self.ended:
            await trio.sleep_forever()
        piece = next(self.pieces, None)
        self.ended = piece is None
        return {"type": "http.request", "body": piece or b"", "more_body": not self.ended}


async def fetch(
    database: Database,
    url: str,
    method: str,
    headers: Mapping[str, str],
    body: str | bytes | Iterable[bytes],
    caller: Caller,
) -> Fetched:
    """Ask the app that runs."""
    assert url.startswith("/")
    path, _, query = url.partition("?")
    given = {"host": HOST, **{name.lower(): value for name, value in headers.items()}}
    where = unquote(path)
    scope = {
        "type": "http",
        "method": method,
        "scheme": "https",
        "path": where,
        "raw_path": quote(path, safe="/%:@!$&'()*+,;=~").encode(),
        "query_string": quote(query, safe="/%:@!$&'()*+,;=~?").encode(),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()],
    }
    pieces = iter([body.encode() if isinstance(body, str) else body] if isinstance(body, str | bytes) else body)
    fetched, router = Fetched(), database.executor.app.router
    route = router.find(method, where) if router is not None else None
    if route is None:
        problem = NO_ROUTER if router is None else NO_ROUTE
        await answer(fetched.take, 404, problem.encode(), "text/plain; charset=utf-8")
    else:
        await serve(database, Exchange(scope, Sent(pieces).receive, fetched.take), route, caller)
    if method == "HEAD":
        fetched.parts.clear()
    return fetched
