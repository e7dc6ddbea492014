"""HTTP actions of each kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import trio

from relive import ActionCtx, ApplicationError, HttpRouter, Request, Response

from .schema import note

http = HttpRouter()


@http.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def echo(ctx: ActionCtx, request: Request) -> Response:
    seen = {"method": request.method, "url": request.url, "path": request.path, "query": dict(request.query)}
    return Response.json({**seen, "body": await request.text(), "agent": request.headers.get("User-Agent")})


@http.route("/echo", methods=["OPTIONS"])
async def allow(ctx: ActionCtx, request: Request) -> Response:
    return Response(status=204, headers={"Access-Control-Allow-Origin": "https://example.com"})


@http.route("/notes", methods=["POST"])
async def post(ctx: ActionCtx, request: Request) -> Response:
    print("posting")
    await ctx.run_mutation(note, (await request.json())["text"])
    return Response("noted", status=201, headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")])


@http.route("/elsewhere", methods=["POST"], runtime="asyncio")
async def elsewhere(ctx: ActionCtx, request: Request) -> Response:
    async def shouted() -> AsyncIterator[str]:
        async for part in request.stream():
            await asyncio.sleep(0)
            yield part.decode().upper()

    return Response(shouted())


@http.route("/stream", methods=["POST"])
async def stream(ctx: ActionCtx, request: Request) -> Response:
    return Response(request.stream(), content_type="application/octet-stream")


@http.route("/endless")
async def endless(ctx: ActionCtx, request: Request) -> Response:
    async def ticks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick\n"
                await trio.sleep(0.01)
        finally:
            with trio.CancelScope(shield=True):
                await ctx.run_mutation(note, "the body was closed")

    return Response(ticks())


@http.route("/patient")
async def patient(ctx: ActionCtx, request: Request) -> Response:
    await request.wait_gone()
    await ctx.run_mutation(note, "gone" if request.is_gone else "here")
    return Response("too late")


@http.route("/slow")
async def slow(ctx: ActionCtx, request: Request) -> Response:
    await trio.sleep_forever()
    return Response()


@http.route("/wrong")
async def wrong(ctx: ActionCtx, request: Request) -> Response:
    raise RuntimeError("the password is swordfish")


@http.route("/told")
async def told(ctx: ActionCtx, request: Request) -> Response:
    raise ApplicationError({"why": "because"})


@http.route("/half")
async def half(ctx: ActionCtx, request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("the other half is secret")

    return Response(parts())


@http.route("/nothing")
async def nothing(ctx: ActionCtx, request: Request) -> Response:
    return "text"  # type: ignore[return-value]


@http.route("/who")
async def who(ctx: ActionCtx, request: Request) -> Response:
    identity = await ctx.auth.get_user_identity()
    return Response.json(identity.subject if identity is not None else None)


@http.route("/kept", methods=["POST"])
async def kept(ctx: ActionCtx, request: Request) -> Response:
    return Response(str(len(await request.bytes())))


@http.route(path_prefix="/files/")
async def files(ctx: ActionCtx, request: Request) -> Response:
    return Response("files")


@http.route(path_prefix="/files/deep/")
async def deep(ctx: ActionCtx, request: Request) -> Response:
    return Response("deep")


@http.route("/files/exact")
async def exact(ctx: ActionCtx, request: Request) -> Response:
    return Response("exact")


@http.route("/length", methods=["POST"])
async def length(ctx: ActionCtx, request: Request) -> Response:
    total = 0
    async for part in request.stream():
        total += len(part)
    return Response(str(total))


@http.route("/large")
async def large(ctx: ActionCtx, request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(24):
            yield bytes([number]) * 1024 * 1024

    return Response(parts())


@http.route("/changed")
async def changed(ctx: ActionCtx, request: Request) -> Response:
    response = Response("text")
    match request.query["what"]:
        case "header":
            response.headers += (("x", "y\r\nset-cookie: admin=1"),)
        case "status":
            response.status = 101
        case _:
            response.status = 204
    return response
