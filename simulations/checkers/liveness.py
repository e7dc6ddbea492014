"""Once all is well, all get done: nobody waits for ever, nothing stands still, nothing runs in circles."""

from __future__ import annotations

from collections.abc import Iterator

from ..history import History
from ..trace import Forgotten, Phase, Stuck
from .violation import Violation

NAME = "liveness"


def check(history: History) -> Iterator[Violation]:
    for position, (_, event) in enumerate(history.events):
        if isinstance(event, Stuck):
            yield Violation(NAME, "all get done", event.problem, position)
    if not any(event == Phase("settled") or isinstance(event, Forgotten) for _, event in history.events):
        yield Violation(NAME, "a run comes to its end", "it never settled")
