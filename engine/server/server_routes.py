"""Routes about this server: what it is, whether a key opens it, whether it can be reached.

GET  /, /version, /instance_name, /instance_version
GET  /api/check_admin_key
POST /echo, /api/debug_event
"""

from __future__ import annotations

from attrs import define
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..version import ENGINE_VERSION
from .access import Access
from .bodies import answer, bytes_body


def routes(access: Access, instance_name: str) -> list[Route]:
    about = About(access, instance_name)
    return [
        Route("/", about.banner, methods=["GET"]),
        Route("/version", about.version, methods=["GET"]),
        Route("/instance_name", about.name, methods=["GET"]),
        Route("/instance_version", about.version, methods=["GET"]),
        Route("/echo", about.echo, methods=["POST"]),
        Route("/api/check_admin_key", about.check_admin_key, methods=["GET"]),
        Route("/api/debug_event", about.debug_event, methods=["POST"]),
    ]


@define(eq=False)
class About:
    access: Access
    instance_name: str

    async def banner(self, request: Request) -> Response:
        return PlainTextResponse(f"relive {ENGINE_VERSION} serves {self.instance_name} here.\n")

    async def version(self, request: Request) -> Response:
        return PlainTextResponse(ENGINE_VERSION)

    async def name(self, request: Request) -> Response:
        return PlainTextResponse(self.instance_name)

    async def check_admin_key(self, request: Request) -> Response:
        self.access.require_admin(request)
        return answer({"success": True, "allowedOps": ["*"], "isReadOnly": False})

    async def echo(self, request: Request) -> Response:
        """What was sent, to measure the way here and back."""
        content_type = request.headers.get("content-type", "application/octet-stream")
        return Response(await bytes_body(request), headers={"content-type": content_type})

    async def debug_event(self, request: Request) -> Response:
        """Browsers tell of trouble with their connection; they wait for an answer, and do not read it."""
        await bytes_body(request)
        return answer({})
