"""The routes of the HTTP API, as the Convex clients and curl use them.

    POST /api/query, /api/mutation, /api/function, /api/run/...    run a function
    POST /api/query_ts, /api/query_at_ts, /api/query_batch         several reads of one moment
    GET  /version, /instance_name, /api/check_admin_key            about this server

A function that fails is answered with status 200 and says so; other statuses are for requests that
never reached a function, and carry ``{"code", "message"}``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from attrs import define
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ...actors.errors import WritesRefused
from ...protocol import json, timestamps
from ...protocol.close import ErrorClass, Refused, closing
from ...protocol.errors import InvalidValue, ReliveError
from ...protocol.limits import HTTP_BODY_BYTES_MAX
from ...protocol.results import FunctionFailure, MutationSuccess, QueryFailure, QueryResult, QuerySuccess
from ..admin_key import AdminKey
from ..calls import Call, Evaluated, Outcome, path_of
from ..calls import Request as MutationRequest
from ..database import Database
from ..errors import FunctionNotFound, TooLongAgo
from ..version import ENGINE_VERSION
from .formats import FORMATS, default_format_of, failure_json, success_json

CORS_AGE_S = 86_400
METHODS = ["GET", "POST", "OPTIONS", "PATCH", "DELETE", "PUT"]
QUERIES_PER_BATCH_MAX = 1_000
AUTHORIZATION_CHARS_MIN = 7
Handler = Callable[[Request], Awaitable[Response]]


def routes(database: Database, admin_key: AdminKey, instance_name: str) -> Starlette:
    """The HTTP application."""
    api = Api(database, admin_key, instance_name)
    app = Starlette(
        routes=[
            Route("/", api.banner, methods=["GET"]),
            Route("/version", api.version, methods=["GET"]),
            Route("/instance_name", api.name, methods=["GET"]),
            Route("/instance_version", api.version, methods=["GET"]),
            Route("/api/query", api.query, methods=["GET", "POST"]),
            Route("/api/mutation", api.mutation, methods=["POST"]),
            Route("/api/action", api.action, methods=["POST"]),
            Route("/api/function", api.function, methods=["POST"]),
            Route("/api/run/{path:path}", api.run, methods=["POST"]),
            Route("/api/query_ts", api.query_ts, methods=["POST"]),
            Route("/api/query_at_ts", api.query_at_ts, methods=["POST"]),
            Route("/api/query_batch", api.query_batch, methods=["POST"]),
            Route("/api/check_admin_key", api.check_admin_key, methods=["GET"]),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origin_regex=".*",
                allow_credentials=True,
                allow_methods=METHODS,
                allow_headers=["*"],
                max_age=CORS_AGE_S,
            )
        ],
    )
    app.router.redirect_slashes = False
    # Errors that we raise on purpose become answers; anything else is our own failure, and logged.
    app.add_exception_handler(ReliveError, refused)
    app.add_exception_handler(Exception, refused)
    app.add_exception_handler(ClientDisconnect, nobody_listens)
    app.add_exception_handler(404, no_such_route)
    app.add_exception_handler(405, no_such_route)
    return app


async def refused(request: Request, error: Exception) -> Response:
    if isinstance(error, WritesRefused):
        error = Refused(ErrorClass.OVERLOADED, "DiskFull", error.problem)
    if isinstance(error, TooLongAgo):
        error = Refused(ErrorClass.OVERLOADED, "OutOfRetention", str(error))
    ended = closing(error)
    return Response(ended.http_body, ended.http_status, media_type="application/json")


async def nobody_listens(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def no_such_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    code = "NotFound" if status == 404 else "MethodNotAllowed"
    body = json.dump({"code": code, "message": f"there is no {request.method} {request.url.path}"})
    return Response(body, status, media_type="application/json")


@define(eq=False)
class Body:
    """What a request asks for, checked."""

    call: Call
    encode: Callable[[bytes], bytes]
    """From Convex JSON to the format asked for."""
    ts: int | None


@define(eq=False)
class Api:
    database: Database
    admin_key: AdminKey
    instance_name: str

    async def banner(self, request: Request) -> Response:
        return PlainTextResponse(f"relive {ENGINE_VERSION} serves {self.instance_name} here.\n")

    async def version(self, request: Request) -> Response:
        return PlainTextResponse(ENGINE_VERSION)

    async def name(self, request: Request) -> Response:
        return PlainTextResponse(self.instance_name)

    async def check_admin_key(self, request: Request) -> Response:
        self.require_admin(request)
        return answer({"success": True, "allowedOps": ["*"], "isReadOnly": False})

    async def query(self, request: Request) -> Response:
        if request.method == "GET":
            body = self.body_of(request, self.tree_of_parameters(request))
        else:
            body = await self.body(request)
        return await self.run_query(body)

    async def mutation(self, request: Request) -> Response:
        return await self.run_mutation(await self.body(request))

    async def action(self, request: Request) -> Response:
        body = await self.body(request)
        failure = self.database.executor.refuse_action(body.call.path, body.call.admin)
        return raw(failed_json(failure, body))

    async def function(self, request: Request) -> Response:
        """Any function, internal ones too; for holders of the admin key."""
        self.require_admin(request)
        return await self.run_any(await self.body(request))

    async def run(self, request: Request) -> Response:
        module, _, function = request.path_params["path"].rpartition("/")
        tree = await self.tree(request)
        tree["path"] = f"{module}:{function}" if module else function
        return await self.run_any(self.body_of(request, tree, default_format="json"))

    async def run_any(self, body: Body) -> Response:
        try:
            kind = self.database.executor.kind_of(body.call)
        except FunctionNotFound:
            kind = "query"  # Running it will say that there is none.
        return await (self.run_mutation(body) if kind == "mutation" else self.run_query(body))

    async def query_ts(self, request: Request) -> Response:
        """The newest moment that can be read again and again for a while."""
        tail = self.database.runtime.tail
        ts = tail.head_ts
        await self.database.runtime.wait_durable(tail.head)
        return answer({"ts": timestamps.to_wire(ts)})

    async def query_at_ts(self, request: Request) -> Response:
        body = await self.body(request)
        if body.ts is None:
            raise Refused(ErrorClass.BAD_REQUEST, "BadQueryArgs", "`ts` is missing: ask /api/query_ts for one")
        overlay, lsn = self.database.past(body.ts)
        evaluated = self.database.executor.query(body.call, overlay, lsn)
        return await self.queried(evaluated, body)

    async def query_batch(self, request: Request) -> Response:
        tree = await self.tree(request)
        queries = tree.get("queries")
        if not isinstance(queries, list) or len(queries) > QUERIES_PER_BATCH_MAX:
            problem = f"`queries` is an array of at most {QUERIES_PER_BATCH_MAX} queries"
            raise Refused(ErrorClass.BAD_REQUEST, "BadJsonBody", problem)
        bodies = [self.body_of(request, query) for query in queries]
        # No suspension in between: all of them are of one moment.
        evaluated = [self.database.executor.query(body.call) for body in bodies]
        await self.database.runtime.wait_durable(self.database.runtime.tables.position)
        results = [query_json(done.result, body) for done, body in zip(evaluated, bodies, strict=True)]
        return raw(b'{"results":[' + b",".join(results) + b"]}")

    async def run_query(self, body: Body) -> Response:
        return await self.queried(self.database.executor.query(body.call), body)

    async def queried(self, evaluated: Evaluated, body: Body) -> Response:
        await self.database.runtime.wait_durable(evaluated.lsn)
        return raw(query_json(evaluated.result, body))

    async def run_mutation(self, body: Body) -> Response:
        done: Outcome = self.database.executor.mutate(body.call, MutationRequest("http", None, 0))
        await self.database.runtime.wait_durable(done.lsn)
        if isinstance(done.outcome, MutationSuccess):
            return raw(success_json(body.encode(done.outcome.result), done.outcome.log_lines))
        return raw(failed_json(done.outcome, body))

    async def body(self, request: Request) -> Body:
        return self.body_of(request, await self.tree(request))

    async def tree(self, request: Request) -> dict[str, Any]:
        """The body as a JSON object.  Raises Refused with ``BadJsonBody``."""
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            raise bad_body("the body must have `Content-Type: application/json`")
        parts, length = [], 0
        async with aclosing(request.stream()) as stream:
            async for part in stream:
                length += len(part)
                if length > HTTP_BODY_BYTES_MAX:
                    raise bad_body(f"the body is longer than {HTTP_BODY_BYTES_MAX:,} bytes")
                parts.append(part)
        try:
            tree = json.parse(b"".join(parts))
        except InvalidValue as error:
            raise bad_body(f"the body is not JSON: {error}") from None
        if not isinstance(tree, dict):
            raise bad_body("the body must be a JSON object")
        return tree

    def tree_of_parameters(self, request: Request) -> dict[str, Any]:
        parameters = request.query_params
        try:
            args = json.parse(parameters.get("args", "{}"))
        except InvalidValue as error:
            raise Refused(ErrorClass.BAD_REQUEST, "BadQueryArgs", f"`args` is not JSON: {error}") from None
        tree: dict[str, Any] = {"path": parameters.get("path"), "args": args}
        if "format" in parameters:
            tree["format"] = parameters["format"]
        return tree

    def body_of(self, request: Request, tree: object, default_format: str | None = None) -> Body:
        if not isinstance(tree, dict):
            raise bad_body("a call is a JSON object")
        path = tree.get("path")
        if not isinstance(path, str):
            raise bad_body("`path` names the function, as `module:function`")
        args = tree.get("args", {})
        format_ = tree.get("format") or default_format or default_format_of(request.headers.get("convex-client", ""))
        encode = FORMATS.get(format_) if isinstance(format_, str) else None
        if encode is None:
            problem = f"format {format_!r} is none of {', '.join(FORMATS)}"
            raise Refused(ErrorClass.BAD_REQUEST, "BadFormat", problem)
        ts = None
        if tree.get("ts") is not None:
            try:
                ts = timestamps.from_wire(str(tree["ts"]))
            except InvalidValue as error:
                raise Refused(ErrorClass.BAD_REQUEST, "BadQueryArgs", str(error)) from None
        call = Call(path_of(tree.get("componentPath"), path), args, self.is_admin(request))
        return Body(call, encode, ts)

    def is_admin(self, request: Request) -> bool:
        """Whether the admin key came along.  Raises Refused if a header is there and is wrong."""
        header = request.headers.get("authorization")
        if header is None:
            given = request.query_params.get("adminKey")
            return given is not None and self.admin_key.opens(given)
        scheme, _, credentials = header.partition(" ")
        if len(header) < AUTHORIZATION_CHARS_MIN or scheme.lower() not in ("bearer", "convex"):
            problem = "write `Authorization: Convex <admin key>` or `Bearer <token>`"
            raise Refused(ErrorClass.BAD_REQUEST, "InvalidAuthHeader", problem)
        if scheme.lower() == "bearer":
            problem = "no auth provider is configured, so no token can be accepted"
            raise Refused(ErrorClass.UNAUTHENTICATED, "NoAuthProvider", problem)
        if not self.admin_key.opens(credentials.strip()):
            raise Refused(ErrorClass.FORBIDDEN, "BadDeployKey", "the admin key is wrong")
        return True

    def require_admin(self, request: Request) -> None:
        if not self.is_admin(request):
            raise Refused(ErrorClass.FORBIDDEN, "BadDeployKey", "this needs the admin key")


def query_json(result: QueryResult, body: Body) -> bytes:
    if isinstance(result, QuerySuccess):
        return success_json(body.encode(result.value), result.log_lines)
    return failed_json(result, body)


def failed_json(failure: QueryFailure | FunctionFailure, body: Body) -> bytes:
    data = body.encode(failure.data) if failure.data is not None else None
    return failure_json(failure.message, data, failure.log_lines)


def bad_body(problem: str) -> Refused:
    return Refused(ErrorClass.BAD_REQUEST, "BadJsonBody", problem)


def answer(tree: object) -> Response:
    return raw(json.dump(tree))


def raw(body: bytes) -> Response:
    return Response(body, media_type="application/json")
