"""Which actions run and which wait: started by anybody inside the server, limited, cancelled at a stop.

    start ──> waiting, first come first served ──> running ──> outcome ──> on_done
      └──> refused: no such action, wrong arguments, paused, too many

A call of one action by another runs in the place of its caller, so that actions that wait for one
another never wait for a place.

Invariants
    * An action is begun at most once; what it does is never done again by us.  A durable action goes on
      after its last recorded step, see `durable`.
    * It begins when everything that it can see is durable: nothing is told to the outside world that
      could be taken back.
    * In a sealed fork none runs, and none goes on.
    * It runs the code that was deployed when it was asked for; what it calls is the code of that moment.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import trio
from attrs import Factory, define, field, frozen

from ...actors.errors import WritesRefused
from ...log.entry import LSN
from ...protocol import json
from ...protocol.errors import InvalidValue
from ...protocol.results import ActionSuccess
from .. import limits
from ..application.endpoint import Endpoint
from ..data.system_tables import DurableAction
from ..determinism.driver import keyboard_interrupts
from ..determinism.recording import recording
from ..errors import (
    ActionCancelled,
    ActionStopped,
    ActionTimedOut,
    DeploymentPaused,
    DeploymentSealed,
    FunctionNotFound,
    LimitReached,
    ReturnsValidationError,
    TooManyActions,
    WrongKind,
)
from ..execution.arguments import Arguments
from ..execution.calls import Call, Request
from ..execution.executor import Executor
from ..execution.failures import Failure, failure_of
from ..execution.live_queries import LiveQueries
from ..execution.pause import is_paused
from ..execution.results import encode_result
from ..execution.system_writes import Written
from ..files.files import Files
from ..transactions.action_context import ActionCtx
from .asyncio_thread import AsyncioThread, CrossingRun
from .durable import UNFINISHED, Records, call_of, recordable, require_small_arguments, require_small_result
from .job import ActionOutcome, Job
from .raised import is_cancellation, is_of_trio, only_cancellation, only_error
from .run import LocalRun, variables_of
from .steps import Steps

logger = logging.getLogger("relive")

PAUSED_S = 1.0
"""How often to look whether a paused deployment has been resumed."""
RETRY_S = 1.0
"""How long to wait when the log takes nothing now."""


@frozen
class ActionLimits:
    """Of one deployment; see `engine.limits` for what each means.  Times in seconds."""

    run_s: float = limits.ACTION_S_MAX
    cancel_s: float = limits.ACTION_CANCEL_S_MAX
    stop_s: float = limits.ACTIONS_STOP_S_MAX
    running: int = limits.ACTIONS_RUNNING_MAX
    waiting: int = limits.ACTIONS_WAITING_MAX
    calls: int = limits.ACTION_CALLS_MAX


@define(eq=False)
class Actions:
    executor: Executor
    live: LiveQueries[Any]
    files: Files
    limits: ActionLimits = ActionLimits()
    records: Records = field(init=False)
    wait_durable: Callable[[LSN], Awaitable[None]] = field(init=False)
    pass_time: Callable[[float], Awaitable[None]] = trio.sleep
    """Wait for so many seconds."""
    nursery: trio.Nursery | None = None
    """While `run` does."""
    waiting: deque[Job] = Factory(deque[Job])
    running: dict[Job, None] = Factory(dict[Job, None])
    """Those that have a place."""
    known: dict[Job, None] = Factory(dict[Job, None])
    """All that have not ended."""
    durable: dict[str, Job] = Factory(dict[str, Job])
    """Those of durable actions, by the id of their row."""
    calls: int = 0
    """Calls by actions that are under way."""
    stopping: bool = False
    sealed: bool = False
    """Whether none may run: see `DataFolder.sealed`."""
    changed: trio.Event = Factory(trio.Event)
    """Set when one has ended."""

    def __attrs_post_init__(self) -> None:
        self.records = Records(self.executor)
        self.wait_durable = self.executor.runtime.wait_durable

    def start(self, call: Call, request: Request) -> Job:
        """Start an action, for whoever asks: a client, a schedule, another part of the server.

        ``request`` is its cause: entries that it causes name its kind and id.  What is wrong with the call
        is the outcome, never an exception; then it may be there already.  A durable action that was started
        by the same request is the one that is given.
        """
        job = self.prepare(call, request)
        if job.outcome is None and job.function.durable:
            job = self.begin_durable(job)
        if not job.concluded and job not in self.known:
            self.enqueue(job)
        return job

    def serve(self, call: Call, request: Request, endpoint: Endpoint, id: str) -> Job:
        """Start what answers an HTTP request: an action that no path leads to.

        Raises ActionStopped, DeploymentPaused, DeploymentSealed, TooManyActions: then nothing was started.
        """
        if self.sealed:
            raise DeploymentSealed()
        self.require_room(None)
        if is_paused(self.executor.runtime.tables):
            raise DeploymentPaused()
        job = Job(call, request, id, self.executor.env.clock_ns(), (call.path,), f"{request.cause} {id}")
        job.endpoint, job.app, job.arguments = endpoint, self.executor.app, Arguments(call, endpoint)
        self.enqueue(job)
        return job

    def prepare(self, call: Call, request: Request, caller: Job | None = None) -> Job:
        """A job that is ready to run, or one that has failed already."""
        id = caller.id if caller is not None else self.executor.id_of(request)
        origin = caller.origin if caller is not None else f"{request.cause} {request.id}".strip()
        chain = (*(caller.chain if caller is not None else ()), call.path)
        job = Job(call, request, id, self.executor.env.clock_ns(), chain, origin)
        try:
            job.endpoint = self.executor.find(call, "action")
            if self.sealed:
                raise DeploymentSealed()
            job.app = self.executor.app
            job.arguments = Arguments(call, job.endpoint)
            self.require_room(caller)
        except Exception as error:
            self.fail(job, error)
        return job

    def begin_durable(self, job: Job) -> Job:
        """The job of the request: a new one with a row, or the one that it has started before."""
        assert job.endpoint is not None
        assert job.arguments is not None
        args, key = json.encode(job.arguments.value).decode(), self.key_of(job.request)
        try:
            require_small_arguments(job.endpoint.path, args)
            row = self.records.begin(job.call, job.endpoint.path, args, job.request, key, job.cause_id).value
        except Exception as error:
            self.fail(job, error)
            return job
        if row.id in self.durable:
            return self.durable[row.id]
        if row.state in UNFINISHED:
            job.durable = row.id
            self.durable[row.id] = job
        else:
            job.finish(self.recorded(row, job))
        return job

    def key_of(self, request: Request) -> str:
        """The same for a request that is sent again."""
        if request.session is not None:
            return f"{request.session.hex()} {request.request}"
        if request.id and request.cause != "action":
            return f"{request.cause} {request.id}"
        return self.executor.fresh_request_id()

    def recorded(self, row: DurableAction, job: Job) -> ActionOutcome:
        """The outcome of a durable action that has ended."""
        if row.result is not None:
            return ActionSuccess(row.result.encode(), ())
        data = row.error_data.encode() if row.error_data is not None else None
        return Failure(row.error or "", data).of_function(job.id, self.hidden(job), ())

    def resume(self) -> None:
        """Go on with the durable actions that were under way when the server stopped; in a sealed fork they rest."""
        if self.sealed:
            return
        for row in self.records.rows():
            if row.state in UNFINISHED and row.id not in self.durable:
                logger.info("going on with durable action %s (%s)", row.function, row.id)
                self.enqueue(self.job_of(row))

    def job_of(self, row: DurableAction) -> Job:
        """Of a row that was read from the log; one that cannot go on has failed already."""
        call, request = call_of(row), Request("action", None, 0)
        job = Job(call, request, row.origin.partition(" ")[0], self.executor.env.clock_ns(), (row.function,), "")
        job.origin, job.durable, job.app = row.origin.rpartition(" from ")[2], row.id, self.executor.app
        self.durable[row.id] = job
        job.endpoint = job.app.endpoints.get(row.function)
        return job

    def cancel(self, id: str, cause: str) -> Written[DurableAction]:
        """Cancel a durable action; the steps that were done stay.  Raises DurableActionUnknown, WritesRefused."""
        written = self.records.cancel(id, cause)
        job = self.durable.get(id)
        if job is not None:
            job.cancel(ActionCancelled())
        return written

    def refresh(self, job: Job) -> None:
        """Its time limit begins anew."""
        job.patience.deadline = trio.current_time() + self.limits.run_s

    def require_room(self, caller: Job | None) -> None:
        """Raises ActionStopped, TooManyActions."""
        if self.stopping:
            raise ActionStopped()
        if caller is None and len(self.waiting) >= self.limits.waiting and len(self.running) >= self.limits.running:
            raise TooManyActions(len(self.running), len(self.waiting))

    def enqueue(self, job: Job) -> None:
        self.known[job] = None
        self.waiting.append(job)
        self.pump()

    def pump(self) -> None:
        """Begin those whose turn it is."""
        while self.waiting and self.nursery is not None and len(self.running) < self.limits.running:
            job = self.waiting.popleft()
            self.running[job] = None
            if job.turn is not None:
                job.turn.set()
            else:
                job.turn = trio.Event()
                self.nursery.start_soon(self.attend, job)

    async def run(self) -> None:
        """Until cancelled, which cancels every action."""
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            try:
                self.resume()
                self.pump()
                await trio.sleep_forever()
            finally:
                self.nursery = None

    async def attend(self, job: Job) -> None:
        """One job, from its turn to its end: an outcome in time, whatever its code does."""
        try:
            await self.contain(job)
            await job.done.wait()
        finally:
            self.known.pop(job, None)
            self.running.pop(job, None)
            if job.durable is not None:
                self.durable.pop(job.durable, None)
            self.changed.set()
            self.pump()

    async def contain(self, job: Job) -> None:
        """Until its code has ended; what that has done to scopes of trio stays in the task that it had."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.carry_out, job)
                await self.watch(job)
        except* RuntimeError as errors:
            if not (job.ended.is_set() and all(map(is_of_trio, errors.exceptions))):
                raise
            remedy = "no `yield` of a generator belongs inside one, but in an @asynccontextmanager"
            logger.error("action %s has left a nursery or a cancel scope open: %s", job.name, remedy)

    async def watch(self, job: Job) -> None:
        job.patience.deadline = trio.current_time() + self.limits.run_s
        with job.patience:
            await job.ended.wait()
        if not job.ended.is_set():
            job.cancel(ActionTimedOut(self.limits.run_s))
            with trio.move_on_after(self.limits.cancel_s):
                await job.ended.wait()
            if not job.ended.is_set():
                assert job.reason is not None
                self.fail(job, job.reason)
                logger.error("action %s does not end although it was cancelled, and keeps its place", job.name)

    async def carry_out(self, job: Job) -> None:
        """Run the handler; its outcome, whatever it raises."""
        try:
            with job.scope:
                await self.conclude(job)
        finally:
            if not job.concluded:
                self.fail(job, job.reason or ActionStopped())
            job.ended.set()

    async def conclude(self, job: Job) -> None:
        try:
            value = await self.result_of(job)
        except BaseException as error:  # A handler may raise anything; it must not end the server.
            if isinstance(error, KeyboardInterrupt) and keyboard_interrupts():
                raise
            # A cancellation that nobody has asked for is an error like any other.
            if is_cancellation(error) and trio.current_effective_deadline() == -inf:
                raise only_cancellation(error) from None
            self.fail(job, only_error(error))
        else:
            self.succeed(job, value)

    async def result_of(self, job: Job) -> bytes:
        """The result as Convex JSON.  Raises what the handler raises."""
        await self.settle(job)
        if job.durable is not None:
            await self.go_on(job, job.durable)
        run = LocalRun(self, job, variables_of(self.executor))
        if job.durable is not None:
            run.steps = Steps(self, job, run, job.durable)
        assert job.arguments is not None
        arguments = job.arguments.take()
        if job.function.runtime == "asyncio":
            result = await self.in_thread(job, run, arguments)
        else:
            with recording(job.recorder):
                result = await job.function.handler(ActionCtx(run), **arguments)
        value = self.encoded(job, result)
        if job.durable is not None:
            require_small_result(job.name, value)
        return value

    async def settle(self, job: Job) -> None:
        """Wait until all that it can see is durable; what a full disk takes back, it does not see.

        Raises WritesRefused if its own row was taken back: then nothing has begun.
        """
        while True:
            try:
                await self.wait_durable(self.executor.runtime.tail.head)
                return
            except WritesRefused:
                if job.durable is not None and not self.records.has(job.durable):
                    raise

    async def go_on(self, job: Job, id: str) -> None:
        """Make ready what was read from the log.  Raises FunctionNotFound, WrongKind, ArgumentValidationError."""
        if job.arguments is not None:
            return
        while is_paused(self.executor.runtime.tables):
            await self.pass_time(PAUSED_S)
        await self.note_again(id)
        if job.endpoint is None:
            raise FunctionNotFound(job.name)
        if job.endpoint.kind != "action":
            raise WrongKind(job.name, "action", job.endpoint.kind)
        job.arguments = Arguments(job.call, job.endpoint)

    async def note_again(self, id: str) -> None:
        """Note that a durable action goes on; as soon as the log takes that."""
        while True:
            try:
                self.records.again(self.records.row(id))
                return
            except WritesRefused:
                await self.pass_time(RETRY_S)

    async def in_thread(self, job: Job, run: LocalRun, arguments: dict[str, Any]) -> object:
        async with trio.open_nursery() as nursery:
            thread = AsyncioThread(trio.lowlevel.current_trio_token(), job.recorder, nursery)
            ctx = ActionCtx(CrossingRun(run, thread))
            await thread.run(job.name, lambda: job.function.handler(ctx, **arguments), self.limits.cancel_s)
            nursery.cancel_scope.cancel()
        # Not within the nursery, which asks an error for its text: that is code of the app, and may fail.
        return thread.outcome()

    def encoded(self, job: Job, result: object) -> bytes:
        """Raises ReturnsValidationError."""
        assert job.endpoint is not None
        try:
            return encode_result(job.endpoint.check_result(result), {})
        except InvalidValue as error:
            raise ReturnsValidationError(job.endpoint.path, str(error)) from None

    async def nested(self, job: Job, caller: Job) -> ActionOutcome:
        """Run an action in the place of the one that calls it; a durable one in a place of its own."""
        if job.function.durable:
            job = self.begin_durable(job)
            if not job.concluded:
                self.enqueue(job)
                await self.aside(caller, job.done.wait)
            return await job.wait()
        self.known[job] = None
        try:
            with trio.move_on_after(self.limits.run_s) as patience:
                await self.carry_out(job)
            if patience.cancelled_caught and job.outcome is None:
                self.fail(job, ActionTimedOut(self.limits.run_s))
        finally:
            self.known.pop(job, None)
        assert job.outcome is not None
        return job.outcome

    @contextmanager
    def called(self) -> Iterator[None]:
        """While an action calls something.  Raises LimitReached."""
        if self.calls >= self.limits.calls:
            remedy = "Let each action do fewer things at once"
            raise LimitReached("calls by actions under way at once", self.calls + 1, self.limits.calls, remedy)
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1

    def succeed(self, job: Job, value: bytes) -> None:
        self.conclude_with(job, ActionSuccess(value, () if self.hidden(job) else job.lines()), None)

    def fail(self, job: Job, error: BaseException) -> None:
        app = job.app if job.app is not None else self.executor.app
        failure = failure_of(error, app.bundle.folder)
        if job.durable is not None:
            failure = recordable(failure)
        self.conclude_with(job, failure.of_function(job.id, self.hidden(job), job.lines()), failure)

    def conclude_with(self, job: Job, outcome: ActionOutcome, failure: Failure | None) -> None:
        """Its end; what comes later is too late."""
        if job.concluded:
            return
        job.concluded = True
        self.note(job, failure)
        # The end of a durable action goes to the log; but not if the server stops: then it goes on later.
        stops = isinstance(job.reason, ActionStopped) or (failure is not None and self.is_over())
        lsn = self.record_end(job, outcome, failure) if job.durable is not None and not stops else None
        if job.durable is None or stops or self.nursery is None:
            job.finish(outcome)
        else:
            self.nursery.start_soon(self.finish_when_durable, job, outcome, failure, lsn)

    def record_end(self, job: Job, outcome: ActionOutcome, failure: Failure | None) -> LSN | None:
        """What to wait for; None if the log takes nothing now."""
        assert job.durable is not None
        try:
            return self.records.end(job.durable, job.name, outcome, failure).lsn
        except WritesRefused as error:
            logger.warning("how durable action %s ended cannot be recorded yet: %s", job.durable, error)
            return None

    def is_over(self) -> bool:
        """Whether everything is being cancelled."""
        return self.nursery is None or self.nursery.cancel_scope.cancel_called

    async def finish_when_durable(
        self, job: Job, outcome: ActionOutcome, failure: Failure | None, lsn: LSN | None
    ) -> None:
        """Tell how a durable action has ended once that is recorded; if the server stops before, it goes on later."""
        recorded = False
        try:
            while not (recorded := await self.is_durable(lsn)) and not isinstance(job.reason, ActionStopped):
                await self.pass_time(RETRY_S)
                lsn = self.record_end(job, outcome, failure)
        finally:
            if not recorded:
                job.cancel(ActionStopped())
                app = job.app if job.app is not None else self.executor.app
                outcome = failure_of(ActionStopped(), app.bundle.folder).of_function(job.id, self.hidden(job), ())
            job.finish(outcome)

    async def is_durable(self, lsn: LSN | None) -> bool:
        """Once that is known; False if it was taken back, or is no entry at all."""
        if lsn is None:
            return False
        try:
            await self.wait_durable(lsn)
        except WritesRefused:
            return False
        return True

    def hidden(self, job: Job) -> bool:
        return self.executor.redact and not job.call.admin

    def note(self, job: Job, failure: Failure | None) -> None:
        """Remember the execution."""
        self.executor.executions.record(
            job.started_ns,
            job.name,
            "action",
            job.request.cause,
            job.id,
            error=failure.text if failure is not None else None,
            log_lines=job.lines(),
        )

    async def aside(self, job: Job, wait: Callable[[], Awaitable[None]]) -> None:
        """Wait for something that takes long: others have the place meanwhile, and no time runs out."""
        if job not in self.running:
            await wait()  # It has the place of its caller.
            return
        left = job.patience.deadline - trio.current_time()
        job.patience.deadline = inf
        del self.running[job]
        self.pump()
        try:
            await wait()
        finally:
            job.turn = trio.Event()
            if job.scope.cancel_called or self.nursery is None:
                self.running[job] = None  # It has only to end.
                job.turn.set()
            else:
                self.waiting.append(job)
                self.pump()
        await job.turn.wait()
        job.patience.deadline = trio.current_time() + left

    async def stop(self) -> None:
        """Take no more; let those that run end, for a while, then cancel them."""
        self.stopping = True
        for job in [job for job in self.waiting if not self.begun(job)]:
            self.waiting.remove(job)
            self.known.pop(job, None)
            job.cancel(ActionStopped())
            self.fail(job, ActionStopped())
        for job in [job for job in self.known if job.durable is not None and job not in self.running]:
            job.cancel(ActionStopped())  # It sleeps, and goes on sleeping after the next start.
        with trio.move_on_after(self.limits.stop_s):
            await self.wait_until_idle()
        for job in list(self.known):
            job.cancel(ActionStopped())
        with trio.move_on_after(self.limits.cancel_s):
            await self.wait_until_idle()
        for job in list(self.known):
            self.fail(job, job.reason or ActionStopped())
            logger.error("action %s does not end although it was cancelled: it is left behind", job.name)

    def begun(self, job: Job) -> bool:
        return job.turn is not None

    async def wait_until_idle(self) -> None:
        while self.known:
            self.changed = trio.Event()
            await self.changed.wait()
