"""The HTTP application: the routes of all features, errors as answers, any origin.

Statuses other than 200 are for requests that never reached a function, and carry
``{"code", "message"}``.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from ...actors.errors import Conflict, WritesRefused
from ...protocol import json
from ...protocol.close import ErrorClass, Refused, closing
from ...protocol.errors import ReliveError
from ..database import Database
from ..errors import TooLongAgo
from . import (
    action_routes,
    deploy_routes,
    environment_routes,
    export_routes,
    function_routes,
    history_routes,
    import_routes,
    job_routes,
    log_routes,
    migration_routes,
    server_routes,
    state_routes,
    storage_routes,
)
from .access import Access
from .descriptors import Descriptors
from .history_routes import AskPast, Past

CORS_AGE_S = 86_400
LATER: dict[type[Exception], str] = {
    WritesRefused: "DiskFull",
    TooLongAgo: "OutOfRetention",
    Conflict: "OptimisticConcurrencyControlFailure",
}
"""Errors that a client may try to come past, later or with a newer timestamp, and their codes."""
METHODS = ["GET", "POST", "OPTIONS", "PATCH", "DELETE", "PUT"]


def routes(
    database: Database,
    access: Access,
    instance_name: str,
    ask_past: AskPast | None = None,
    descriptors: Descriptors | None = None,
) -> ASGIApp:
    """The HTTP application."""
    past = Past(database, ask_past)
    app = Starlette(
        routes=[
            *server_routes.routes(access, instance_name),
            *function_routes.routes(database, access, past),
            *history_routes.routes(past, access),
            *action_routes.routes(database, access),
            *deploy_routes.routes(database, access),
            *environment_routes.routes(database, access),
            *export_routes.routes(database, access),
            *import_routes.routes(database, access),
            *job_routes.routes(database, access),
            *log_routes.routes(database, access),
            *migration_routes.routes(database, access),
            *state_routes.routes(database, access),
            *storage_routes.routes(database, descriptors or Descriptors()),
        ],
    )
    app.router.redirect_slashes = False
    # Errors that we raise on purpose become answers; anything else is our own failure, and logged.
    app.add_exception_handler(ReliveError, refused)
    app.add_exception_handler(Exception, refused)
    app.add_exception_handler(ClientDisconnect, nobody_listens)
    app.add_exception_handler(404, no_such_route)
    app.add_exception_handler(405, no_such_route)
    # Outermost, so that a page of another origin may also read that we failed.
    return CORSMiddleware(
        app,
        allow_origin_regex=".*",
        allow_credentials=True,
        allow_methods=METHODS,
        allow_headers=["*"],
        max_age=CORS_AGE_S,
    )


async def refused(request: Request, error: Exception) -> Response:
    for kind, code in LATER.items():
        if isinstance(error, kind):
            error = Refused(ErrorClass.OVERLOADED, code, str(error))
    ended = closing(error)
    return Response(ended.http_body, ended.http_status, media_type="application/json")


async def nobody_listens(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def no_such_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    code = "NotFound" if status == 404 else "MethodNotAllowed"
    body = json.dump({"code": code, "message": f"there is no {request.method} {request.url.path}"})
    return Response(body, status, media_type="application/json")
