"""What clients asked for in one transaction, and what they were told of it."""

from __future__ import annotations

from typing import Final

from attrs import frozen

READ: Final = "read"
APPEND: Final = "append"
WRITE: Final = "write"

OK: Final = "ok"
FAILED: Final = "failed"
"""It did not happen."""
UNKNOWN: Final = "unknown"
"""It may have happened; what it read, nobody knows."""

Value = int | None | tuple[int, ...]


@frozen
class Step:
    kind: str
    key: str
    value: Value
    """What was appended or written, or read: of a list, all of it; of a register, None before the first write."""


@frozen
class Transaction:
    number: int
    """Its place in the history."""
    name: str
    """For people."""
    begun: int
    """A position in the order of events; 0 if nobody knows."""
    ended: int | None
    """None if nobody knows."""
    status: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(map(step_text, self.steps))})"


@frozen
class Anomaly:
    """What no serial order explains."""

    kind: str
    words: str


def step_text(step: Step) -> str:
    value = list(step.value) if isinstance(step.value, tuple) else step.value
    return f"{step.kind}s {step.key}: {value}" if step.kind == READ else f"{step.kind}s {value} to {step.key}"
