"""What an action says: ``print`` and ``logging`` in it go to its own log, on whichever thread it is.

An action is no guarded run: it suspends, and others run in between, so where its lines go is a context
variable, which tasks and threads that it starts inherit.

Invariant: while the engine works on behalf of an action, nothing is recorded (`unrecorded`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

from attrs import Factory, define

from .blame import is_user_code
from .gate import keep_line

FRAMES_MAX = 8
"""Between a call of a logger and its caller there are a few frames of ``logging`` and ours."""


@define(eq=False)
class Recorder:
    """The log of one execution of an action."""

    logs: list[tuple[str, str]] = Factory(list)
    """(level, text), as in `gate.Run`."""

    def log(self, level: str, text: str) -> None:
        keep_line(self.logs, level, text)


RECORDER: ContextVar[Recorder | None] = ContextVar("relive_recorder", default=None)


@contextmanager
def recording(recorder: Recorder | None) -> Iterator[None]:
    token = RECORDER.set(recorder)
    try:
        yield
    finally:
        RECORDER.reset(token)


def unrecorded() -> AbstractContextManager[None]:
    """``with unrecorded():`` the engine's own code runs, whose remarks are for the server's log."""
    return recording(None)


def is_wanted(level: int) -> bool:
    """Whether a line is recorded that the logger's settings would leave out: one of the app's own is.

    Libraries say much, and not all of it is for everybody.
    """
    if level < logging.INFO:
        return False
    frame = sys._getframe(2)
    for _ in range(FRAMES_MAX):
        if frame.f_back is None:
            return False
        frame = frame.f_back
        if frame.f_globals.get("__name__") != "logging":
            return is_user_code(frame.f_code.co_filename)
    return False
