"""The audit hook: CPython reports most I/O as events, and here is what each means inside a handler.

Costs nothing for code that raises no event, and some 100 ns for each event.  What raises no event
(clocks, randomness, ``os.stat``, threads before 3.12...) is handled by the ``replacements_*``.
An audit hook can never be removed, so there is one, and it asks the gate.
"""

from __future__ import annotations

import os
import sys
import zoneinfo
from types import FrameType
from typing import Final, Literal

from .blame import called_by_library, called_by_reader, violate
from .errors import NeedImport
from .gate import GATE, Gate, get_ident, stick
from .remedies import Remedy

FORGIVEN_MAX = 1000

Verdict = Remedy | Literal["import"] | None
"""None is allowed; ``import`` is done outside the handler, which then starts again."""

FAMILIES: Final[dict[str, Remedy]] = {
    **dict.fromkeys(
        ("socket", "http", "urllib", "ssl", "ftplib", "smtplib", "poplib", "imaplib", "nntplib", "telnetlib"),
        Remedy.NETWORK,
    ),
    "webbrowser": Remedy.NETWORK,
    **dict.fromkeys(
        ("open", "os", "shutil", "glob", "pathlib", "tempfile", "fcntl", "mmap", "sqlite3", "syslog"),
        Remedy.FILES,
    ),
    **dict.fromkeys(("subprocess", "pty", "_thread", "_posixsubprocess", "signal", "resource"), Remedy.PROCESSES),
    **dict.fromkeys(("ctypes", "setopencodehook", "_winapi", "winreg", "msvcrt"), Remedy.NATIVE),
    "time": Remedy.SLEEP,
}
"""By the part of the event's name before the first dot; families that are absent are allowed."""

_verdicts: dict[str, Verdict] = {
    "import": "import",
    "builtins.input": Remedy.OTHER,
    "builtins.breakpoint": Remedy.DEBUGGER,
    "sys.settrace": Remedy.OTHER,
    "sys.setprofile": Remedy.OTHER,
    "sys._current_frames": Remedy.OTHER,
    "sys.set_asyncgen_hooks_firstiter": Remedy.OTHER,
    "sys.set_asyncgen_hooks_finalizer": Remedy.OTHER,
    "gc.get_objects": Remedy.OTHER,
    "gc.get_referrers": Remedy.OTHER,
    **dict.fromkeys(
        (
            "os.system",
            "os.fork",
            "os.forkpty",
            "os.exec",
            "os.spawn",
            "os.posix_spawn",
            "os.kill",
            "os.killpg",
        ),
        Remedy.PROCESSES,
    ),
    "os.putenv": Remedy.ENVIRONMENT,
    "os.unsetenv": Remedy.ENVIRONMENT,
}
"""Exact events; filled up from FAMILIES as new ones are seen."""

_READ_EVENTS: Final = frozenset(
    {"os.listdir", "os.scandir", "glob.glob", "glob.glob/2", "pathlib.Path.glob", "pathlib.Path.rglob"}
)
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_TIME_ZONES: Final = tuple(os.path.join(path, "") for path in zoneinfo.TZPATH)

forgiven: set[tuple[str, str]] = set()
"""(event, file) of what libraries read inside handlers and were let: for `doctor` and dev mode to show."""
missing: set[str] = set()
"""Modules that could not be imported outside the gate, so handlers may find out for themselves."""


# Bound as defaults: at interpreter shutdown this module's globals are gone, events are not.
def hook(event: str, args: tuple[object, ...], gate: Gate = GATE) -> None:
    """Called by CPython for every audit event of every thread."""
    if gate.run is None or gate.engine:
        return
    try:
        verdict = _verdicts[event]
    except KeyError:
        verdict = _verdicts[event] = FAMILIES.get(event.partition(".")[0])
    if verdict is None or get_ident() != gate.thread:
        return
    judge(event, args, verdict)


def judge(event: str, args: tuple[object, ...], verdict: Remedy | Literal["import"]) -> None:
    if verdict == "import":
        need_import(str(args[0]))
    elif verdict is not Remedy.FILES or not _is_harmless_read(event, args, sys._getframe(2)):
        violate(describe(event, args), verdict)


def need_import(name: str) -> None:
    """Give up this attempt so that the driver imports ``name`` and starts the handler again."""
    from . import gate  # the switch is a module variable: read it where it is now

    if name in missing or not gate.enabled:
        return
    raise stick(NeedImport(name))


def _is_harmless_read(event: str, args: tuple[object, ...], caller: FrameType) -> bool:
    if not _only_reads(event, args):
        return False
    if called_by_reader(caller):
        return True
    # The C implementation of zoneinfo leaves no frame of its own, so it is known by the path.
    if called_by_library(caller) or (event == "open" and str(args[0]).startswith(_TIME_ZONES)):
        if len(forgiven) < FORGIVEN_MAX:
            forgiven.add((event, str(args[0])))
        return True
    return False


def _only_reads(event: str, args: tuple[object, ...]) -> bool:
    if event != "open":
        return event in _READ_EVENTS
    _, mode, flags = args
    if isinstance(flags, int) and flags >= 0:
        return not flags & _WRITE_FLAGS
    return not set(str(mode or "r")) & set("wax+")


def describe(event: str, args: tuple[object, ...]) -> str:
    """The event as a developer would write the call."""
    match event, args:
        case "open", (path, *_):
            return f"open({path!r})"
        case "socket.__new__", _:
            return "opening a socket"
        case "socket.getaddrinfo", (host, *_):
            return f"DNS look-up of {host!r}"
        case "socket.connect", (_, address):
            return f"socket.connect({address!r})"
        case "subprocess.Popen", (_, command, *_):
            return f"subprocess {command!r}"
        case "os.system", (bytes(command),):
            return f"os.system({os.fsdecode(command)!r})"
        case _:
            return f"{event.removeprefix('builtins.').partition('/')[0]}()"
