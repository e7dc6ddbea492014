"""Handlers run on trio's thread, within one of the server's tasks, and disturb nothing."""

# Handlers here do on purpose what handlers should not.
# ruff: noqa: ASYNC230

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator
from typing import NoReturn

import httpx
import hypercorn.config
import hypercorn.trio
import pytest
import trio
import trio.lowlevel
from relive.engine.determinism import trio_context
from relive.engine.determinism.errors import DeterminismViolation, TrioChanged
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from .conftest import Handler, RunHandler


async def sleep() -> None:
    await trio.lowlevel.checkpoint()


async def open_nursery() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 1)


async def spawn() -> None:
    trio.lowlevel.spawn_system_task(trio.sleep, 0)


@pytest.mark.parametrize("handler", [sleep, open_nursery, spawn])
async def test_a_handler_cannot_reach_the_servers_run(run_handler: RunHandler, handler: Handler) -> None:
    with pytest.raises((RuntimeError, AttributeError, DeterminismViolation)):
        run_handler(handler)

    await trio.lowlevel.checkpoint()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 0)


# The half-made run complains when it is freed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_a_handler_may_not_run_a_trio_of_its_own(run_handler: RunHandler) -> None:
    async def handler() -> None:
        trio.run(trio.sleep, 0)

    task = trio.lowlevel.current_task()

    with pytest.raises(DeterminismViolation):
        run_handler(handler)
    gc.collect()
    assert trio.lowlevel.current_task() is task


async def test_trio_sees_its_task_after_every_sort_of_ending(run_handler: RunHandler) -> None:
    async def returns() -> None:
        pass

    async def raises() -> NoReturn:
        raise ValueError("own")

    async def violates() -> None:
        os.getcwd()

    task = trio.lowlevel.current_task()

    run_handler(returns)
    with pytest.raises(ValueError, match="own"):
        run_handler(raises)
    with pytest.raises(DeterminismViolation):
        run_handler(violates)
    assert trio.lowlevel.current_task() is task


async def test_this_version_of_trio_can_be_hidden() -> None:
    trio_context.check()

    assert trio.lowlevel.in_trio_task()


def test_this_version_of_trio_can_be_hidden_when_asked_outside_of_it() -> None:
    trio_context.check()

    assert not trio.lowlevel.in_trio_run()


def test_a_trio_that_keeps_its_task_elsewhere_is_told_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trio_context, "hide", lambda: (None, None))

    with pytest.raises(TrioChanged, match=r"trio \S+ cannot be hidden from handlers"):
        trio_context.check()


async def test_abandoned_async_generators_are_not_left_to_trio(run_handler: RunHandler) -> None:
    async def count() -> AsyncIterator[int]:
        for number in range(5):
            yield number

    async def handler() -> list[int]:
        async for number in count():
            if number == 2:
                break
        return [number async for number in count()]

    for _ in range(3):
        assert run_handler(handler) == [0, 1, 2, 3, 4]
    gc.collect()
    await trio.lowlevel.checkpoint()


async def test_actions_in_worker_threads_run_beside_handlers(run_handler: RunHandler) -> None:
    read: list[str] = []

    async def action() -> None:
        await asyncio.sleep(0.01)
        with open(__file__) as file:
            read.append(file.readline())

    async def in_thread() -> None:
        await trio.to_thread.run_sync(lambda: asyncio.run(action()))

    async def handler() -> int:
        return 5

    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_thread)
        for _ in range(200):
            assert run_handler(handler) == 5
            await trio.lowlevel.checkpoint()
    assert read


async def test_a_server_and_a_client_run_beside_handlers(run_handler: RunHandler) -> None:
    async def handler() -> float:
        return time.time()

    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(run_handler(handler)))

    config = hypercorn.config.Config()
    config.bind = ["127.0.0.1:0"]
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        app = Starlette(routes=[Route("/", answer)])

        async def run_server(task_status: trio.TaskStatus[list[str]]) -> None:
            # Starlette and hypercorn describe the same protocol in types of their own.
            await hypercorn.trio.serve(app, config, shutdown_trigger=stop.wait, task_status=task_status)  # type: ignore[arg-type]

        (address, *_) = await nursery.start(run_server)
        async with httpx.AsyncClient(trust_env=False) as client:
            answers = [(await client.get(address)).text for _ in range(3)]
        stop.set()

    assert answers == ["1700000000.1234567"] * 3
