"""Steps of one durable action: each is done and recorded, or taken from the record.

    step ──> recorded? ──> its result, or its error
               └──> attempt ──> record ──> result
                       ^  └──> failed: record, wait, again
                       └──────────────────────────────┘

Invariants
    * Steps are taken one after another; the n-th has the name that is recorded for it.
    * What a step hands out is what is recorded, also the first time: a run that goes on sees the same.
    * A step that is a mutation is recorded in the mutation's own entry: it happens exactly once.  Any other
      happens at least once: again, if a crash comes between its end and its record.
"""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from attrs import define, field

from ...actors.errors import WritesRefused
from ...protocol import json
from ...protocol.errors import InvalidValue
from ..application.functions import Function
from ..data.documents import convert, to_value
from ..data.system_tables import DurableState, Step
from ..determinism.recording import recording, unrecorded
from ..errors import ApplicationError, FunctionError, FunctionFailed, LimitReached, StepMismatch
from ..execution.failures import Failure, failure_of
from ..execution.pause import is_paused
from ..limits import STEP_BACKOFF_S_MAX, STEP_NAME_CHARS_MAX, STEPS_MAX
from .durable import Records, Taken, recordable, step_beside
from .job import Job
from .run import Host, LocalRun

RETRY_S = 1.0
"""How long to wait when the log takes nothing now, or while the deployment is paused."""
SLEEP_S_MAX = 60.0
"""How long to wait at once: the wall clock may be set meanwhile."""
SLEEP = "sleep"


class Waits(Host, Protocol):
    """What a durable action needs beside what every action does."""

    @property
    def records(self) -> Records: ...

    async def aside(self, job: Job, wait: Callable[[], Awaitable[None]]) -> None: ...

    def refresh(self, job: Job) -> None:
        """Its time limit begins anew."""


@define(eq=False)
class Steps:
    host: Waits
    job: Job
    run: LocalRun
    id: str
    """Of the action's row."""
    recorded: dict[int, Step] = field(init=False)
    position: int = 0
    taking: str | None = None
    """The step that is under way."""

    def __attrs_post_init__(self) -> None:
        self.recorded = {step.position: step for step in self.host.records.steps(self.id)}

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        retries: int,
        backoff: float,
    ) -> Any:
        """See `ActionCtx.step`."""
        known = self.next(name)
        if known is not None and known.state != "waiting":
            self.position += 1
            return self.read(known.result, known.error, known.error_data, function)
        position, attempts = self.position, known.attempts if known is not None else 0
        until = known.until if known is not None else None
        self.position, self.taking = position + 1, name
        try:
            while True:
                await self.wait_until(until)
                taken = Taken(position, name, "done", attempts)
                try:
                    return await self.attempt(taken, function, args, kwargs)
                except WritesRefused:
                    until = self.now_ms() + RETRY_S * 1_000
                except StepMismatch:
                    raise
                except Exception as error:
                    attempts += 1
                    failure = recordable(failure_of(error, self.run.app.bundle.folder))
                    if isinstance(error, ApplicationError) or attempts > retries:
                        await self.record(Taken(position, name, "failed", attempts, failure=failure))
                        raise error_of(failure.text, data_of(failure)) from error
                    pause_s = min(backoff * 2 ** (attempts - 1), STEP_BACKOFF_S_MAX)
                    until = self.now_ms() + pause_s * 1_000
                    await self.record(Taken(position, name, "waiting", attempts, until, failure=failure))
        finally:
            self.taking = None

    async def sleep(self, seconds: float) -> None:
        known = self.next(SLEEP)
        position, until = self.position, known.until if known is not None else None
        self.position += 1
        if known is not None and known.state != "waiting":
            return
        self.taking = SLEEP
        try:
            if until is None:
                until = self.now_ms() + seconds * 1_000
                await self.record(Taken(position, SLEEP, "waiting", until=until))
            await self.wait_until(until)
            await self.record(Taken(position, SLEEP, "done", until=until, result="null"))
        finally:
            self.taking = None

    def next(self, name: str) -> Step | None:
        """What is recorded of the step that comes now.  Raises StepMismatch, LimitReached, FunctionError."""
        if self.taking is not None:
            raise FunctionError(f"step `{name}` cannot begin while `{self.taking}` is under way: take one at a time")
        if not 0 < len(name) <= STEP_NAME_CHARS_MAX:
            raise FunctionError(f"the name of a step has 1 to {STEP_NAME_CHARS_MAX} characters, not {len(name)}")
        if self.position >= STEPS_MAX:
            raise LimitReached("steps of one action", self.position + 1, STEPS_MAX, "Let it start another action")
        self.host.refresh(self.job)
        known = self.recorded.get(self.position)
        if known is not None and known.name != name:
            raise StepMismatch(self.job.name, self.position, known.name, name)
        return known

    async def attempt(
        self, taken: Taken, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        if isinstance(function, Function) and function.kind == "mutation":
            with unrecorded(), self.host.called():
                endpoint = self.run.find(function, "mutation")
                call = self.run.call_of(function, endpoint, args, kwargs)
                value = await self.run.mutation(call, step_beside(self.id, taken))
            return self.read(value.decode(), None, None, function)
        if isinstance(function, Function):
            result = await self.run.call(function.kind, function, args, kwargs)
        else:
            with recording(self.job.recorder):
                result = await function(*args, **kwargs)
        try:
            text = json.encode(to_value(result)).decode()
        except InvalidValue as error:
            raise FunctionError(f"step `{taken.name}` gave what cannot be recorded: {error}") from None
        await self.record(Taken(taken.position, taken.name, "done", taken.attempts, result=text))
        return self.read(text, None, None, function)

    async def record(self, taken: Taken) -> None:
        """Returns when it is durable; tries again while the disk takes nothing."""
        while True:
            try:
                with unrecorded():
                    written = self.host.records.record(self.id, self.job.name, taken)
                    await self.host.wait_durable(written.lsn)
                return
            except WritesRefused:
                await self.host.pass_time(RETRY_S)

    async def wait_until(self, until: float | None) -> None:
        """Until the time has come, and the deployment is not paused; others have the place meanwhile."""
        tables = self.host.executor.runtime.tables
        if (until is None or until <= self.now_ms()) and not is_paused(tables):
            return

        async def wait() -> None:
            while is_paused(tables):
                await self.host.pass_time(RETRY_S)
            while until is not None and (left_s := (until - self.now_ms()) / 1_000) > 0:
                await self.host.pass_time(min(left_s, SLEEP_S_MAX))

        with unrecorded():
            await self.move("waiting", until)
            await self.host.aside(self.job, wait)
            await self.move("running")

    async def move(self, state: DurableState, until: float | None = None) -> None:
        """Note what it does; tries again while the log takes nothing."""
        while True:
            try:
                self.host.records.move(self.id, self.job.name, state, until)
                return
            except WritesRefused:
                await self.host.pass_time(RETRY_S)

    def read(self, result: str | None, error: str | None, error_data: str | None, function: Callable[..., Any]) -> Any:
        """What a recorded step gives.  Raises what it raised."""
        if result is None:
            raise error_of(error or "", error_data)
        value, hint = json.decode(result.encode()), self.hint_of(function)
        try:
            return convert(value, hint)
        except InvalidValue as problem:
            raise FunctionError(f"what is recorded of step {self.position} does not fit the code: {problem}") from None

    def hint_of(self, function: Callable[..., Any]) -> Any:
        """What the function declares as its result; anything if it declares nothing that can be found."""
        if isinstance(function, Function):
            endpoint = self.run.app.endpoint_of(function)
            return endpoint.returns_hint if endpoint is not None else Any
        with suppress(Exception):
            return typing.get_type_hints(getattr(function, "__wrapped__", function)).get("return", Any)
        return Any

    def now_ms(self) -> float:
        return self.host.executor.env.clock_ns() / 1e6


def error_of(text: str, data: str | None) -> ApplicationError | FunctionFailed:
    """What a step that failed raises, from its record as at the time itself."""
    return ApplicationError(json.decode(data.encode())) if data is not None else FunctionFailed(text)


def data_of(failure: Failure) -> str | None:
    return failure.data.decode() if failure.data is not None else None
