"""No process fails but by its disk, and client and server understand each other."""

from __future__ import annotations

from collections.abc import Iterator

from ..excuses import may_end
from ..history import History
from ..trace import Ended, Objected
from .violation import Violation

NAME = "processes"


def check(history: History) -> Iterator[Violation]:
    if history.run.damage:
        yield Violation(NAME, "the log can be read", history.run.damage)
    for position, (_, event) in enumerate(history.events):
        match event:
            case Ended(_, how):
                if not may_end(history, position, how):
                    yield Violation(NAME, "a process does not fail", how, position)
            case Objected(client, problem):
                yield Violation(NAME, "clients accept what they are sent", f"client {client}: {problem}", position)
            case _:
                pass
