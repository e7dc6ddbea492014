"""Runs a handler to its end, synchronously and under the gate.

    make_run() ──> start() ──> send(None) ──┬──> result
         ^                                  ├──> the handler's own exception
         └── import a module outside <──────┤
                                            └──> the interruption that stuck

A handler never suspends: what it awaits is ctx, which answers from memory.  So one ``send`` is the
whole run, no other task comes between, and the gate needs no context variable.

Invariants
    * Whatever the handler does with the exception, an interruption of its run is what comes out.
    * After ``drive``, returned or raised, the gate is closed and trio sees its task again.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from contextvars import Context
from signal import SIGINT, default_int_handler
from types import FrameType, TracebackType

from . import (
    audit,
    blame,
    patching,
    replacements_logs,
    replacements_os,
    replacements_random,
    replacements_time,
    second_strike,
    trio_context,
)
from .errors import DeterminismViolation, Interruption, LimitExceeded, NeedImport
from .gate import GATE, Run, get_ident, stick
from .real import real_get_signal
from .remedies import Remedy

IMPORTS_MAX = 64
"""How many modules one handler may import on its first run; each starts it again."""

Handler = Coroutine[object, None, object]

_installed = False


def install(roots: Iterable[str]) -> None:
    """Guard this process, for good.  Call it before the user's modules are imported.  Again, it adds roots.

    Sets the process to UTC.  Without it ``drive`` works and guards nothing, which is what a debugger wants.
    Raises TrioChanged.
    """
    global _installed
    for root in roots:
        blame.add_root(root)
    if _installed:
        return
    trio_context.check()
    for replacements in (replacements_time, replacements_random, replacements_os, replacements_logs):
        replacements.install()
    patching.sweep()
    sys.addaudithook(audit.hook)
    _installed = True


def add_root(path: str) -> None:
    """More code of the user's: a folder, or a prefix of file names such as ``<bundle:``."""
    blame.add_root(path)


def drive(start: Callable[[], Handler], make_run: Callable[[], Run]) -> object:
    """The result of one handler.  Each attempt calls ``make_run``, then ``start``, then runs the coroutine.

    An attempt ends early if the handler imports a module that is not loaded yet; so ``make_run`` and
    ``start`` must leave nothing behind from the attempt before.
    Raises DeterminismViolation, LimitExceeded, and whatever the handler raises.
    """
    for _ in range(IMPORTS_MAX):
        try:
            return _attempt(start, make_run())
        except NeedImport as need:
            name = need.name
        _import_outside(name)
    kind = make_run().kind
    what = f"importing more than {IMPORTS_MAX} modules, {name} the last,"
    raise DeterminismViolation(what, "an unknown line", kind, Remedy.IMPORTS.value)


def _import_outside(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError:
        audit.missing.add(name)  # let the handler meet the ImportError itself: it may expect it


def _attempt(start: Callable[[], Handler], run: Run) -> object:
    gate = GATE
    assert gate.run is None, "handlers are driven one after another"
    coroutine = start()
    # A context of its own: what a handler sets (decimal's precision, say) may not reach the next one.
    context = Context()
    hidden = trio_context.hide()
    collects = gc.isenabled()
    gc.disable()  # or finalisers of other people's objects run inside the handler
    gate.thread = get_ident()
    gate.engine = 0
    gate.violation = None
    gate.run = run
    try:
        context.run(coroutine.send, None)
        raise _abandon(coroutine, context, run)
    except StopIteration as stop:
        if gate.violation is not None:
            raise gate.violation from None
        return stop.value
    except BaseException as error:
        stuck = _interruption(error, run)
        if stuck is None or stuck is error:
            raise
        raise stuck from None
    finally:
        gate.run = None
        if gate.violation is not None:
            if isinstance(gate.violation, LimitExceeded):
                second_strike.defuse()
            gate.violation = None  # it holds the handler's frames
        if collects:
            gc.enable()
        trio_context.restore(hidden)


def _interruption(error: BaseException, run: Run) -> Interruption | None:
    """What must come out instead of ``error``; None if the handler's own exception may."""
    if GATE.violation is not None:
        return GATE.violation
    if isinstance(error, Exception | Interruption):
        return None
    if isinstance(error, KeyboardInterrupt) and keyboard_interrupts():
        return None
    what = f"leaving through {type(error).__name__}"
    return DeterminismViolation(what, _where_raised(error.__traceback__), run.kind, Remedy.EXIT.value)


def keyboard_interrupts() -> bool:
    """Does Ctrl-C raise on this thread?  A server receives it as a signal: there the handler raised it itself."""
    receiver = real_get_signal(SIGINT)
    return receiver is default_int_handler or getattr(receiver, "__module__", "") == "trio._core._ki"


def _where_raised(traceback: TracebackType | None) -> str:
    where = "an unknown line"
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if blame.is_user_code(code.co_filename):
            where = f'File "{code.co_filename}", line {traceback.tb_lineno}, in {code.co_name}'
        traceback = traceback.tb_next
    return where


def _abandon(coroutine: Handler, context: Context, run: Run) -> DeterminismViolation:
    """The handler suspended: say where, then close it, under the gate still: its ``finally`` blocks run."""
    where = "\n     ".join(_await_chain(coroutine))
    error = DeterminismViolation("awaiting anything but ctx", where, run.kind, Remedy.SUSPENDED.value)
    stick(error)
    with suppress(Exception, Interruption):
        context.run(coroutine.close)
    return error


def _await_chain(awaited: object) -> Iterator[str]:
    """Where each coroutine stands, the handler first."""
    while awaited is not None:
        frame: FrameType | None = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            return
        yield blame.location(frame)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
