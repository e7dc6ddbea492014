"""An action on a thread with its own asyncio loop; its ctx crosses over to the trio thread and back.

    trio task ──> thread: asyncio loop ──> handler ──> ctx call ──┐
       ^ cancel: task.cancel()                                    │ run_sync_soon
       └── a task for each ctx call <─────────────────────────────┘
               └──> call_soon_threadsafe: result, error or cancellation

Invariants
    * Nothing of the engine runs on the thread: each ctx call is a task of trio, under the action's
      cancel scope.
    * A thread that does not end when it is cancelled is left behind; it can reach nothing any more.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any

import trio
from attrs import Factory, define, field

from ..authentication.identity import Identity
from ..data.vector_fields import VectorFilter
from ..data.vector_indexes import VectorIndexOf
from ..determinism.recording import RECORDER, Recorder
from ..transactions.action_context import ActionRun
from ..transactions.meta import About
from ..transactions.scheduling import Due, JobId
from ..transactions.storage import ActionFiles
from ..transactions.vector_search import Nearest


@define(eq=False)
class Crossing:
    """One ctx call on its way."""

    operation: Callable[[], Awaitable[Any]]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    scope: trio.CancelScope = Factory(trio.CancelScope)

    def answer(self, result: object, error: BaseException | None) -> None:
        """Tell the loop, from the trio thread; nobody hears of it if the loop is closed."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.settle, result, error)

    def settle(self, result: object, error: BaseException | None) -> None:
        if self.future.done():
            return  # Cancelled by whoever waited for it.
        if error is None:
            self.future.set_result(result)
        elif isinstance(error, Exception) and not isinstance(error, StopIteration):
            self.future.set_exception(error)
        else:
            self.future.cancel()


@define(eq=False)
class AsyncioThread:
    """Runs one handler to its end."""

    token: trio.lowlevel.TrioToken
    recorder: Recorder
    nursery: trio.Nursery
    """Of the tasks that carry ctx calls."""
    ended: trio.Event = Factory(trio.Event)
    loop: asyncio.AbstractEventLoop | None = None
    task: asyncio.Task[Any] | None = None
    cancelled: bool = False
    lock: threading.Lock = field(factory=threading.Lock)
    """Held while ``task`` is set or cancelled: a cancellation may come before there is a task."""
    result: Any = None
    error: BaseException | None = None

    async def run(self, name: str, start: Callable[[], Awaitable[Any]], cancel_s: float) -> None:
        """Returns when the handler has ended; `outcome` says how.  Cancelled, it gives the handler ``cancel_s``."""
        context = Context()
        context.run(RECORDER.set, self.recorder)
        # A daemon: a thread that never ends must not keep the process.
        threading.Thread(target=context.run, args=(self.main, start), name=f"action {name}", daemon=True).start()
        try:
            await self.ended.wait()
        except trio.Cancelled:
            self.cancel()
            with trio.move_on_after(cancel_s, shield=True):
                await self.ended.wait()
            raise

    def outcome(self) -> Any:
        """What the handler has returned.  Raises what it has raised."""
        if self.error is not None:
            raise self.error
        return self.result

    def main(self, start: Callable[[], Awaitable[Any]]) -> None:
        """On the thread."""
        try:
            self.result = asyncio.run(self.supervise(start))
        except BaseException as error:  # A handler may raise anything; it must not end silently.
            self.error = error
        with suppress(trio.RunFinishedError):
            self.token.run_sync_soon(self.ended.set)

    async def supervise(self, start: Callable[[], Awaitable[Any]]) -> Any:
        with self.lock:
            self.loop, self.task = asyncio.get_running_loop(), asyncio.current_task()
            if self.cancelled:
                raise asyncio.CancelledError
        return await start()

    def cancel(self) -> None:
        """On the trio thread."""
        with self.lock:
            self.cancelled = True
            if self.loop is not None and self.task is not None:
                with suppress(RuntimeError):  # The loop is closed: it has ended by itself.
                    self.loop.call_soon_threadsafe(self.task.cancel)

    async def cross(self, operation: Callable[[], Awaitable[Any]]) -> Any:
        """On the thread: what the operation gives on the trio thread."""
        loop = asyncio.get_running_loop()
        crossing = Crossing(operation, loop, loop.create_future())
        try:
            self.token.run_sync_soon(self.begin, crossing)
        except trio.RunFinishedError:
            raise asyncio.CancelledError from None  # The server has gone.
        try:
            return await crossing.future
        except asyncio.CancelledError:
            with suppress(trio.RunFinishedError):
                self.token.run_sync_soon(crossing.scope.cancel)
            raise

    def begin(self, crossing: Crossing) -> None:
        try:
            self.nursery.start_soon(self.carry, crossing)
        except RuntimeError as error:  # The action has ended, and something that it left behind goes on.
            crossing.answer(None, error)

    async def carry(self, crossing: Crossing) -> None:
        with crossing.scope:
            try:
                result = await crossing.operation()
            except Exception as error:
                crossing.answer(None, error)
            except BaseException as error:
                crossing.answer(None, error)
                raise
            else:
                crossing.answer(result, None)


@define(eq=False)
class CrossingRun:
    """The `ActionRun` that a handler on the thread has: everything crosses over."""

    inner: ActionRun
    thread: AsyncioThread

    @property
    def about(self) -> About:
        return self.inner.about

    @property
    def identity(self) -> Identity | None:
        return self.inner.identity

    @property
    def variables(self) -> Mapping[str, str]:
        return self.inner.variables

    @property
    def files(self) -> ActionFiles:
        return self.inner.files

    def sign_token(self, subject: str, claims: Mapping[str, Any], lifetime_s: float) -> str:
        return self.inner.sign_token(subject, claims, lifetime_s)

    async def call(self, kind: str, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return await self.thread.cross(partial(self.inner.call, kind, function, args, kwargs))

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        retries: int,
        backoff: float,
    ) -> Any:
        return await self.thread.cross(
            partial(self.inner.step, name, self.here(function), args, kwargs, retries, backoff)
        )

    async def sleep(self, seconds: float) -> None:
        await self.thread.cross(partial(self.inner.sleep, seconds))

    async def schedule(self, due: Due, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> JobId:
        scheduled: JobId = await self.thread.cross(partial(self.inner.schedule, due, function, args, kwargs))
        return scheduled

    async def cancel_scheduled(self, id: JobId) -> None:
        await self.thread.cross(partial(self.inner.cancel_scheduled, id))

    async def cross(self, operation: Callable[[], Awaitable[Any]]) -> Any:
        return await self.thread.cross(operation)

    async def vector_search(
        self, index: VectorIndexOf[Any], vector: Sequence[float], limit: int, filter: VectorFilter | None
    ) -> list[Nearest[Any]]:
        found: list[Nearest[Any]] = await self.thread.cross(
            partial(self.inner.vector_search, index, vector, limit, filter)
        )
        return found

    def here(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A step of the handler's own runs on the thread that it was written for."""
        if hasattr(function, "handler"):
            return function  # A function of the app.
        loop = asyncio.get_running_loop()

        async def back(*args: Any, **kwargs: Any) -> Any:
            return await in_loop(loop, partial(function, *args, **kwargs))

        back.__wrapped__ = function  # type: ignore[attr-defined]
        return back


async def in_loop(loop: asyncio.AbstractEventLoop, start: Callable[[], Any]) -> Any:
    """From the trio thread: what a coroutine gives that runs on the loop.  Cancellation crosses."""
    token, ended = trio.lowlevel.current_trio_token(), trio.Event()

    async def run() -> Any:
        return await start()

    future = asyncio.run_coroutine_threadsafe(run(), loop)

    def tell(_: object) -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(ended.set)

    future.add_done_callback(tell)
    try:
        await ended.wait()
    except trio.Cancelled:
        future.cancel()
        raise
    return future.result()
