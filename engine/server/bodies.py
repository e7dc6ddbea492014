"""Bodies of requests and answers: JSON, within limits."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ...protocol import json
from ...protocol.close import ErrorClass, Refused
from ...protocol.errors import InvalidValue
from ...protocol.limits import HTTP_BODY_BYTES_MAX


async def json_body(request: Request, bytes_max: int = HTTP_BODY_BYTES_MAX) -> dict[str, Any]:
    """The body as a JSON object.  Raises Refused with ``BadJsonBody``."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise bad_body("the body must have `Content-Type: application/json`")
    data = await bytes_body(request, bytes_max)
    try:
        tree = json.parse(data)
    except InvalidValue as error:
        raise bad_body(f"the body: {error.problem}") from None
    if not isinstance(tree, dict):
        raise bad_body("the body must be a JSON object")
    return tree


async def bytes_body(request: Request, bytes_max: int = HTTP_BODY_BYTES_MAX) -> bytes:
    """The body as it came.  Raises Refused with ``BadJsonBody`` if it is too long."""
    parts, length = [], 0
    async with aclosing(request.stream()) as stream:
        async for part in stream:
            length += len(part)
            if length > bytes_max:
                raise bad_body(f"the body is longer than {bytes_max:,} bytes")
            parts.append(part)
    return b"".join(parts)


def bad_body(problem: str) -> Refused:
    return Refused(ErrorClass.BAD_REQUEST, "BadJsonBody", problem)


def answer(tree: object) -> Response:
    """A tree that the JSON codec can write, sent."""
    return raw(json.dump(tree))


def raw(body: bytes) -> Response:
    """JSON that is written already."""
    return Response(body, media_type="application/json")
