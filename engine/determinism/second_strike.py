"""Stops a handler that swallows the exception which was to stop it.

The first exception raised from a signal may land in ``except: pass`` inside an endless loop.  Then
every further line of the user's code that is on the stack raises again, which no ``except`` survives.
Only those code objects and frames are watched: a process-wide trace would raise in the engine's own
``finally`` blocks.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType

from .blame import frames, is_user_code
from .gate import GATE
from .real import real_set_trace

_watched: set[CodeType] = set()
_tool: int | None = None
"""Our tool id while user code is watched through sys.monitoring (3.12 and later)."""
_previous_trace: object = None
_tracing = False


def _raise_again() -> None:
    if GATE.run is not None and not GATE.engine and GATE.violation is not None:
        raise GATE.violation.with_traceback(None)  # else the traceback grows with every strike


def arm(frame: FrameType | None) -> None:
    """Make every line of the user's code from ``frame`` outwards raise the violation, until ``defuse``."""
    if sys.version_info >= (3, 12) and _claim_tool():
        _arm_monitoring(frame)
    else:
        _arm_tracing(frame)


def defuse() -> None:
    """After the handler has ended; does nothing if nothing is armed."""
    global _tool, _tracing, _previous_trace
    if sys.version_info >= (3, 12) and _tool is not None:
        while _watched:
            sys.monitoring.set_local_events(_tool, _watched.pop(), 0)
        sys.monitoring.free_tool_id(_tool)
        _tool = None
    if _tracing:
        real_set_trace(_previous_trace)  # type: ignore[arg-type]  # coverage's or a debugger's
        _tracing, _previous_trace = False, None


if sys.version_info >= (3, 12):

    def _claim_tool() -> bool:
        """Ids 0, 1, 2 and 5 are for debugger, coverage, profiler and optimizer."""
        global _tool
        for candidate in (4, 3):
            if _tool is None and sys.monitoring.get_tool(candidate) is None:
                sys.monitoring.use_tool_id(candidate, "relive limits")
                for event in (sys.monitoring.events.LINE, sys.monitoring.events.JUMP):
                    sys.monitoring.register_callback(candidate, event, _on_event)
                _tool = candidate
        return _tool is not None

    def _on_event(*details: object) -> None:
        _raise_again()

    def _arm_monitoring(innermost: FrameType | None) -> None:
        assert _tool is not None
        events = sys.monitoring.events.LINE | sys.monitoring.events.JUMP
        for frame in frames(innermost):
            if is_user_code(frame.f_code.co_filename):
                _watched.add(frame.f_code)
                sys.monitoring.set_local_events(_tool, frame.f_code, events)


def _arm_tracing(innermost: FrameType | None) -> None:
    global _tracing, _previous_trace
    for frame in frames(innermost):
        if is_user_code(frame.f_code.co_filename):
            frame.f_trace = _trace
            frame.f_trace_lines = True
    if not _tracing:
        _tracing, _previous_trace = True, sys.gettrace()
    real_set_trace(_trace)


def _trace(frame: FrameType, event: str, argument: object) -> None:
    # Raising ends the tracing, so not at "exception", where the next `except` only swallows it once more.
    if event != "exception" and is_user_code(frame.f_code.co_filename):
        _raise_again()
