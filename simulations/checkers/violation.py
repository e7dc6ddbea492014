"""One thing that is not as it must be."""

from __future__ import annotations

from attrs import frozen


@frozen
class Violation:
    checker: str
    invariant: str
    """With ``checker``, what makes two failures the same."""
    problem: str
    event: int | None = None
    """Position in the trace, if there is one moment at which it shows."""

    @property
    def kind(self) -> str:
        return f"{self.checker}: {self.invariant}"
