"""Who may ask for what: one wording for every door, of a socket and of HTTP."""

from __future__ import annotations

import base64
import binascii

from attrs import frozen
from starlette.requests import Request

from ...protocol import json
from ...protocol.close import ErrorClass, Refused
from ...protocol.errors import InvalidValue
from ..admin_key import NO_POWERS, POWERS, Keys, Power, taken_apart
from ..authentication.errors import KeysUnavailable, TokenRejected
from ..authentication.identity import Identity, acting_as
from .key_fetching import KeyFetching

AUTHORIZATION_CHARS_MIN = 7
WRONG_KEY = "the admin key is wrong"
KEY_NEEDED = "this needs the admin key"


@frozen
class Caller:
    """Who makes a request."""

    admin: bool
    identity: Identity | None
    powers: frozenset[Power] = NO_POWERS


@frozen
class Access:
    """What the credentials of a request open."""

    admin_keys: Keys
    keys: KeyFetching

    async def caller(self, request: Request) -> Caller:
        """Who asks: a holder of the admin key, who may act as somebody, or whom a token proves.

        Raises Refused if a header is there and is wrong.
        """
        header = request.headers.get("authorization", "")
        scheme, _, credentials = header.partition(" ")
        try:
            if scheme.lower() == "bearer" and len(header) >= AUTHORIZATION_CHARS_MIN:
                return Caller(False, (await self.keys.authenticate(credentials.strip())).identity)
            powers = self.powers(request)
            if powers is None:
                return Caller(False, None)
            require("run", powers)
            acting = attributes_of(taken_apart(credentials)[1])
            return Caller(True, acting_as(acting) if acting is not None else None, powers)
        except TokenRejected as error:
            raise Refused(ErrorClass.UNAUTHENTICATED, error.code, error.problem) from None
        except KeysUnavailable as error:
            raise Refused(ErrorClass.OVERLOADED, "AuthProviderUnavailable", str(error)) from None

    def powers(self, request: Request) -> frozenset[Power] | None:
        """What the admin key may do that came along; None if none did.

        Raises Refused if a header is there and is wrong.
        """
        header = request.headers.get("authorization")
        if header is None:
            given = request.query_params.get("adminKey")
            return self.admin_keys.powers(given) or None if given is not None else None
        scheme, _, credentials = header.partition(" ")
        if len(header) < AUTHORIZATION_CHARS_MIN or scheme.lower() not in ("bearer", "convex"):
            raise bad_header("write `Authorization: Convex <admin key>` or `Bearer <token>`")
        if scheme.lower() == "bearer":
            return None  # Whoever it is, not a holder of the key.
        powers = self.admin_keys.powers(credentials.strip())
        if not powers:
            raise Refused(ErrorClass.FORBIDDEN, "BadDeployKey", WRONG_KEY)
        attributes_of(taken_apart(credentials)[1])
        return powers

    def require_admin(self, request: Request, power: Power | None = None) -> None:
        """Raises Refused unless an admin key came along that may do this; any, if it is not said what."""
        powers = self.powers(request)
        if powers is None:
            raise Refused(ErrorClass.FORBIDDEN, "BadDeployKey", KEY_NEEDED)
        if power is not None:
            require(power, powers)


def require(power: Power, powers: frozenset[Power]) -> None:
    """Raises Refused unless a key with these powers has that one."""
    if power not in powers:
        has = ", ".join(sorted(powers))
        problem = f"this needs an admin key with the power `{power}` ({POWERS[power]}); this one has: {has}"
        raise Refused(ErrorClass.FORBIDDEN, "BadDeployKey", problem)


def attributes_of(identity: str | None) -> dict[str, object] | None:
    """The identity that a key wants to act as; None if it wants to act as nobody.  Raises Refused if it is none."""
    if identity is None:
        return None
    try:
        attributes = json.parse(base64.b64decode(identity, validate=True))
    except (binascii.Error, ValueError, InvalidValue):
        attributes = None
    if not isinstance(attributes, dict):
        raise bad_header("what follows the key is an identity to act as: base64 of a JSON object")
    return attributes


def cause_of(request: Request) -> str:
    """What an entry says as the kind of its cause: whether our own command line asked."""
    return "cli" if request.headers.get("convex-client", "").startswith("relive-") else "http"


def bad_header(problem: str) -> Refused:
    return Refused(ErrorClass.BAD_REQUEST, "InvalidAuthHeader", problem)
