"""How errors end sockets and HTTP requests."""

from __future__ import annotations

import json

import pytest
from relive.protocol.client_version import InvalidClientVersion
from relive.protocol.close import ErrorClass, Refused, closing, shorten
from relive.protocol.errors import InvalidPath, InvalidValue, ProtocolError
from relive.protocol.messages import AuthError, FatalError

FATAL = FatalError("Code: why")


@pytest.mark.parametrize(
    ("kind", "message", "close_code", "reason", "status"),
    [
        (ErrorClass.BAD_REQUEST, FATAL, None, "", 400),
        (ErrorClass.CONFLICT, FATAL, None, "", 409),
        (ErrorClass.PAGINATION_LIMIT, FATAL, 1000, "Code", 400),
        (ErrorClass.UNAUTHENTICATED, AuthError("why", 3, False), None, "", 401),
        (ErrorClass.TOKEN_REJECTED, AuthError("why", 3, True), None, "", 401),
        (ErrorClass.FORBIDDEN, FATAL, 1000, "Code", 403),
        (ErrorClass.NOT_FOUND, None, 1000, "Code", 404),
        (ErrorClass.CLIENT_DISCONNECT, None, 1000, "Code", 408),
        (ErrorClass.RATE_LIMITED, None, 1013, "Code", 429),
        (ErrorClass.OVERLOADED, None, 1013, "Code", 503),
        (ErrorClass.OPERATIONAL, None, 1011, "InternalServerError", 500),
    ],
)
def test_each_class_ends_as_the_table_says(
    kind: ErrorClass, message: FatalError | AuthError | None, close_code: int | None, reason: str, status: int
) -> None:
    end = closing(Refused(kind, "Code", "why"), identity_sent=3)

    assert (end.message, end.close_code, end.reason, end.http_status) == (message, close_code, reason, status)


def test_every_class_is_in_the_table() -> None:
    for kind in ErrorClass:
        assert json.loads(closing(Refused(kind, "Code", "why")).http_body).keys() == {"code", "message"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ProtocolError("BaseVersionMismatch", "why"), "BaseVersionMismatch"),
        (InvalidClientVersion("v1"), "InvalidClientVersion"),
        (InvalidPath("a b", "a space"), "BadConvexFunctionIdentifier"),
        (InvalidValue("$", "too deep"), "InvalidValue"),
    ],
)
def test_what_a_client_did_wrong_is_a_bad_request(error: Exception, code: str) -> None:
    end = closing(error)

    assert (end.http_status, end.error_code, end.close_code) == (400, code, None)
    assert isinstance(end.message, FatalError)


@pytest.mark.parametrize("error", [KeyError("secret"), Refused(ErrorClass.OPERATIONAL, "Disk", "secret")])
def test_our_own_failures_are_not_described_to_clients(error: Exception) -> None:
    end = closing(error)

    assert (end.message, end.close_code, end.reason, end.http_status) == (
        None,
        1011,
        "InternalServerError",
        500,
    )
    assert b"secret" not in end.http_body
    assert json.loads(end.http_body)["code"] == "InternalServerError"


def test_a_reason_is_cut_between_characters_to_fit_a_close_frame() -> None:
    end = closing(Refused(ErrorClass.OVERLOADED, "€" * 60, "why"))

    assert end.reason == "€" * 41
    assert shorten("aé", 2) == "a"
    assert shorten("a\ud800", 9) == "a?"
