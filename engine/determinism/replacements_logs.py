"""What a handler or an action says: ``print`` and ``logging`` go to its own log and nowhere else.

Also the interpreter's remark about coroutines that were never awaited, which inside a handler is
almost always a forgotten ``await`` before a ctx call, and so an error.
"""

from __future__ import annotations

import builtins
import logging
import sys
import traceback
import warnings
from collections.abc import Mapping
from types import CoroutineType, TracebackType
from typing import TextIO

from . import gate
from .blame import find_blame
from .errors import DeterminismViolation
from .gate import GATE, Run, active_run, engine_section, stick
from .patching import Function, replace
from .recording import RECORDER, Recorder, is_wanted
from .remedies import Remedy

ExceptionTriple = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


def install() -> None:
    replace(builtins, "print", _print)
    replace(logging.Logger, "isEnabledFor", _is_enabled_for)
    replace(logging.Logger, "_log", _log)
    replace(logging.Logger, "callHandlers", _call_handlers)
    replace(warnings, "_warn_unawaited_coroutine", _warn_unawaited)


def speaking() -> Run | Recorder | None:
    """Whose log it goes to what is said here; None for the server itself."""
    run = active_run() if GATE.run is not None else None
    return run if run is not None else RECORDER.get()


def _print(original: Function) -> Function:
    def print(
        *values: object,
        sep: str | None = " ",
        end: str | None = "\n",
        file: TextIO | None = None,
        flush: bool = False,
    ) -> None:
        run = speaking()
        if run is not None and (file is None or file is sys.stdout or file is sys.stderr):
            run.log("LOG", (" " if sep is None else sep).join(map(str, values)))
            return
        original(*values, sep=sep, end=end, file=file, flush=flush)

    return print


def _is_enabled_for(original: Function) -> Function:
    """Inside handlers every level is: the server's own settings must not decide what a run's log holds."""

    def is_enabled_for(self: logging.Logger, level: int) -> object:
        if GATE.run is not None and active_run() is not None:
            return True
        if RECORDER.get() is not None and is_wanted(level):
            return True
        return original(self, level)

    return is_enabled_for


def _log(original: Function) -> Function:
    def log(
        self: logging.Logger,
        level: int,
        msg: object,
        args: tuple[object, ...] | Mapping[str, object],
        exc_info: bool | BaseException | ExceptionTriple | None = None,
        extra: Mapping[str, object] | None = None,
        stack_info: bool = False,
        stacklevel: int = 1,
    ) -> None:
        if (run := speaking()) is not None:
            run.log(_level_name(level), _format(msg, args) + _format_exception(exc_info))
            return
        # One level more, or every log line of the server would name this file as its caller.
        original(self, level, msg, args, exc_info, extra, stack_info, stacklevel + 1)

    return log


def _call_handlers(original: Function) -> Function:
    """Records that were made by hand and given to ``Logger.handle``."""

    def call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
        if (run := speaking()) is not None:
            run.log(_level_name(record.levelno), record.getMessage() + _format_exception(record.exc_info))
            return
        original(self, record)

    return call_handlers


def _level_name(level: int) -> str:
    if level < logging.INFO:
        return "DEBUG"
    if level < logging.WARNING:
        return "INFO"
    return "WARN" if level < logging.ERROR else "ERROR"


def _format(message: object, args: tuple[object, ...] | Mapping[str, object]) -> str:
    text = str(message)
    if isinstance(args, tuple) and len(args) == 1 and isinstance(args[0], Mapping) and args[0]:
        args = args[0]  # logging's rule, for "%(name)s"
    if not args:
        return text
    try:
        return text % args
    except (TypeError, ValueError, KeyError):
        return f"{text} {args!r}"  # logging never fails because of a wrong format


def _format_exception(exc_info: bool | BaseException | ExceptionTriple | None) -> str:
    if not exc_info:
        return ""
    if isinstance(exc_info, tuple):
        error = exc_info[1]
    else:
        error = exc_info if isinstance(exc_info, BaseException) else sys.exc_info()[1]
    if error is None:
        return ""
    with engine_section:  # it reads source files
        return "\n" + "".join(traceback.format_exception(error)).rstrip("\n")


def _warn_unawaited(original: Function) -> Function:
    def warn(coroutine: CoroutineType[object, object, object]) -> None:
        run: Run | None = active_run()
        if run is None or not gate.enabled:
            original(coroutine)
            return
        with engine_section:
            # Often it is freed when the handler has ended: then only the handler is known.
            blame = find_blame(sys._getframe(1), f"{run.kind} `{run.name}`")
        # Raising here would only be printed: the coroutine is being freed.  It sticks all the same.
        what = f"forgetting to await {coroutine.__qualname__}()"
        stick(DeterminismViolation(what, blame.where, run.kind, Remedy.UNAWAITED.value))

    return warn
