"""What a client is told when a function fails, and what stays the same when it fails again."""

from __future__ import annotations

import traceback
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from attrs import field, frozen

from ..protocol import json
from ..protocol.errors import InvalidValue
from .determinism.errors import Interruption
from .documents import to_value
from .errors import ApplicationError, FunctionError
from .results import sendable

REQUEST_ID_DIGITS = 16


@frozen
class Failure:
    text: str = field(converter=sendable)
    """Without the request id: the same failure has the same text every time."""
    data: bytes | None
    """JSON of an application error's data; None for any other failure."""

    def message(self, request_id: str) -> str:
        """What the client is shown."""
        return f"[Request ID: {request_id}] Server Error\n{self.text}"


def request_id(session: bytes | None, request: int, entropy: bytes) -> str:
    """The same for a resent request; unpredictable where there is no session.

    As the Convex server makes it: of the text ``<session id>|<request id>``.
    """
    if session is None:
        return entropy.hex()[:REQUEST_ID_DIGITS]
    return sha256(f"{uuid_text(session)}|{request}".encode()).hexdigest()[:REQUEST_ID_DIGITS]


@lru_cache
def uuid_text(session: bytes) -> str:
    digits = session.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def failure_of(error: BaseException, folder: Path) -> Failure:
    """What to tell of an error that a handler raised, or that kept it from running."""
    if isinstance(error, ApplicationError):
        return application_failure(error, folder)
    if isinstance(error, FunctionError):
        return Failure(str(error), None)
    if isinstance(error, Interruption):
        return Failure(f"Uncaught {type(error).__name__}: {shown(str(error), folder)}", None)
    return Failure(uncaught(error, folder), None)


def application_failure(error: ApplicationError, folder: Path) -> Failure:
    try:
        data = json.encode(to_value(error.data))
    except InvalidValue as problem:
        return Failure(f"Uncaught ApplicationError: its data is not a value: {problem}", None)
    text = error.data if isinstance(error.data, str) else data.decode()
    return Failure(f"Uncaught ConvexError: {text}\n{frames(error, folder)}".rstrip(), data)


def uncaught(error: BaseException, folder: Path) -> str:
    try:
        said = str(error)
    except Exception:
        said = "(its text could not be made)"
    name = type(error).__name__
    head = f"Uncaught {name}: {said}" if said else f"Uncaught {name}"
    return f"{head}\n{frames(error, folder)}".rstrip()


def frames(error: BaseException, folder: Path) -> str:
    """The lines of the app that the error passed, innermost last, named relative to the app."""
    lines = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(folder):
            lines.append(f'  File "{path.relative_to(folder)}", line {frame.lineno}, in {frame.name}')
    return "\n".join(lines)


def shown(text: str, folder: Path) -> str:
    """Paths of the server's machine are nobody's business outside."""
    return text.replace(f"{folder}/", "")
