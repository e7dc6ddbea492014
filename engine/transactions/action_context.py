"""``ctx`` of an action: it may do as it pleases, and reaches the database only through other functions.

    user = await ctx.run_query(users.get, id)            # of one moment
    answer = await client.post(URL, ...)                 # the outside world
    await ctx.run_mutation(answers.store, answer.text)   # a transaction of its own, durable on return

The ctx of an action works on the trio thread and in a thread of asyncio alike: whatever it does goes
through its `ActionRun`, which knows where it is.  A capability more is a property here and a file of its
own, as `auth` is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, overload

from ..authentication.identity import Identity
from ..data.schema import Document
from ..data.vector_fields import VectorFilter
from ..data.vector_indexes import VectorIndexOf
from ..limits import STEP_BACKOFF_S, STEP_RETRIES, VECTOR_RESULTS
from .auth import ActionAuth, Viewer
from .context import MutationOf, QueryOf
from .environment import Environment, FixedEnvironment
from .meta import About, ActionMeta
from .scheduling import Due, JobId, Scheduler
from .storage import ActionFiles, ActionStorage
from .vector_search import Nearest

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
D = TypeVar("D", bound=Document)


class ActionOf(Protocol[P, R_co]):
    """A function decorated with `action` or `internal_action`."""

    @property
    def is_action(self) -> Literal[True]: ...

    def __call__(self, ctx: ActionCtx, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R_co]: ...


class ActionRun(Protocol):
    """What the ctx of an action asks of the server, from whichever thread it is on."""

    @property
    def about(self) -> About: ...

    @property
    def identity(self) -> Identity | None: ...

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables as they were when it began."""
        ...

    async def call(self, kind: str, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run another function of the app: what it returns or raises."""
        ...

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        retries: int,
        backoff: float,
    ) -> Any:
        """What a step gives, now or when it was recorded."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    async def schedule(self, due: Due, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> JobId:
        """Schedule a function, in a transaction of its own."""
        ...

    async def cancel_scheduled(self, id: JobId) -> None: ...

    def sign_token(self, subject: str, claims: Mapping[str, Any], lifetime_s: float) -> str:
        """On any thread."""
        ...

    @property
    def files(self) -> ActionFiles: ...

    async def cross(self, operation: Callable[[], Awaitable[Any]]) -> Any:
        """Do something of the server's, where the server runs."""
        ...

    async def vector_search(
        self, index: VectorIndexOf[Any], vector: Sequence[float], limit: int, filter: VectorFilter | None
    ) -> list[Nearest[Any]]: ...


class ActionScheduler(Scheduler):
    """Of one action; each call is a transaction of its own, durable on return."""

    def __init__(self, run: ActionRun) -> None:
        self._run = run

    async def _schedule(self, due: Due, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> JobId:
        return await self._run.schedule(due, function, args, kwargs)

    async def _cancel(self, id: JobId) -> None:
        await self._run.cancel_scheduled(id)


class ActionCtx:
    """What an action sees and does.

    Nothing in it is a transaction: each call of a function is one of its own, and what was read a moment
    ago may be different by now.  Let one mutation do what belongs together.
    """

    def __init__(self, run: ActionRun) -> None:
        self._run = run
        self._auth = ActionAuth(Viewer(run.identity), run.sign_token)
        self._env = FixedEnvironment(run.variables)

    @overload
    def run_query(self, function: QueryOf[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]: ...
    @overload
    def run_query(self, function: str, args: Mapping[str, Any] = ..., /) -> Awaitable[Any]: ...
    async def run_query(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """What a query of the app, internal or not, returns as of now.

        Raises ApplicationError if the function does, and FunctionFailed for whatever else it raises.
        """
        return await self._run.call("query", function, args, kwargs)

    @overload
    def run_mutation(self, function: MutationOf[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]: ...
    @overload
    def run_mutation(self, function: str, args: Mapping[str, Any] = ..., /) -> Awaitable[Any]: ...
    async def run_mutation(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """What a mutation of the app, internal or not, returns; when it returns, it is durable.

        Raises ApplicationError if the function does, and FunctionFailed for whatever else it raises;
        then it has written nothing.
        """
        return await self._run.call("mutation", function, args, kwargs)

    @overload
    def run_action(self, function: ActionOf[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]: ...
    @overload
    def run_action(self, function: str, args: Mapping[str, Any] = ..., /) -> Awaitable[Any]: ...
    async def run_action(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """What another action of the app, internal or not, returns.

        A plain ``async def`` that takes ``ctx`` is simpler, unless the other one has another runtime.
        Raises ApplicationError if the function does, and FunctionFailed for whatever else it raises.
        """
        return await self._run.call("action", function, args, kwargs)

    @overload
    async def step(
        self,
        function: MutationOf[..., R] | QueryOf[..., R] | ActionOf[..., R],
        /,
        *args: Any,
        name: str | None = ...,
        retries: int = ...,
        backoff: float = ...,
        **kwargs: Any,
    ) -> R: ...
    @overload
    async def step(
        self,
        function: Callable[..., Awaitable[R]],
        /,
        *args: Any,
        name: str | None = ...,
        retries: int = ...,
        backoff: float = ...,
        **kwargs: Any,
    ) -> R: ...
    async def step(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        name: str | None = None,
        retries: int = STEP_RETRIES,
        backoff: float = STEP_BACKOFF_S,
        **kwargs: Any,
    ) -> Any:
        """A step of a durable action: its result is recorded, and it is not done again after a crash.

        ``function`` is a mutation, query or action of the app, or any ``async def``; it is called with the
        arguments.  Its result is a value that a function can return.  Steps are taken one after another,
        always in the same order under the same names: ``name`` is the function's own if not given.

        A mutation as a step happens exactly once: the record is in the same entry as what it wrote.  Any
        other step happens at least once: a crash between its end and its record makes it happen again.

        A step that raises is tried again ``retries`` times, after ``backoff`` seconds, then twice as many,
        and so on; an ApplicationError is not tried again.  What it raises at last is recorded too, and
        comes out as ApplicationError or FunctionFailed, now and after a restart.

        Raises StepMismatch if the steps that were recorded are not those that the code takes now.
        """
        given = name if name is not None else str(getattr(function, "__name__", "step"))
        return await self._run.step(given, function, args, kwargs, retries, backoff)

    async def sleep(self, seconds: float) -> None:
        """Wait.  In a durable action that is a step: it goes on when the time has come, whatever happened
        meanwhile, and nobody waits for its place."""
        await self._run.sleep(seconds)

    async def vector_search(
        self,
        index: VectorIndexOf[D],
        vector: Sequence[float],
        /,
        *,
        limit: int = VECTOR_RESULTS,
        filter: VectorFilter | None = None,
    ) -> list[Nearest[D]]:
        """Ids and scores of the documents whose vectors are nearest to ``vector`` by the cosine of the angle.

        As in a query, as of now, and with no limit to how many are compared: others have their turn meanwhile.
        A document may have gone by the time that it is read.  Raises VectorInvalid, IndexUnknown, TypeError,
        ValueError.
        """
        return await self._run.vector_search(index, vector, limit, filter)

    @property
    def scheduler(self) -> ActionScheduler:
        """Functions for later; each is scheduled at once, whatever becomes of the action."""
        return ActionScheduler(self._run)

    @property
    def storage(self) -> ActionStorage:
        """Files: to store, to read, to delete, and where they are."""
        return ActionStorage(self._run)

    @property
    def auth(self) -> ActionAuth:
        """Who asked for this action."""
        return self._auth

    @property
    def env(self) -> Environment:
        """Environment variables of the deployment, as they were when the action began."""
        return self._env

    @property
    def meta(self) -> ActionMeta:
        """About this action, its request and its deployment."""
        return ActionMeta(self._run.about)
