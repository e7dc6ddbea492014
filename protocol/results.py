"""What running a function gave, ready to be sent: values are already Convex JSON.

A result is encoded once, by whoever ran the function, and shared by every socket that gets it.

Invariants
    * Two query results have the same ``digest`` exactly when a client could not tell them apart: same value,
      or same error text, data and log lines.  The request id in an error's text does not count.
    * ``data`` None means an ordinary error; ``b"null"`` means an application error whose data is null.
"""

from __future__ import annotations

from functools import cached_property
from hashlib import blake2b

from attrs import frozen

DIGEST_BYTES = 16


@frozen
class QuerySuccess:
    """A query returned."""

    value: bytes
    """Canonical Convex JSON."""
    log_lines: tuple[str, ...]
    journal: str | None
    """What the same query has to be run with next time, for example the end of its page."""

    @cached_property
    def digest(self) -> bytes:
        return _digest(b"S", self.value, self.log_lines)


@frozen
class QueryFailure:
    """A query raised, or could not be run: a missing function, refused arguments."""

    message: str
    """What the client is shown; it may open with a request id."""
    request_free_message: str
    """The same without the request id, which differs from run to run."""
    data: bytes | None
    """Convex JSON of an application error's data."""
    log_lines: tuple[str, ...]
    journal: str | None
    request: str = ""
    """The request id; never sent by itself."""
    text: str = ""
    """The failure in full, for whoever operates the server, if clients are told less; never sent."""

    @cached_property
    def digest(self) -> bytes:
        text = self.request_free_message.encode("utf-8", "surrogatepass")
        kind = b"F" if self.data is None else b"A"
        return _digest(kind + b"%d:" % len(text) + text, self.data or b"", self.log_lines)


QueryResult = QuerySuccess | QueryFailure


@frozen
class MutationSuccess:
    """A mutation committed, or committed nothing because it wrote nothing."""

    result: bytes
    """Convex JSON."""
    ts: int
    """Nanoseconds: of the commit, or of the snapshot read if nothing was written."""
    log_lines: tuple[str, ...]


@frozen
class ActionSuccess:
    """An action returned."""

    result: bytes
    """Convex JSON."""
    log_lines: tuple[str, ...]


@frozen
class FunctionFailure:
    """A mutation or an action raised, or could not be run."""

    message: str
    data: bytes | None
    """Convex JSON of an application error's data."""
    log_lines: tuple[str, ...]


def _digest(kind: bytes, value: bytes, log_lines: tuple[str, ...]) -> bytes:
    # Each part is preceded by its length, so that no two different results give the same bytes.
    digest = blake2b(kind, digest_size=DIGEST_BYTES)
    digest.update(b"%d:" % len(value))
    digest.update(value)
    for line in log_lines:
        text = line.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(text))
        digest.update(text)
    return digest.digest()
