"""The gate: engine sections, other threads, the debug switch."""

# Handlers here do on purpose what handlers should not.
# ruff: noqa: ASYNC230

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest
from relive.engine.determinism import blame, driver, gate
from relive.engine.determinism.real import real_clock_ns, real_entropy

from .conftest import CLOCK_NS, FOLDER, Refuse, RunHandler, make_run


@pytest.fixture
def debugging() -> Iterator[None]:
    gate.enabled = False
    yield
    gate.enabled = True


def test_an_engine_section_may_do_anything(run_handler: RunHandler) -> None:
    async def handler() -> bool:
        with gate.engine_section, gate.engine_section:
            open(__file__).close()
            os.getcwd()
            return time.time() > CLOCK_NS / 1e9 + 1000

    assert run_handler(handler) is True


def test_after_an_engine_section_the_guard_is_back(refuse: Refuse) -> None:
    async def handler() -> None:
        with gate.engine_section:
            pass
        os.getcwd()

    refuse(handler, "getcwd")


def test_an_engine_section_ends_when_it_raises(refuse: Refuse) -> None:
    async def handler() -> None:
        try:
            with gate.engine_section:
                raise ValueError
        except ValueError:
            os.getcwd()

    refuse(handler, "getcwd")


def test_a_handler_driven_within_an_engine_section_is_guarded(refuse: Refuse) -> None:
    async def handler() -> None:
        os.getcwd()

    with gate.engine_section:
        refuse(handler, "getcwd")
    assert gate.GATE.engine == 0


def test_an_engine_section_on_another_thread_opens_nothing_here(refuse: Refuse) -> None:
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with gate.engine_section:
            inside.set()
            leave.wait(10)

    async def handler() -> None:
        while not inside.is_set():
            pass
        os.getcwd()

    thread = threading.Thread(target=work)
    thread.start()
    refuse(handler, "getcwd")
    leave.set()
    thread.join()


def test_other_threads_are_not_guarded_while_a_handler_runs(run_handler: RunHandler) -> None:
    begin, done = threading.Event(), threading.Event()
    seen: list[object] = []

    def action() -> None:
        begin.wait(10)
        with open(__file__) as file:
            seen.append(file.readline())
        seen.append(time.time())
        done.set()

    async def handler() -> bool:
        begin.set()
        while not done.is_set():
            pass
        return True

    thread = threading.Thread(target=action)
    thread.start()

    assert run_handler(handler) is True
    thread.join()
    text, clock = seen
    assert text
    assert isinstance(clock, float)
    assert clock > CLOCK_NS / 1e9 + 1000


@pytest.mark.usefixtures("debugging")
def test_with_the_debug_switch_nothing_is_refused_but_the_clock_stands(run_handler: RunHandler) -> None:
    async def handler() -> object:
        with open(__file__) as file:
            return file.readline()[:3], time.time_ns()

    assert run_handler(handler) == ('"""', CLOCK_NS)


def test_handlers_are_driven_one_after_another() -> None:
    async def inner() -> None:
        pass

    async def outer() -> None:
        driver.drive(inner, make_run)

    with pytest.raises(AssertionError, match="one after another"):
        driver.drive(outer, make_run)


def test_after_a_handler_the_gate_holds_nothing(refuse: Refuse) -> None:
    async def handler() -> None:
        os.getcwd()

    refuse(handler, "getcwd")

    assert (gate.GATE.run, gate.GATE.violation, gate.GATE.engine) == (None, None, 0)


def test_installing_again_changes_nothing_but_the_roots() -> None:
    patched = time.time

    driver.install([str(FOLDER)])

    assert time.time is patched


def test_a_root_is_a_whole_folder() -> None:
    driver.add_root("/some/app")

    assert blame.is_user_code("/some/app/chat/messages.py")
    assert not blame.is_user_code("/some/apple/messages.py")
    assert not blame.is_user_code("/some/app/.venv/lib/python3.11/site-packages/library.py")


def test_a_root_may_be_a_prefix_of_file_names() -> None:
    driver.add_root("<bundle:")
    code = compile("async def handler():\n    open('x')", "<bundle:chat/messages.py>", "exec")
    namespace: dict[str, object] = {}
    exec(code, namespace)

    with pytest.raises(BaseException, match=r'File "<bundle:chat/messages.py>", line 2, in handler'):
        driver.drive(namespace["handler"], make_run)  # type: ignore[arg-type]


def test_the_server_has_the_real_clock_and_entropy_at_hand() -> None:
    assert abs(real_clock_ns() - time.time_ns()) < 5e9
    assert real_clock_ns is not time.time_ns
    assert len(real_entropy(8)) == 8
