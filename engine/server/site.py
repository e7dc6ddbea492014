"""HTTP actions: requests to the site's port, and below ``/http`` on the main one, answered by the app.

    request ──> route ──> job of an action: handler ──> Response ──> its body, while the job goes on
                              └── failed before the response began: 500, after: the connection is cut

A request that says its length twice, as a length and in chunks, is refused, and the connection closed: what stands
between may have read another one.

Nothing is added to what handlers answer: no headers for other origins, no errors made nice.  A client that
goes away does not end its handler, as with any other action; a body that it would have been sent is closed.

Invariant: what a handler raises reaches nobody but holders of the admin key, unless the server shows errors.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from typing import Any

import trio
from attrs import Factory, define, field
from starlette.datastructures import Headers
from starlette.requests import Request as RawRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...protocol import json
from ...protocol.close import ErrorClass, Refused, closing
from ...protocol.results import FunctionFailure
from ..application.http_messages import Crossing, Request, Response
from ..application.http_router import Route
from ..database import Database
from ..errors import ActionStopped, BodyTooLarge, DeploymentPaused, DeploymentSealed, RequestGone, TooManyActions
from ..execution.calls import Call
from ..execution.calls import Request as CallRequest
from ..transactions.action_context import ActionCtx
from .access import Access, Caller

logger = logging.getLogger("relive")

PREFIX = "/http"
NO_ROUTER = "This Convex deployment does not have HTTP actions enabled."
NO_ROUTE = "No matching routes found"
HOST_CHARS_MAX = 512
PARTS_AHEAD_MAX = 16
"""Parts of a body that wait for the handler; the client is not read from while there are more."""


def beside(main: ASGIApp, site: Site) -> ASGIApp:
    """The application of the main port: everything below ``/http`` belongs to the app."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if is_ambiguous(scope):
            await refuse_ambiguous(send)
            return
        path = scope["path"] if scope["type"] == "http" else ""
        if path != PREFIX and not path.startswith(f"{PREFIX}/"):
            await main(scope, receive, send)
            return
        raw: bytes = scope["raw_path"]
        shorter = raw[len(PREFIX) :] if raw.startswith(PREFIX.encode()) else path[len(PREFIX) :].encode()
        inner = {**scope, "path": path[len(PREFIX) :] or "/", "raw_path": shorter or b"/"}
        await site(inner, receive, send)

    return serve


@define(eq=False)
class Site:
    database: Database
    access: Access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if is_ambiguous(scope):
            await refuse_ambiguous(send)
            return
        router, method, path = self.database.executor.app.router, scope["method"], scope["path"]
        if router is None:
            await answer(send, 404, NO_ROUTER.encode(), "text/plain; charset=utf-8")
            return
        route = router.find(method, path)
        if route is None:
            await answer(send, 404, NO_ROUTE.encode(), "text/plain; charset=utf-8")
            return
        caller = await self.caller(RawRequest(scope))
        await serve(self.database, Exchange(scope, receive, send), route, caller)

    async def caller(self, request: RawRequest) -> Caller:
        """Who asks.  Credentials that are none of ours are for the handler to judge."""
        if "authorization" not in request.headers:
            return Caller(False, None)
        try:
            return await self.access.caller(request)
        except Refused:
            return Caller(False, None)


@define(eq=False)
class Exchange:
    """One request and its response; the source of the request's body."""

    scope: Scope
    raw_receive: Receive
    send: Send
    begun: bool = False
    """Whether the response is on its way."""
    is_too_large: bool = False
    """Whether the body was longer than the handler may collect."""
    over: bool = False
    """Whether the action has an outcome: code of it that still runs may send nothing more."""
    left: trio.Event = Factory(trio.Event)
    """Set when the client has gone away."""
    parts: trio.MemorySendChannel[bytes] = field(init=False)
    body: trio.MemoryReceiveChannel[bytes] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.parts, self.body = trio.open_memory_channel[bytes](PARTS_AHEAD_MAX)

    @property
    def gone(self) -> bool:
        return self.left.is_set()

    async def wait_gone(self) -> None:
        await self.left.wait()

    async def pump(self) -> None:
        """Take from the connection what is read, and notice when it ends."""
        with self.parts:
            while (message := await self.raw_receive())["type"] == "http.request":
                await self.hand_on(message)
            self.left.set()
        await trio.sleep_forever()

    async def hand_on(self, message: Message) -> None:
        part: bytes = message.get("body", b"")
        if part:
            with suppress(trio.BrokenResourceError):  # Nobody reads it any more.
                await self.parts.send(part)
        if not message.get("more_body", False):
            self.parts.close()

    async def receive(self) -> bytes:
        try:
            return await self.body.receive()
        except trio.EndOfChannel:
            if self.gone:
                raise RequestGone() from None
            return b""

    async def run(self, route: Route, ctx: ActionCtx) -> None:
        """The action: the handler, then the body of its response."""
        cross: Crossing = ctx._run.cross
        headers = Headers(scope=self.scope)
        request = Request(self.scope["method"], url_of(self.scope, headers), self.scope["path"], headers, self, cross)
        try:
            response: object = await route.handler.handler(ctx, request)
        except BodyTooLarge:
            self.is_too_large = True
            raise
        if not isinstance(response, Response):
            raise TypeError(f"an HTTP action returns a Response, not {type(response).__name__}")
        # What was changed since it was made is checked, too: nothing may break out of its line.
        checked = Response(response.body, status=response.status, headers=response.headers)
        await self.respond(checked, cross)

    async def respond(self, response: Response, cross: Crossing) -> None:
        body = response.body
        if body is None or isinstance(body, str | bytes):
            data = body.encode() if isinstance(body, str) else body or b""
            await cross(partial(self.begin, response, data))
            return
        await cross(partial(self.begin, response, None))
        chunks = aiter(body)
        try:
            async for chunk in chunks:
                if self.gone:
                    return
                if data := data_of(chunk):
                    await cross(partial(self.go_on, data))
        finally:
            if (close := getattr(chunks, "aclose", None)) is not None:
                await close()
        await cross(partial(self.go_on, b"", more=False))

    async def begin(self, response: Response, body: bytes | None) -> None:
        """Send the head, and the body if all of it is here."""
        headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
        if body is not None:
            headers.append((b"content-length", str(len(body)).encode()))
        if self.over:
            raise RequestGone()
        self.begun = True
        await self.send({"type": "http.response.start", "status": response.status, "headers": headers})
        if body is not None:
            await self.send({"type": "http.response.body", "body": body})

    async def go_on(self, chunk: bytes, more: bool = True) -> None:
        """Send a part of the body."""
        if self.over:
            raise RequestGone()
        await self.send({"type": "http.response.body", "body": chunk, "more_body": more})


async def serve(database: Database, exchange: Exchange, route: Route, caller: Caller) -> None:
    """Run the handler of a route, and answer with what it gives."""
    actions = database.actions
    id = actions.executor.fresh_request_id()
    call = Call(route.name, [{}], admin=caller.admin, cause="http", identity=caller.identity)

    async def run(ctx: ActionCtx) -> None:
        await exchange.run(route, ctx)

    endpoint = route.endpoint(run)
    try:
        job = actions.serve(call, CallRequest("http", None, 0, id), endpoint, id)
    except DeploymentSealed as error:  # Not for a while, as the others.
        ended = closing(Refused(ErrorClass.FORBIDDEN, type(error).__name__, str(error)))
        await answer(exchange.send, ended.http_status, ended.http_body, "application/json")
        return
    except (ActionStopped, DeploymentPaused, TooManyActions) as error:
        ended = closing(Refused(ErrorClass.OVERLOADED, type(error).__name__, str(error)))
        await answer(exchange.send, ended.http_status, ended.http_body, "application/json")
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange.pump)
        outcome = await job.wait()
        exchange.over = True
        nursery.cancel_scope.cancel()
    if isinstance(outcome, FunctionFailure) and not exchange.begun:
        status = 413 if exchange.is_too_large else 500
        await answer(exchange.send, status, failure_json(outcome), "application/json")


def data_of(chunk: object) -> bytes:
    """Raises TypeError for what is neither text nor bytes."""
    if isinstance(chunk, str):
        return chunk.encode()
    if not isinstance(chunk, bytes | bytearray | memoryview):
        raise TypeError(f"the body of a response yields str or bytes, not {type(chunk).__name__}")
    return bytes(chunk)


def url_of(scope: Scope, headers: Headers) -> str:
    """As the client wrote it, as far as what stands between tells."""
    scheme = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower() or forwarded_scheme(headers)
    if scheme not in ("http", "https"):
        scheme = scope["scheme"]
    host = headers.get("host", "")[:HOST_CHARS_MAX] or "localhost"
    query = scope["query_string"].decode("latin-1")
    return f"{scheme}://{host}{scope['raw_path'].decode('latin-1')}{f'?{query}' if query else ''}"


def forwarded_scheme(headers: Headers) -> str:
    """The first ``proto=`` of a Forwarded header."""
    for part in headers.get("forwarded", "").partition(",")[0].split(";"):
        name, _, value = part.strip().partition("=")
        if name.lower() == "proto":
            return value.strip('" ').lower()
    return ""


def failure_json(failure: FunctionFailure) -> bytes:
    """A code that names the request; lines of code and data only as far as the client may see them."""
    head, _, trace = failure.message.partition("\n")
    tree: dict[str, Any] = {"code": f"{head}: {trace.partition(chr(10))[0]}" if trace else head, "trace": trace or None}
    if failure.data is not None:
        tree["data"] = json.parse(failure.data)
    return json.dump(tree)


def is_ambiguous(scope: Scope) -> bool:
    """Whether a request says in two ways how long it is (RFC 9112, section 6.1)."""
    return scope["type"] == "http" and {b"content-length", b"transfer-encoding"} <= {
        name for name, _ in scope["headers"]
    }


async def refuse_ambiguous(send: Send) -> None:
    problem = "a request has a Content-Length or a Transfer-Encoding, not both"
    body = json.dump({"code": "BadRequest", "message": problem})
    await answer(send, 400, body, "application/json", (b"connection", b"close"))


async def answer(send: Send, status: int, body: bytes, media_type: str, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
