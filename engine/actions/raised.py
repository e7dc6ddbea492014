"""What came out of an action: its own error, a cancellation, or what trio says of code that broke its rules."""

from __future__ import annotations

import trio


def is_cancellation(error: BaseException) -> bool:
    """Whether trio cancels, perhaps beside other errors."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_cancellation, error.exceptions))
    return isinstance(error, trio.Cancelled)


def is_of_trio(error: BaseException) -> bool:
    """Whether trio itself has raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("trio.")


def only_cancellation(error: BaseException) -> BaseException:
    """Without what a cancelled action has raised beside: its outcome is why it was cancelled."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    cancelled, _ = error.split(trio.Cancelled)
    assert cancelled is not None
    return cancelled


def only_error(error: BaseException) -> BaseException:
    """What a nursery has wrapped, if it is one error alone: clients know that one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
