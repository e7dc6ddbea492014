"""Runaway handlers are stopped, whatever they do, and ordinary ones pay nothing."""

# Handlers here do on purpose what handlers should not.
# ruff: noqa: SIM105

from __future__ import annotations

import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator

import pytest
import trio
from relive.engine.determinism import driver, gate, limits
from relive.engine.determinism.errors import LimitExceeded, LimitsUnavailable
from relive.engine.determinism.real import real_monotonic_ns

from .conftest import FOLDER, Handler, RunHandler

CPU_S = 0.1
MEMORY_BYTES = 64 << 20
PATIENCE_S = 12.0
"""Generous: other programs share the machine."""


@pytest.fixture(autouse=True)
def _armed() -> Iterator[None]:
    limits.configure(CPU_S, MEMORY_BYTES)
    limits.arm()
    yield
    limits.disarm()
    limits.configure(limits.CPU_S_DEFAULT, limits.MEMORY_BYTES_DEFAULT)


async def loop() -> None:
    while True:
        pass


async def swallow_around_a_loop() -> None:
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


async def swallow_everywhere() -> None:
    def outer() -> None:
        while True:
            try:
                inner()
            except:  # noqa: E722
                continue

    def inner() -> int:
        try:
            while 1:
                pass
        finally:
            return 3  # noqa: B012

    while True:
        try:
            outer()
        except BaseException:
            try:
                pass
            except:  # noqa: E722
                pass


async def swallow_with_an_expression() -> None:
    while True:
        try:
            while 1:
                pass
        except:  # noqa: E722
            0  # noqa: B018


async def regular_expression() -> None:
    re.match(r"(a+)+$", "a" * 60 + "b")


async def big_integer() -> object:
    return 10 ** (10**8)


async def generator() -> int:
    return sum(1 for _ in range(10**12))


async def recursion() -> None:
    def deeper(depth: int) -> None:
        try:
            deeper(depth + 1)
        except RecursionError:
            deeper(0)

    deeper(0)


async def memory() -> None:
    kept: list[str] = []
    while True:
        kept.append("x" * 1000 + str(len(kept)))


def stopped(run_handler: RunHandler, handler: Handler) -> LimitExceeded:
    started_ns = real_monotonic_ns()
    with pytest.raises(LimitExceeded) as caught:
        run_handler(handler)
    assert (real_monotonic_ns() - started_ns) / 1e9 < PATIENCE_S
    return caught.value


@pytest.mark.parametrize(
    "handler",
    [
        loop,
        swallow_around_a_loop,
        swallow_everywhere,
        swallow_with_an_expression,
        regular_expression,
        big_integer,
        generator,
        recursion,
    ],
)
def test_a_handler_that_does_not_end_is_stopped(run_handler: RunHandler, handler: Handler) -> None:
    error = stopped(run_handler, handler)

    assert "test_limits.py" in error.where
    assert str(error).startswith("query `tests:handler` used more than 0.1 s of CPU\n  at File ")


def test_a_handler_that_fills_memory_is_stopped(run_handler: RunHandler) -> None:
    limits.configure(60, MEMORY_BYTES)

    assert stopped(run_handler, memory).what.endswith("used more than 64 MiB of memory")


def test_after_a_second_strike_nothing_is_traced(run_handler: RunHandler) -> None:
    def trace(frame: object, event: str, argument: object) -> None:
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        stopped(run_handler, swallow_around_a_loop)
        after = sys.gettrace()
    finally:
        sys.settrace(before)
    assert after is trace


def test_trio_goes_on_while_handlers_are_stopped(run_handler: RunHandler) -> None:
    async def main() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            for _ in range(5):
                await trio.sleep(0.01)
                ticks += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick)
            await trio.sleep(0.02)
            stopped(run_handler, loop)
            stopped(run_handler, swallow_everywhere)
        return ticks

    assert trio.run(main) == 5


def test_many_short_handlers_together_are_not_one_long_one() -> None:
    async def short() -> int:
        return sum(range(1000))

    def make_run() -> gate.Run:
        return gate.Run(1, b"seed", "query", "tests:short", b"secret")

    started_ns = real_monotonic_ns()
    while real_monotonic_ns() - started_ns < 5 * CPU_S * 1e9:
        assert driver.drive(short, make_run) == 499_500


def test_the_engines_own_code_is_never_interrupted(run_handler: RunHandler) -> None:
    finished: list[bool] = []

    async def handler() -> None:
        with gate.engine_section:
            started_ns = real_monotonic_ns()
            while real_monotonic_ns() - started_ns < 3 * CPU_S * 1e9:
                pass
            finished.append(True)
        while True:
            pass

    stopped(run_handler, handler)

    assert finished == [True]


def test_without_the_guard_nothing_is_limited(run_handler: RunHandler, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler() -> str:
        started_ns = real_monotonic_ns()
        while real_monotonic_ns() - started_ns < 3 * CPU_S * 1e9:
            pass
        return "done"

    monkeypatch.setattr(gate, "enabled", False)

    assert run_handler(handler) == "done"


def test_disarming_gives_the_signal_back_without_risk() -> None:
    limits.disarm()

    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    assert signal.getsignal(signal.SIGPROF) == signal.SIG_IGN
    limits.disarm()


def test_arming_elsewhere_than_on_the_main_thread_is_refused() -> None:
    limits.disarm()
    problems: list[str] = []

    def arm() -> None:
        try:
            limits.arm()
        except LimitsUnavailable as error:
            problems.append(str(error))

    thread = threading.Thread(target=arm)
    thread.start()
    thread.join()

    assert problems == [
        "CPU and memory limits are not available: "
        "signals reach the main thread only, so arm limits and run handlers there"
    ]


def test_a_handler_stuck_in_c_code_ends_the_process() -> None:
    program = f"""
        import collections, itertools
        from relive.engine.determinism import driver, gate, limits
        driver.install([{str(FOLDER)!r}])
        limits.arm()
        limits.last_resort(0.5)
        async def stuck():
            collections.deque(itertools.repeat(None), maxlen=0)
        driver.drive(stuck, lambda: gate.Run(1, b"seed", "query", "a:stuck", b"secret"))
    """

    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60)

    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
    assert "in stuck" in ended.stderr


def test_the_last_resort_can_be_called_off() -> None:
    limits.last_resort(0.05)
    limits.cancel_last_resort()

    threading.Event().wait(0.1)
