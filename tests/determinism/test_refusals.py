"""What handlers may not do, and what they are told: the call, their line, and the remedy."""

# Handlers here do on purpose what handlers should not.
# ruff: noqa: ASYNC230, ASYNC251, SIM105, SIM115

from __future__ import annotations

import asyncio
import builtins
import concurrent.futures
import ctypes
import gc
import importlib
import locale
import os
import pathlib
import queue
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable

import pytest
from relive.engine.determinism.errors import DeterminismViolation

from .conftest import FOLDER, Handler, Refuse, RunHandler

EARLIER, OTHER_END = socket.socketpair()
"""A connection that was opened at module load."""
POOL = concurrent.futures.ThreadPoolExecutor(1)
A_FILE = str(FOLDER / "conftest.py")

FORBIDDEN: dict[str, tuple[Callable[[], object], str]] = {
    "open": (lambda: open(A_FILE), r"open\('.*conftest.py'\)"),
    "os.open": (lambda: os.open(A_FILE, os.O_RDONLY), "open"),
    "Path.exists": (lambda: pathlib.Path("/etc").exists(), r"os\.stat"),
    "Path.read_text": (lambda: pathlib.Path(A_FILE).read_text(), "open"),
    "os.listdir": (lambda: os.listdir("/"), "listdir"),
    "os.getcwd": (os.getcwd, "getcwd"),
    "os.write": (lambda: os.write(1, b""), r"os\.write"),
    "os.mkdir": (lambda: os.mkdir("/nowhere/at/all"), r"os\.mkdir"),
    "tempfile": (tempfile.mkdtemp, r"os\.|open"),
    "sqlite3": (lambda: sqlite3.connect(":memory:"), "sqlite3"),
    "socket": (socket.socket, "socket"),
    "DNS": (lambda: socket.getaddrinfo("example.org", 80), "DNS look-up of 'example.org'"),
    "connection from before": (lambda: EARLIER.send(b"x"), r"socket\.send"),
    "waiting for a connection": (lambda: EARLIER.recv(1), r"socket\.recv"),
    "select": (lambda: select.select([], [], [], 0), "select"),
    "subprocess": (lambda: subprocess.run(["true"]), r"subprocess|os\."),
    "os.system": (lambda: os.system("true"), r"os\.system\('true'\)"),
    "os.fork": (lambda: os.fork(), r"os\.fork"),
    "os._exit": (lambda: os._exit(1), r"os\._exit"),
    "os.kill": (lambda: os.kill(os.getpid(), 0), "os.(kill|getpid)"),
    "thread": (lambda: threading.Thread(target=print).start(), "starting a thread"),
    "thread pool": (lambda: POOL.submit(print), "thread pool"),
    "waiting for a queue": (lambda: queue.Queue[int]().get(), "waiting for another thread"),
    "waiting for an event": (lambda: threading.Event().wait(1), "waiting for another thread"),
    "sleep": (lambda: time.sleep(0), r"time\.sleep\(\)"),
    "signal": (lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN), r"signal\.signal"),
    "os.environ": (lambda: os.environ.get("HOME"), r"os\.environ"),
    "in os.environ": (lambda: "HOME" in os.environ, r"os\.environ"),
    "os.getenv": (lambda: os.getenv("HOME"), r"os\.environ"),
    "os.putenv": (lambda: os.environ.__setitem__("RELIVE_TEST", "1"), r"os\.putenv"),
    "os.getpid": (os.getpid, "getpid"),
    "uuid1": (uuid.uuid1, "uuid1"),
    "ctypes": (lambda: ctypes.CDLL(None), "ctypes"),
    "recursion limit": (lambda: sys.setrecursionlimit(10**6), "setrecursionlimit"),
    "locale": (lambda: locale.setlocale(locale.LC_ALL, "C"), "setlocale"),
    "settrace": (lambda: sys.settrace(None), "settrace"),
    "breakpoint": (builtins.breakpoint, "breakpoint"),
    "input": (builtins.input, "input"),
}


@pytest.fixture(scope="module", autouse=True)
def _closed() -> object:
    yield
    EARLIER.close()
    OTHER_END.close()
    POOL.shutdown()


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_handler_may_not_reach_outside_the_database(refuse: Refuse, name: str) -> None:
    function, match = FORBIDDEN[name]

    async def handler() -> object:
        return function()

    error = refuse(handler, match)

    assert error.kind == "query"
    assert len(error.hint) > 20


def test_the_message_names_the_call_the_line_and_the_remedy(refuse: Refuse) -> None:
    async def handler() -> object:
        return open("/etc/hostname")

    line = handler.__code__.co_firstlineno + 1

    assert str(refuse(handler, "open")) == (
        "open('/etc/hostname') is not allowed in a query\n"
        f'  at File "{__file__}", line {line}, in handler\n'
        "  Queries and mutations cannot touch the file system. Read files at module load, "
        "or move it to an @action."
    )


def test_the_environment_is_refused_with_what_to_use_instead(refuse: Refuse) -> None:
    async def handler() -> object:
        return os.environ["HOME"]

    assert 'Use ctx.env["NAME"], which `relive env set NAME VALUE` sets.' in refuse(handler, "environ").hint


def test_outside_handlers_everything_is_allowed() -> None:
    assert pathlib.Path(A_FILE).read_text()
    assert os.stat(A_FILE).st_size > 0
    assert EARLIER.send(b"x") == 1
    assert OTHER_END.recv(1) == b"x"
    assert POOL.submit(os.getpid).result() == os.getpid()
    assert os.environ.get("TZ") == "UTC"
    assert not threading.Event().wait(0.001)


def test_replaced_functions_keep_their_capabilities() -> None:
    assert os.stat in os.supports_follow_symlinks
    assert os.stat in os.supports_dir_fd


# The half-made event loop complains when it is freed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_handler_may_not_run_an_event_loop(refuse: Refuse) -> None:
    async def nothing() -> None:
        pass

    coroutine = nothing()

    async def handler() -> None:
        asyncio.run(coroutine)

    refuse(handler, "socket|environ|poll|epoll")
    coroutine.close()
    gc.collect()


async def swallow_exception() -> None:
    try:
        open("/etc/hostname")
    except Exception:
        pass


async def swallow_everything() -> int:
    try:
        open("/etc/hostname")
    except:  # noqa: E722
        pass
    return 1


async def disguise() -> None:
    try:
        open("/etc/hostname")
    except BaseException:
        raise ValueError("hidden")  # noqa: B904


async def override_in_finally() -> int:
    try:
        open("/etc/hostname")
    finally:
        return 1  # noqa: B012


@pytest.mark.parametrize("handler", [swallow_exception, swallow_everything, disguise, override_in_finally])
def test_a_violation_cannot_be_swallowed(refuse: Refuse, handler: Handler) -> None:
    refuse(handler, "open")


def test_the_first_violation_is_the_one_that_is_told(refuse: Refuse) -> None:
    async def handler() -> None:
        try:
            time.sleep(1)
        except BaseException:
            os.getcwd()

    refuse(handler, "sleep")


def test_a_violation_of_one_run_does_not_reach_the_next(refuse: Refuse, run_handler: RunHandler) -> None:
    async def good() -> int:
        return 1

    refuse(swallow_everything, "open")

    assert run_handler(good) == 1


async def leave_process() -> None:
    sys.exit(3)


async def cancel() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("handler", [leave_process, cancel])
def test_a_handler_cannot_stop_the_server(refuse: Refuse, handler: Handler) -> None:
    refuse(handler, "leaving through (SystemExit|CancelledError)")


async def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_handler_cannot_pass_for_the_keyboard_where_ctrl_c_is_received_as_a_signal(refuse: Refuse) -> None:
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        refuse(interrupt, "leaving through KeyboardInterrupt")
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_keyboard_interrupts_a_handler_where_ctrl_c_raises(run_handler: RunHandler) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_handler(interrupt)


def test_exceptions_of_the_handler_pass_through_with_their_cause(run_handler: RunHandler) -> None:
    cause = KeyError("cause")

    async def handler() -> None:
        raise ValueError("own") from cause

    with pytest.raises(ValueError, match="own") as caught:
        run_handler(handler)
    assert caught.value.__cause__ is cause


async def suspend() -> None:
    await asyncio.sleep(0)


async def suspend_through_another() -> None:
    await suspend()


def test_a_handler_may_not_suspend(refuse: Refuse) -> None:
    refuse(suspend, "awaiting anything but ctx")


def test_suspending_shows_the_whole_chain_of_awaits(refuse: Refuse) -> None:
    where = refuse(suspend_through_another, "awaiting").where.splitlines()

    assert ["in suspend_through_another" in where[0], "in suspend" in where[1]] == [True, True]
    assert "sleep" in where[-1]


def test_a_suspended_handler_is_closed_under_the_gate(refuse: Refuse) -> None:
    reached: list[str] = []

    async def handler() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            reached.append("finally")
            os.getcwd()
            reached.append("outside")

    refuse(handler, "awaiting")

    assert reached == ["finally"]


async def put(value: int) -> int:
    return value


def test_forgetting_to_await_is_an_error(refuse: Refuse) -> None:
    async def handler() -> int:
        put(1)  # type: ignore[unused-coroutine]
        return 5

    assert "await" in refuse(handler, r"forgetting to await put\(\)").hint


def test_a_finaliser_that_runs_by_chance_is_not_blamed_on_the_handler(run_handler: RunHandler) -> None:
    class Finalised:
        def __del__(self) -> None:
            open(A_FILE).close()

    async def handler() -> int:
        finalised = Finalised()
        del finalised
        return 3

    assert run_handler(handler) == 3


def test_context_variables_do_not_leak_from_run_to_run(run_handler: RunHandler) -> None:
    import decimal

    async def handler() -> int:
        before = decimal.getcontext().prec
        decimal.getcontext().prec = 3
        return before

    assert [run_handler(handler), run_handler(handler)] == [28, 28]
    assert decimal.getcontext().prec == 28


def test_importing_a_module_that_forbids_itself_is_refused_only_if_it_acts(run_handler: RunHandler) -> None:
    async def handler() -> str:
        return importlib.import_module("json").__name__

    assert run_handler(handler) == "json"


def test_a_violation_is_not_an_exception() -> None:
    assert not issubclass(DeterminismViolation, Exception)
