"""CPU and memory limits for handlers: one periodic timer, nothing per call.

Every ``TICK_S`` of CPU time SIGPROF runs ``_tick`` on the main thread between two bytecodes, or inside
C code that polls for signals (regular expressions, big integers).  Idle servers get no ticks.

    first tick in a handler     its clock starts
    over a limit                LimitExceeded is raised at the line that runs
    still running a tick later  the user's code was swallowing it: second_strike
    stuck in C code             last_resort: a thread that needs no GIL prints all stacks and exits

The engine's own code within ``gate.engine_section`` is never interrupted; it is judged at the next tick.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from attrs import define

from . import gate, second_strike
from .blame import find_blame
from .errors import LimitExceeded, LimitsUnavailable
from .gate import GATE, Run, get_ident, stick
from .real import real_read_at, real_set_timer, real_signal, real_thread_time_ns

TICK_S = 0.02
CPU_S_DEFAULT = 1.0
MEMORY_BYTES_DEFAULT = 256 << 20
_CPU_HINT = "All clients wait while it runs. Read less through an index, page the work, or move it to an @action."
_MEMORY_HINT = "Read less at a time: use .take(n) or pages, or move it to an @action."

SignalHandler = Callable[[int, FrameType | None], object] | int | None


@define(eq=False)
class _Limits:
    cpu_ns: int = int(CPU_S_DEFAULT * 1e9)
    memory_bytes: int = MEMORY_BYTES_DEFAULT
    armed: bool = False
    previous_handler: SignalHandler = None
    status_file: int = -1
    run: Run | None = None
    """The run whose clock was started; compared by identity with the one that is running."""
    started_ns: int = 0
    started_bytes: int = 0
    strikes: int = 0


_limits = _Limits()


def configure(cpu_s: float, memory_bytes: int) -> None:
    """What one handler may use: seconds of CPU, and growth of the process in bytes.

    Both are measured from the handler's first tick, so each may be exceeded by what fits into ``TICK_S``.
    """
    assert cpu_s > 0, cpu_s
    assert memory_bytes > 0, memory_bytes
    _limits.cpu_ns = int(cpu_s * 1e9)
    _limits.memory_bytes = memory_bytes


def arm() -> None:
    """Start limiting handlers on the main thread.  Again is harmless.  Raises LimitsUnavailable."""
    if _limits.armed:
        return
    if threading.current_thread() is not threading.main_thread():
        raise LimitsUnavailable("signals reach the main thread only, so arm limits and run handlers there")
    if real_set_timer is None:
        raise LimitsUnavailable(f"{sys.platform} has no CPU timer")
    _open_status()
    _limits.previous_handler = real_signal(signal.SIGPROF, _tick)
    real_set_timer(signal.ITIMER_PROF, TICK_S, TICK_S)
    _limits.armed = True


def disarm() -> None:
    """Stop limiting and give SIGPROF back.  Raises LimitsUnavailable on other threads than the main one."""
    if not _limits.armed:
        return
    if threading.current_thread() is not threading.main_thread():
        raise LimitsUnavailable("disarm them on the main thread, where they were armed")
    assert real_set_timer is not None, "armed without a timer"
    real_set_timer(signal.ITIMER_PROF, 0)
    # A tick may still be under way, and by default SIGPROF kills the process.
    unset = _limits.previous_handler in (None, signal.SIG_DFL)
    real_signal(signal.SIGPROF, signal.SIG_IGN if unset else _limits.previous_handler)
    _close_status()
    _limits.armed, _limits.run = False, None


def last_resort(seconds: float) -> None:
    """Print all stacks and exit the process unless called again within ``seconds``.

    For C loops that poll nothing.  Call it from a task every second or so; whoever restarts the server
    should not run the function that is on the stack a third time.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)


def cancel_last_resort() -> None:
    faulthandler.cancel_dump_traceback_later()


def _tick(signal_number: int, frame: FrameType | None) -> None:
    run = GATE.run
    if run is None or GATE.engine or GATE.thread != get_ident() or not gate.enabled:
        return
    GATE.engine = 1  # what this function does itself must not be judged
    try:
        error = _judge(run, frame)
    except RecursionError:
        # The handler spends its time at the recursion limit, where there is room for this one frame and
        # for no call, not even of `__init__`.
        error = None
        if _limits.run is run and frame is not None and real_thread_time_ns() - _limits.started_ns > _limits.cpu_ns:
            error = LimitExceeded.__new__(LimitExceeded)
            error.what = f"{run.kind} `{run.name}` used more than {_limits.cpu_ns / 1e9:g} s of CPU"
            error.where = f'File "{frame.f_code.co_filename}", line {frame.f_lineno}, in {frame.f_code.co_name}'
            error.hint = _CPU_HINT
            GATE.violation = GATE.violation or error
    finally:
        GATE.engine = 0
    if error is not None:
        raise error


def _judge(run: Run, frame: FrameType | None) -> LimitExceeded | None:
    if _limits.run is not run:
        started_bytes = memory_used()
        _limits.run, _limits.started_ns = run, real_thread_time_ns()
        _limits.started_bytes, _limits.strikes = started_bytes, 0
        return None
    excess = _excess()
    if excess is None:
        return None
    _limits.strikes += 1
    what, hint = excess
    error = LimitExceeded(f"{run.kind} `{run.name}` used more than {what}", find_blame(frame).where, hint)
    stick(error)
    if _limits.strikes > 1:
        second_strike.arm(frame)
    return error


def _excess() -> tuple[str, str] | None:
    if real_thread_time_ns() - _limits.started_ns > _limits.cpu_ns:
        return f"{_limits.cpu_ns / 1e9:g} s of CPU", _CPU_HINT
    if memory_used() - _limits.started_bytes > _limits.memory_bytes:
        return f"{_limits.memory_bytes / (1 << 20):g} MiB of memory", _MEMORY_HINT
    return None


def _open_status() -> None:
    if os.path.exists("/proc/self/statm"):
        _limits.status_file = os.open("/proc/self/statm", os.O_RDONLY)


def _close_status() -> None:
    if _limits.status_file >= 0:
        os.close(_limits.status_file)
        _limits.status_file = -1


def memory_used() -> int:
    """Resident bytes of this process; where only the peak is known, the peak."""
    if _limits.status_file >= 0 and real_read_at is not None:
        return int(real_read_at(_limits.status_file, 64, 0).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource  # POSIX only, like the timer

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
