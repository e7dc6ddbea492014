"""What a client is told when a function fails, and what stays the same when it fails again."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from attrs import field, frozen

from ...protocol import json
from ...protocol.limits import ERROR_TEXT_CHARS_MAX
from ...protocol.results import FunctionFailure, QueryFailure
from ..data.documents import to_value
from ..determinism.driver import drive
from ..determinism.errors import Interruption
from ..determinism.gate import Run
from ..errors import ApplicationError, FunctionError, FunctionFailed, InvalidCursor
from .results import sendable, without_addresses

REQUEST_ID_BYTES = 8
"""Shown as twice as many hexadecimal digits."""
REDACTED = "Server Error"
"""All that a client hears of a failure that is kept from it, but for the data of an application error."""

FRAMES_SHOWN_MAX = 20
"""Lines of the app that an error is said to have passed; of a longer way, its start and its end."""

T = TypeVar("T")


@frozen
class Failure:
    text: str = field(converter=sendable)
    """Without the request id: the same failure has the same text every time."""
    data: bytes | None
    """JSON of an application error's data; None for any other failure."""

    def message(self, request_id: str, redact: bool) -> str:
        """What the client is shown."""
        head = f"[Request ID: {request_id}] {REDACTED}"
        return head if redact else f"{head}\n{self.text}"

    def of_query(self, request_id: str, redact: bool, lines: tuple[str, ...], journal: str | None) -> QueryFailure:
        # Failures that look the same to a client are the same result: it is not sent twice.
        comparable = REDACTED if redact else self.text
        shown = () if redact else lines
        return QueryFailure(
            self.message(request_id, redact), comparable, self.data, shown, journal, request_id, self.text
        )

    def of_function(self, request_id: str, redact: bool, lines: tuple[str, ...]) -> FunctionFailure:
        return FunctionFailure(self.message(request_id, redact), self.data, () if redact else lines)


def request_id(session: bytes, request: int) -> str:
    """The same for a resent request.

    As the Convex server makes it: of the text ``<session id>|<request id>``.
    """
    return sha256(f"{uuid_text(session)}|{request}".encode()).digest()[:REQUEST_ID_BYTES].hex()


@lru_cache
def uuid_text(session: bytes) -> str:
    digits = session.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def failure_of(error: BaseException, folder: Path) -> Failure:
    """What to tell of an error that a handler raised, or that kept it from running."""
    if isinstance(error, ApplicationError):
        return application_failure(error, folder)
    if isinstance(error, FunctionFailed):
        # What a function that was called has raised is told as it was told of that one.
        return Failure(f"{error.text}\n{frames(error, folder)}".rstrip(), None)
    if isinstance(error, FunctionError):
        return Failure(str(error), None)
    if isinstance(error, Interruption):
        return Failure(f"Uncaught {type(error).__name__}: {shown(str(error), folder)}", None)
    return Failure(uncaught(error, folder), None)


def application_failure(error: ApplicationError, folder: Path) -> Failure:
    try:
        data = json.encode(guarded(lambda: to_value(error.data), "the data of an error"))
    except (Exception, Interruption) as problem:
        return Failure(f"Uncaught ApplicationError: its data is not a value: {problem}", None)
    if isinstance(error, InvalidCursor):
        text = str(error)  # Its data are for clients, and say less.
    else:
        text = shortened(error.data if isinstance(error.data, str) else data.decode())
    return Failure(f"Uncaught ConvexError: {text}\n{frames(error, folder)}".rstrip(), data)


def uncaught(error: BaseException, folder: Path) -> str:
    try:
        said = shortened(shown(guarded(lambda: str(error), "the text of an error"), folder))
    except (Exception, Interruption):
        said = "(its text could not be made)"
    name = type(error).__name__
    head = f"Uncaught {name}: {said}" if said else f"Uncaught {name}"
    return f"{head}\n{frames(error, folder)}".rstrip()


def guarded(make: Callable[[], T], name: str) -> T:
    """What the app's own code makes when its function has ended already: guarded and limited like that one."""
    made: list[T] = []

    async def handler() -> None:
        made.append(make())

    drive(handler, lambda: Run(0, b"", "failure", name, b""))
    return made[0]


def shortened(text: str) -> str:
    if len(text) <= ERROR_TEXT_CHARS_MAX:
        return text
    return f"{text[:ERROR_TEXT_CHARS_MAX]} ... (shortened)"


def frames(error: BaseException, folder: Path) -> str:
    """The lines of the app that the error passed, innermost last, named relative to the app."""
    lines = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(folder):
            lines.append(f'  File "{path.relative_to(folder)}", line {frame.lineno}, in {frame.name}')
    if len(lines) > FRAMES_SHOWN_MAX:
        half = FRAMES_SHOWN_MAX // 2
        lines[half:-half] = [f"  ... {len(lines) - 2 * half:,} more ..."]
    return "\n".join(lines)


def shown(text: str, folder: Path) -> str:
    """Without paths of the server's machine, which are nobody's business outside, and without addresses."""
    text = without_addresses(text[: 2 * ERROR_TEXT_CHARS_MAX])
    if "/" in text:
        # The longest first: site-packages before the folder that it is in.
        for path in sorted({str(folder), sys.prefix, sys.base_prefix, *sys.path}, key=len, reverse=True):
            if len(path) > 1:
                text = text.replace(f"{path}/", "")
    return text
