"""A field that gets the timestamp of its transaction's entry: ``Event(at=COMMIT_TIMESTAMP)``.

Creation times come from the clock that a function sees, so two transactions may have them in another
order than that of their commits.  Commit timestamps are in that order, strictly, and an index over
one lists documents as the log does.

Invariant: a document with a placeholder never leaves its transaction.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import astuple

from ...protocol.limits import INT64_MAX
from ...protocol.values import Int64


class CommitTimestamp(Int64):
    """Stands for nanoseconds since the Unix epoch that nobody knows before the commit."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "COMMIT_TIMESTAMP"


COMMIT_TIMESTAMP = CommitTimestamp(INT64_MAX)
"""For a field of type Int64.  Until the commit it reads as the greatest Int64 there is, so that the
transaction itself finds the document behind all others."""


def placeholders(document: object) -> tuple[str, ...]:
    """Names, in Python, of the fields of a document (or of changes to one) that wait for the commit."""
    if isinstance(document, msgspec.Struct):
        # Nearly none has one.
        if CommitTimestamp not in map(type, astuple(document)):
            return ()
        return tuple(name for name in document.__struct_fields__ if getattr(document, name) is COMMIT_TIMESTAMP)
    if isinstance(document, Mapping):
        return tuple(name for name, item in document.items() if item is COMMIT_TIMESTAMP)
    return ()
