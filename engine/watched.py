"""A live query of an app under test, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import Factory, define

from ..protocol import json
from ..protocol.results import FunctionFailure, QueryFailure, QueryResult
from .errors import ApplicationError, FunctionFailed
from .execution.calls import Call
from .execution.live_queries import QueryKey

R = TypeVar("R")


@define(eq=False)
class Watch(Generic[R]):
    """A live query: everything that a client who watches it would have been shown."""

    key: QueryKey
    call: Call
    """What was asked, and who asked."""
    read: Callable[[bytes], R]
    digest: bytes = b""
    outcomes: list[R | ApplicationError | FunctionFailed] = Factory(list)
    """Every result and every failure, oldest first, without those that are as the one before."""
    journal: str | None = None

    @property
    def results(self) -> list[R]:
        """Every result, oldest first.  Raises the first failure if there was one."""
        for outcome in self.outcomes:
            if isinstance(outcome, (ApplicationError, FunctionFailed)):
                raise outcome
        return list(self.outcomes)  # type: ignore[arg-type]

    @property
    def latest(self) -> R:
        """The newest result.  Raises the failure if that is what is newest."""
        outcome = self.outcomes[-1]
        if isinstance(outcome, (ApplicationError, FunctionFailed)):
            raise outcome
        return outcome

    def see(self, result: QueryResult) -> None:
        self.journal = result.journal
        if result.digest != self.digest:
            self.digest = result.digest
            self.outcomes.append(
                failure(result) if isinstance(result, QueryFailure) else self.read(result.value),
            )


def failure(result: QueryFailure | FunctionFailure) -> ApplicationError | FunctionFailed:
    """What a client would be told, as an error to raise."""
    if result.data is not None:
        return ApplicationError(json.decode(result.data))
    return FunctionFailed(result.message.partition("\n")[2])
