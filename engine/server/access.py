"""Who may ask for what: one wording for every door, of a socket and of HTTP."""

from __future__ import annotations

import base64
import binascii

from attrs import frozen
from starlette.requests import Request

from ...protocol import json
from ...protocol.close import ErrorClass, Refused
from ...protocol.errors import InvalidValue
from ..admin_key import AdminKey, taken_apart

AUTHORIZATION_CHARS_MIN = 7
WRONG_KEY = "the admin key is wrong"
KEY_NEEDED = "this needs the admin key"
NO_AUTH_PROVIDER = "no auth provider is configured, so no token can be accepted"


@frozen
class Access:
    """What the credentials of a request open."""

    admin_key: AdminKey

    def is_admin(self, request: Request) -> bool:
        """Whether the admin key came along.  Raises Refused if a header is there and is wrong."""
        header = request.headers.get("authorization")
        if header is None:
            given = request.query_params.get("adminKey")
            return given is not None and self.admin_key.opens(given)
        scheme, _, credentials = header.partition(" ")
        if len(header) < AUTHORIZATION_CHARS_MIN or scheme.lower() not in ("bearer", "convex"):
            raise bad_header("write `Authorization: Convex <admin key>` or `Bearer <token>`")
        if scheme.lower() == "bearer":
            raise Refused(ErrorClass.UNAUTHENTICATED, "NoAuthProvider", NO_AUTH_PROVIDER)
        if not self.admin_key.opens(credentials.strip()):
            raise Refused(ErrorClass.FORBIDDEN, "BadDeployKey", WRONG_KEY)
        check_acting(taken_apart(credentials)[1])
        return True

    def require_admin(self, request: Request) -> None:
        """Raises Refused unless the admin key came along."""
        if not self.is_admin(request):
            raise Refused(ErrorClass.FORBIDDEN, "BadDeployKey", KEY_NEEDED)


def check_acting(identity: str | None) -> None:
    """Raises Refused if the identity that a key wants to act as is none."""
    if identity is None:
        return
    try:
        attributes = json.parse(base64.b64decode(identity, validate=True))
    except (binascii.Error, ValueError, InvalidValue):
        attributes = None
    if not isinstance(attributes, dict):
        raise bad_header("what follows the key is an identity to act as: base64 of a JSON object")


def cause_of(request: Request) -> str:
    """What an entry says as the kind of its cause: whether our own command line asked."""
    return "cli" if request.headers.get("convex-client", "").startswith("relive-") else "http"


def bad_header(problem: str) -> Refused:
    return Refused(ErrorClass.BAD_REQUEST, "InvalidAuthHeader", problem)
