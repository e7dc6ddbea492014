"""How an error ends a socket or an HTTP request: one table for both.

    class                what broke                            last message   close   HTTP
    BAD_REQUEST          the client misused the protocol       FatalError      -       400
    CONFLICT             ... against the state it is in        FatalError      -       409
    PAGINATION_LIMIT     a page past its limits                FatalError     1000     400
    UNAUTHENTICATED      the token in use has expired          AuthError       -       401
    TOKEN_REJECTED       a new token was refused               AuthError       -       401
    FORBIDDEN            known, and not allowed                FatalError     1000     403
    NOT_FOUND            nothing by that name                   -             1000     404
    CLIENT_DISCONNECT    the client went away                   -             1000     408
    RATE_LIMITED         too much from this client              -             1013     429
    OVERLOADED           too much from all of them              -             1013     503
    OPERATIONAL          our own failure                        -             1011     500

A close without a code is still a close frame: clients take a missing frame for a network error.  Failures
of a function never come here, they travel in its response.  What an operational failure was stays in our
logs.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec
from attrs import define, frozen

from . import limits
from .client_version import InvalidClientVersion
from .errors import InvalidId, InvalidPath, InvalidValue, ProtocolError, ReliveError
from .messages import AuthError, FatalError

NORMAL = 1000
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
INTERNAL_ERROR_CODE = "InternalServerError"
"""Clients know the word and wait a second before they come back."""
INTERNAL_ERROR_TEXT = "The server failed. Its log says why."


class ErrorClass(Enum):
    """What kind of error it is: decides how the socket ends and the HTTP status."""

    BAD_REQUEST = "bad request"
    CONFLICT = "conflict"
    PAGINATION_LIMIT = "pagination limit"
    UNAUTHENTICATED = "unauthenticated"
    TOKEN_REJECTED = "token rejected"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not found"
    CLIENT_DISCONNECT = "client disconnect"
    RATE_LIMITED = "rate limited"
    OVERLOADED = "overloaded"
    OPERATIONAL = "operational"


@define(auto_exc=True)
class Refused(ReliveError):
    """A request will not be served.  End the socket, or the HTTP request, as ``closing`` says."""

    kind: ErrorClass
    code: str
    """Short and stable; clients choose their back-off by it, for example ``TooManyConcurrentMutations``."""
    problem: str

    def __str__(self) -> str:
        return f"{self.code}: {self.problem}"


class _Last(Enum):
    """The last message before the close frame."""

    NONE = 0
    FATAL = 1
    AUTH = 2


_TABLE: Final = {
    ErrorClass.BAD_REQUEST: (_Last.FATAL, None, 400),
    ErrorClass.CONFLICT: (_Last.FATAL, None, 409),
    ErrorClass.PAGINATION_LIMIT: (_Last.FATAL, NORMAL, 400),
    ErrorClass.UNAUTHENTICATED: (_Last.AUTH, None, 401),
    ErrorClass.TOKEN_REJECTED: (_Last.AUTH, None, 401),
    ErrorClass.FORBIDDEN: (_Last.FATAL, NORMAL, 403),
    ErrorClass.NOT_FOUND: (_Last.NONE, NORMAL, 404),
    ErrorClass.CLIENT_DISCONNECT: (_Last.NONE, NORMAL, 408),
    ErrorClass.RATE_LIMITED: (_Last.NONE, TRY_AGAIN_LATER, 429),
    ErrorClass.OVERLOADED: (_Last.NONE, TRY_AGAIN_LATER, 503),
    ErrorClass.OPERATIONAL: (_Last.NONE, INTERNAL_ERROR, 500),
}


@frozen
class Closing:
    """What to send when an error ends a socket, and what to answer when it ends an HTTP request."""

    message: FatalError | AuthError | None
    """To send before the close frame."""
    close_code: int | None
    """None: a close frame without a code, which the client sees as 1005."""
    reason: str
    """At most 123 bytes; empty without a code."""
    http_status: int
    error_code: str
    error_text: str

    def __attrs_post_init__(self) -> None:
        assert len(self.reason.encode()) <= limits.CLOSE_REASON_BYTES_MAX, self.reason
        assert self.close_code is not None or not self.reason, "a reason needs a code"

    @property
    def http_body(self) -> bytes:
        """JSON that every official client can read."""
        return msgspec.json.encode({"code": self.error_code, "message": self.error_text})


def closing(error: Exception, identity_sent: int = 0) -> Closing:
    """How ``error`` ends what it came from.

    ``identity_sent`` is the identity version of the last Transition sent on the socket.
    """
    kind, code, text = _classify(error)
    last, close_code, http_status = _TABLE[kind]
    message: FatalError | AuthError | None = None
    if last is _Last.FATAL:
        message = FatalError(f"{code}: {text}")
    elif last is _Last.AUTH:
        message = AuthError(text, identity_sent, update_attempted=kind is ErrorClass.TOKEN_REJECTED)
    reason = "" if close_code is None else shorten(code, limits.CLOSE_REASON_BYTES_MAX)
    return Closing(message, close_code, reason, http_status, code, text)


def _classify(error: Exception) -> tuple[ErrorClass, str, str]:
    match error:
        case Refused(kind=ErrorClass.OPERATIONAL):
            return ErrorClass.OPERATIONAL, INTERNAL_ERROR_CODE, INTERNAL_ERROR_TEXT
        case Refused(kind=kind, code=code, problem=problem):
            return kind, code, problem
        case ProtocolError(code=code, problem=problem):
            return ErrorClass.BAD_REQUEST, code, problem
        case InvalidClientVersion() | InvalidValue() | InvalidId():
            return ErrorClass.BAD_REQUEST, type(error).__name__, str(error)
        case InvalidPath():
            return ErrorClass.BAD_REQUEST, "BadConvexFunctionIdentifier", str(error)
        case _:
            return ErrorClass.OPERATIONAL, INTERNAL_ERROR_CODE, INTERNAL_ERROR_TEXT


def shorten(text: str, bytes_max: int) -> str:
    """As much of ``text`` as fits into ``bytes_max`` bytes of UTF-8, whole characters only."""
    return text.encode("utf-8", "replace")[:bytes_max].decode("utf-8", "ignore")
