"""What the ctx of one running action does: calls of other functions, each a transaction of its own.

Invariants
    * A result is handed to the action when what it shows is durable.
    * Functions are found by their path in the code that is deployed at the time of the call; arguments and
      results are those that the action's own code declares.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from math import inf
from typing import Any, Protocol, TypeVar

import trio
from attrs import Factory, define, field

from ...actors.table import Table
from ...log.entry import LSN
from ...protocol import json
from ...protocol.errors import InvalidValue
from ...protocol.results import ActionSuccess, FunctionFailure, MutationSuccess, QueryFailure, QuerySuccess
from ...protocol.values import Value
from ..application.app import App
from ..application.endpoint import Endpoint
from ..authentication.identity import Identity
from ..authentication.own_tokens import issue, own_key
from ..authentication.providers import OwnTokens
from ..data.documents import convert
from ..data.system_tables import EnvironmentVariable
from ..data.vector_fields import Asked, TableVectorIndex, VectorFilter
from ..data.vector_indexes import VectorIndexOf
from ..determinism.recording import unrecorded
from ..errors import (
    ApplicationError,
    FunctionError,
    FunctionFailed,
    FunctionNotFound,
    LimitReached,
    ReturnsValidationError,
    TableUnknown,
    WrongKind,
)
from ..execution.beside import Beside
from ..execution.calls import Call, Request
from ..execution.executor import Executor
from ..execution.live_queries import LiveQueries
from ..execution.lookup import named
from ..execution.nested_calls import arguments_of, checked_arguments
from ..execution.system_writes import SystemCtx, SystemHandler
from ..files.files import Files, FilesOfAction
from ..limits import CALL_DEPTH_MAX
from ..transactions.database_access import table_of
from ..transactions.meta import About, DeploymentMetadata, FunctionMetadata
from ..transactions.scheduling import Due, JobId, cancel, schedule
from ..transactions.vector_search import Nearest, known_index, nearest_of_table
from ..version import ENGINE_VERSION
from .job import ActionOutcome, Job

T = TypeVar("T")


class Host(Protocol):
    """What runs actions, as one of them sees it."""

    @property
    def executor(self) -> Executor: ...
    @property
    def live(self) -> LiveQueries[Any]: ...
    @property
    def files(self) -> Files: ...
    @property
    def wait_durable(self) -> Callable[[LSN], Awaitable[None]]: ...

    def prepare(self, call: Call, request: Request, caller: Job | None = None) -> Job: ...

    @property
    def pass_time(self) -> Callable[[float], Awaitable[None]]: ...

    async def nested(self, job: Job, caller: Job) -> ActionOutcome: ...

    def called(self) -> AbstractContextManager[None]: ...


class StepTaker(Protocol):
    """What takes the steps of a durable action."""

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        retries: int,
        backoff: float,
    ) -> Any: ...

    async def sleep(self, seconds: float) -> None: ...


@define(eq=False)
class LocalRun:
    """The `ActionRun` of an action, on the trio thread."""

    host: Host
    job: Job
    variables: Mapping[str, str]
    steps: StepTaker | None = None
    """None unless it is a durable action."""
    about: About = field(init=False)
    token: trio.lowlevel.TrioToken = Factory(trio.lowlevel.current_trio_token)
    """Of the loop that the engine lives in."""

    def __attrs_post_init__(self) -> None:
        endpoint, app = self.job.endpoint, self.app
        assert endpoint is not None
        function = FunctionMetadata(endpoint.path, "action", "public" if endpoint.public else "internal")
        deployment = DeploymentMetadata(app.name, app.code.hex(), ENGINE_VERSION)
        self.about = About(function, deployment, self.job.id, self.job.call.job)

    @property
    def app(self) -> App:
        """The code that the action runs."""
        assert self.job.app is not None
        return self.job.app

    @property
    def identity(self) -> Identity | None:
        return self.job.call.identity

    async def call(self, kind: str, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Raises ApplicationError, FunctionFailed; FunctionNotFound, WrongKind, ArgumentValidationError;
        LimitReached if too many calls are under way."""
        with self.calling():
            endpoint = self.find(function, kind)
            call = self.call_of(function, endpoint, args, kwargs)
            match kind:
                case "query":
                    value = await self.query(call)
                case "mutation":
                    value = await self.mutation(call)
                case _:
                    value = await self.action(call)
            return self.read(value, endpoint)

    async def query(self, call: Call) -> bytes:
        result, lsn = self.host.live.once(call)
        await self.host.wait_durable(lsn)
        if isinstance(result, QuerySuccess):
            return result.value
        raise failure(result)

    async def mutation(self, call: Call, beside: Beside | None = None) -> bytes:
        done = self.host.executor.mutate(call, self.request(), beside)
        await self.host.wait_durable(done.lsn)
        if isinstance(done.outcome, MutationSuccess):
            return done.outcome.result
        raise failure(done.outcome)

    async def action(self, call: Call) -> bytes:
        if len(self.job.chain) >= CALL_DEPTH_MAX:
            remedy = "Let actions call plain functions that take ctx instead"
            raise LimitReached("actions that call one another", len(self.job.chain) + 1, CALL_DEPTH_MAX, remedy)
        job = self.host.prepare(call, self.request(), caller=self.job)
        outcome = job.outcome if job.outcome is not None else await self.host.nested(job, self.job)
        if isinstance(outcome, ActionSuccess):
            return outcome.result
        raise failure(outcome)

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        retries: int,
        backoff: float,
    ) -> Any:
        self.require_usable()
        if self.steps is None:
            raise FunctionError(f"{self.job.name} takes a step: that needs `@action(durable=True)`")
        return await self.steps.step(name, function, args, kwargs, retries, backoff)

    async def sleep(self, seconds: float) -> None:
        if not 0 <= seconds < inf:
            raise ValueError(f"nobody can sleep for {seconds} seconds")
        if self.steps is not None:
            await self.steps.sleep(seconds)
        else:
            await self.host.pass_time(seconds)

    def sign_token(self, subject: str, claims: Mapping[str, Any], lifetime_s: float) -> str:
        own = next((provider for provider in self.app.providers if isinstance(provider, OwnTokens)), None)
        if own is None:
            problem = "issues a token: that needs `OwnTokens` among the providers of `auth_config`"
            raise FunctionError(f"{self.job.name} {problem}")
        env, secret = self.host.executor.env, self.host.executor.secret
        return issue(own_key(secret), own, subject, claims, lifetime_s, env.clock_ns() / 1e9)

    @property
    def files(self) -> FilesOfAction:
        return FilesOfAction(self.host.files)

    async def cross(self, operation: Callable[[], Awaitable[Any]]) -> Any:
        self.require_usable()
        with unrecorded():
            return await operation()

    @contextmanager
    def calling(self) -> Iterator[None]:
        """While the action calls something.  Raises FunctionError, LimitReached."""
        self.require_usable()
        with unrecorded(), self.host.called():
            yield

    def require_usable(self) -> None:
        """Raises FunctionError on another thread, where the engine must not run, and after the end of the action."""
        if not trio.lowlevel.in_trio_task() or trio.lowlevel.current_trio_token() is not self.token:
            remedy = "await it in the action itself, or with `trio.from_thread.run`"
            raise FunctionError(f"{self.job.name} uses its ctx on another thread: {remedy}")
        if self.job.concluded:
            raise FunctionError(f"{self.job.name} has ended, and its ctx with it: schedule what comes later")

    def request(self) -> Request:
        """What entries say that this action causes."""
        return Request("action", None, 0, self.job.cause_id, self.job.request.parent)

    def find(self, function: object, kind: str) -> Endpoint:
        """As the action's own code knows it.  Raises FunctionNotFound, WrongKind."""
        endpoint = self.look_up(function)
        if endpoint.kind != kind:
            raise WrongKind(endpoint.path, kind, endpoint.kind)
        return endpoint

    def look_up(self, function: object) -> Endpoint:
        """Raises FunctionNotFound."""
        if isinstance(function, str):
            # Only its name is known: it may have been deployed since.
            endpoint = named(self.host.executor.app, function)
        else:
            endpoint = self.app.endpoint_of(function)
        if endpoint is None:
            name = function if isinstance(function, str) else getattr(function, "__name__", repr(function))
            raise FunctionNotFound(name)
        return endpoint

    async def schedule(self, due: Due, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> JobId:
        with self.calling():
            endpoint = self.look_up(function)
            if endpoint.kind not in ("mutation", "action"):
                raise WrongKind(endpoint.path, "mutation or action", endpoint.kind)
            value = checked_arguments(endpoint, args, kwargs, named=isinstance(function, str))

            async def add(ctx: SystemCtx) -> JobId:
                return schedule(ctx._run, due, endpoint.path, value, self.job.call.job)

            return await self.write(add, {"schedule": endpoint.path})

    async def cancel_scheduled(self, id: JobId) -> None:
        async def end(ctx: SystemCtx) -> None:
            cancel(ctx._run, id)

        with self.calling():
            await self.write(end, {"cancel": str(id)})

    async def vector_search(
        self, index: VectorIndexOf[Any], vector: Sequence[float], limit: int, filter: VectorFilter | None
    ) -> list[Nearest[Any]]:
        executor = self.host.executor
        name = table_of(index.table or object)

        def find() -> tuple[Table, TableVectorIndex]:
            # The index of that name in the code that is deployed by now.
            codec = executor.codecs.get(name)
            if codec is None:
                raise TableUnknown(name)
            return executor.runtime.tables.table(name), known_index(codec, index)

        def ask(known: TableVectorIndex) -> Asked:
            return known.asked(vector, limit, filter)

        with self.calling():
            found = await nearest_of_table(find, ask, trio.lowlevel.checkpoint)
            await self.host.wait_durable(executor.runtime.tables.position)
            return found

    async def write(self, handler: SystemHandler[T], args: Value) -> T:
        """A transaction of the system that this action asks for; what it gave, once that is durable."""
        request = self.request()
        written = self.host.executor.write(self.job.name, "action", handler, args, request.id, request.parent)
        await self.host.wait_durable(written.lsn)
        return written.value

    def call_of(self, function: object, endpoint: Endpoint, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Raises ArgumentValidationError."""
        value = arguments_of(endpoint, args, kwargs, named=isinstance(function, str))
        given: object = [json.to_json(value)]
        return Call(endpoint.path, given, admin=True, cause="action", identity=self.identity, job=self.job.call.job)

    def read(self, value: bytes, endpoint: Endpoint) -> Any:
        """The result as the declared type; of a function that is named by text, plain values are that, too.

        Raises ReturnsValidationError if the code deployed since gives something else.
        """
        try:
            return convert(json.decode(value), endpoint.returns_hint)
        except InvalidValue as error:
            raise ReturnsValidationError(endpoint.path, str(error)) from None


def failure(result: QueryFailure | FunctionFailure) -> ApplicationError | FunctionFailed:
    """What a function has raised, for the one that called it."""
    if result.data is not None:
        return ApplicationError(json.decode(result.data))
    return FunctionFailed(result.message.partition("\n")[2])


def variables_of(executor: Executor) -> dict[str, str]:
    """The environment variables as of the newest commit."""
    versions = executor.runtime.tables.table(EnvironmentVariable.__table__).versions.values()
    rows = [version.document for version in versions]
    return {row.name: row.value for row in rows if isinstance(row, EnvironmentVariable)}
