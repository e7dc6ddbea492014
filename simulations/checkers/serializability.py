"""The log is what its functions do one after another: same results, same documents, on the independent model."""

from __future__ import annotations

from collections.abc import Iterator

from ..history import History
from .violation import Violation

NAME = "serializability"


def check(history: History) -> Iterator[Violation]:
    for problem in history.unlike[:1]:
        yield Violation(NAME, "the log can be executed again", problem)
