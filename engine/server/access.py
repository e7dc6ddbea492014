"""Who may ask for what: one wording for every door, of a socket and of HTTP."""

from __future__ import annotations

from attrs import frozen
from starlette.requests import Request

from ...protocol.close import ErrorClass, Refused
from ..admin_key import AdminKey

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
            problem = "write `Authorization: Convex <admin key>` or `Bearer <token>`"
            raise Refused(ErrorClass.BAD_REQUEST, "InvalidAuthHeader", problem)
        if scheme.lower() == "bearer":
            raise Refused(ErrorClass.UNAUTHENTICATED, "NoAuthProvider", NO_AUTH_PROVIDER)
        if not self.admin_key.opens(credentials.strip()):
            raise Refused(ErrorClass.FORBIDDEN, "BadDeployKey", WRONG_KEY)
        return True

    def require_admin(self, request: Request) -> None:
        """Raises Refused unless the admin key came along."""
        if not self.is_admin(request):
            raise Refused(ErrorClass.FORBIDDEN, "BadDeployKey", KEY_NEEDED)
