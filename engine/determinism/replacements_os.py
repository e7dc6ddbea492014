"""Calls that ask or change the machine and raise no audit event: refused inside handlers.

Reading (``os.stat``, the environment) is forgiven where a library asks, since libraries look at
such things in passing; starting, waiting, writing and sending never are.
"""

from __future__ import annotations

import _thread
import concurrent.futures.thread
import importlib
import importlib.util
import locale
import os
import select
import signal
import socket
import ssl
import sys
import threading
from types import ModuleType

from .audit import need_import
from .blame import called_by_library, called_by_reader, violate
from .gate import GATE, active_run
from .patching import Function, forbid, replace
from .remedies import Remedy

_OS_READS = ("stat", "lstat", "fstat", "access", "getcwd", "getcwdb", "readlink", "statvfs", "isatty")
_OS_FACTS = (
    *(
        "getpid",
        "getppid",
        "cpu_count",
        "process_cpu_count",
        "sched_getaffinity",
        "getloadavg",
        "uname",
        "times",
    ),
    *("getlogin", "getuid", "geteuid", "getgid", "getegid", "getgroups", "ttyname", "get_terminal_size"),
)
_OS_CHANGES = (
    *("read", "readv", "pread", "preadv", "write", "writev", "pwrite", "pwritev", "sendfile", "splice"),
    *(
        "copy_file_range",
        "pipe",
        "pipe2",
        "eventfd",
        "memfd_create",
        "dup",
        "dup2",
        "close",
        "closerange",
        "umask",
    ),
)
_OS_PROCESSES = ("wait", "waitpid", "wait3", "wait4", "waitid", "sched_yield", "nice", "abort", "_exit")
_SIGNALS = (
    "signal",
    "setitimer",
    "alarm",
    "pause",
    "sigwait",
    "sigtimedwait",
    "set_wakeup_fd",
    "raise_signal",
)
_SOCKET_METHODS = (
    *("send", "sendall", "sendto", "sendmsg", "recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg"),
    "accept",
)
_INTERPRETER = ("setrecursionlimit", "setswitchinterval", "set_int_max_str_digits")


def install() -> None:
    _install_os()
    _install_environment()
    _install_threads()
    _install_connections()
    for name in _SIGNALS:
        replace(signal, name, forbid(f"signal.{name}()", Remedy.PROCESSES))
    for name in _INTERPRETER:  # a higher recursion limit lets a handler crash the process
        replace(sys, name, forbid(f"sys.{name}()", Remedy.OTHER))
    replace(locale, "setlocale", forbid("locale.setlocale()", Remedy.OTHER))
    replace(importlib, "import_module", _import_module)


def _install_os() -> None:
    for name in _OS_READS:
        replace(os, name, forbid(f"os.{name}()", Remedy.FILES, libraries_may=True))
    for name in _OS_FACTS:
        replace(os, name, forbid(f"os.{name}()", Remedy.OTHER, libraries_may=True))
    for name in _OS_CHANGES:
        replace(os, name, forbid(f"os.{name}()", Remedy.FILES))
    for name in _OS_PROCESSES:
        replace(os, name, forbid(f"os.{name}()", Remedy.PROCESSES))


def _install_environment() -> None:
    def make(original: Function) -> Function:
        def read(self: object, *args: object) -> object:
            if GATE.run is not None and active_run() is not None:
                caller = sys._getframe(1)
                if not (called_by_reader(caller) or called_by_library(caller)):
                    violate("os.environ", Remedy.ENVIRONMENT)
            return original(self, *args)

        return read

    for name in ("__getitem__", "__iter__", "__len__"):
        replace(type(os.environ), name, make)


def _install_threads() -> None:
    start = forbid("starting a thread", Remedy.PROCESSES)
    replace(threading.Thread, "start", start)
    replace(_thread, "start_new_thread", start)
    replace(_thread, "start_joinable_thread", start)
    replace(
        concurrent.futures.thread.ThreadPoolExecutor,
        "submit",
        forbid("submitting to a thread pool", Remedy.PROCESSES),
    )
    # Events, semaphores, queues and futures all wait through a condition.
    replace(threading.Condition, "wait", forbid("waiting for another thread", Remedy.SLEEP))
    for name in ("select", "poll"):
        replace(select, name, forbid(f"select.{name}()", Remedy.SLEEP))


def _install_connections() -> None:
    """Using a connection that was opened before, which raises no event at all."""
    for cls in (socket.socket, ssl.SSLSocket):
        for name in _SOCKET_METHODS:
            if cls is socket.socket or name in cls.__dict__:
                replace(cls, name, forbid(f"socket.{name}()", Remedy.NETWORK))


def _import_module(original: Function) -> Function:
    """Like ``import``, but it raises no event for modules written in Python."""

    def import_module(name: str, package: str | None = None) -> object:
        if GATE.run is not None and active_run() is not None:
            absolute = importlib.util.resolve_name(name, package) if name.startswith(".") else name
            if not isinstance(sys.modules.get(absolute), ModuleType):
                need_import(absolute)
        return original(name, package)

    return import_module
