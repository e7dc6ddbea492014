"""What a developer writes to define behaviour: `query`, `mutation`, `action`, their internal forms, `migration`.

    @mutation
    async def send(ctx: MutationCtx, channel: Id[Channel], body: str) -> Id[Message]:
        return await ctx.db.insert(Message(channel=channel, body=body))

A decorated function may still be called as a plain function by another: ``await send(ctx, ...)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Protocol, TypeVar, overload

from ..data.schema import Document
from ..limits import MIGRATION_BATCH, MIGRATION_BATCH_MAX
from ..transactions.action_context import ActionCtx
from ..transactions.context import MutationCtx, QueryCtx

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D", bound=Document)

FunctionKind = Literal["query", "mutation", "action", "migration"]
Moment = Literal["connect", "disconnect"]
ActionRuntime = Literal["trio", "asyncio"]


class Function(Generic[P, R]):
    """A function that clients, or other functions, may call."""

    kind: FunctionKind

    def __init__(self, handler: Callable[..., Awaitable[R]], *, public: bool) -> None:
        if not inspect.iscoroutinefunction(handler):
            name = getattr(handler, "__qualname__", repr(handler))
            raise TypeError(f"{name}: write `async def`, for ctx calls are awaited")
        self.handler = handler
        self.public = public
        self.__name__: str = handler.__name__
        self.__doc__ = handler.__doc__
        self.__module__ = handler.__module__
        self.__wrapped__ = handler

    def __repr__(self) -> str:
        return f"<{self.kind} {self.__module__}.{self.__name__}>"


class QueryFunction(Function[P, R]):
    """A read-only function; clients may watch its result."""

    kind: FunctionKind = "query"
    is_query: Literal[True] = True
    """For type checkers: ``ctx.run_query`` takes this one."""

    def __call__(self, ctx: QueryCtx, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return self.handler(ctx, *args, **kwargs)


class MutationFunction(Function[P, R]):
    """A transaction: all of its writes happen, or none."""

    kind: FunctionKind = "mutation"
    is_mutation: Literal[True] = True
    """For type checkers: ``ctx.run_mutation`` takes this one."""
    is_schedulable: Literal[True] = True
    """For type checkers: ``ctx.scheduler`` takes this one."""

    moment: Moment | None = None
    """Of a client's session, at which the server calls it by itself."""

    def __call__(self, ctx: MutationCtx, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return self.handler(ctx, *args, **kwargs)


class ActionFunction(Function[P, R]):
    """A function that may touch the outside world, and reaches the database through other functions."""

    kind: FunctionKind = "action"
    is_action: Literal[True] = True
    """For type checkers: ``ctx.run_action`` takes this one."""
    is_schedulable: Literal[True] = True
    """For type checkers: ``ctx.scheduler`` takes this one."""

    def __init__(
        self, handler: Callable[..., Awaitable[R]], *, public: bool, runtime: ActionRuntime, durable: bool
    ) -> None:
        super().__init__(handler, public=public)
        if runtime not in ("trio", "asyncio"):
            raise ValueError(f'runtime= is "trio" or "asyncio", not {runtime!r}')
        self.runtime = runtime
        self.durable = durable

    def __call__(self, ctx: ActionCtx, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return self.handler(ctx, *args, **kwargs)


class MigrationFunction(Function[[D], None]):
    """Changes stored documents, one after another; run with ``relive migrate run``."""

    kind: FunctionKind = "migration"

    def __init__(self, handler: Callable[..., Awaitable[None]], table: type[D], batch: int) -> None:
        super().__init__(handler, public=False)
        self.table = table
        self.batch = batch

    def __call__(self, ctx: MutationCtx, document: D, /) -> Awaitable[None]:
        return self.handler(ctx, document)


def query(handler: Callable[Concatenate[QueryCtx, P], Awaitable[R]], /) -> QueryFunction[P, R]:
    """A read-only function that clients may call and watch."""
    return QueryFunction(handler, public=True)


def internal_query(handler: Callable[Concatenate[QueryCtx, P], Awaitable[R]], /) -> QueryFunction[P, R]:
    """A query that only other functions, and holders of the admin key, may call."""
    return QueryFunction(handler, public=False)


def mutation(handler: Callable[Concatenate[MutationCtx, P], Awaitable[R]], /) -> MutationFunction[P, R]:
    """A serializable transaction that clients may call."""
    return MutationFunction(handler, public=True)


def internal_mutation(handler: Callable[Concatenate[MutationCtx, P], Awaitable[R]], /) -> MutationFunction[P, R]:
    """A mutation that only other functions, and holders of the admin key, may call."""
    return MutationFunction(handler, public=False)


SessionHandler = Callable[[MutationCtx, str], Awaitable[None]]


def on_connect(handler: SessionHandler, /) -> MutationFunction[[str], None]:
    """An internal mutation that the server calls when a client's session begins.

        @on_connect
        async def came(ctx: MutationCtx, session: str) -> None:
            await ctx.db.insert(Online(session=session))

    ``session`` is the client's own id, a UUID; ``ctx.auth`` is who it was when it began.  A client that
    connects again within 10 s goes on with its session.  If the function fails, the session begins all the same.
    """
    return told_at("connect", handler)


def on_disconnect(handler: SessionHandler, /) -> MutationFunction[[str], None]:
    """An internal mutation that the server calls when a client's session has ended: exactly once for each begun.

    A session has ended when its client was away for 10 s, or when the server starts again after it stopped or
    crashed.
    """
    return told_at("disconnect", handler)


def told_at(moment: Moment, handler: SessionHandler) -> MutationFunction[[str], None]:
    made: MutationFunction[[str], None] = MutationFunction(handler, public=False)
    made.moment = moment
    return made


class ActionDecorator(Protocol):
    """What `action` with options is: it decorates a handler."""

    def __call__(self, handler: Callable[Concatenate[ActionCtx, P], Awaitable[R]], /) -> ActionFunction[P, R]: ...


@overload
def action(handler: Callable[Concatenate[ActionCtx, P], Awaitable[R]], /) -> ActionFunction[P, R]: ...
@overload
def action(*, runtime: ActionRuntime = ..., durable: bool = ...) -> ActionDecorator: ...
def action(handler: Any = None, /, *, runtime: ActionRuntime = "trio", durable: bool = False) -> Any:
    """A function that clients may call, and that may touch the outside world.

    It runs as a task of trio, beside everything else in the server: code that blocks belongs in
    ``trio.to_thread.run_sync``.  ``runtime="asyncio"`` gives it a thread with a loop of its own, for
    libraries that need asyncio, or that block.

    It is never run again by itself: if the server stops while it runs, it has failed, and nobody knows
    how far it came.  ``durable=True`` records that it was asked for, and its steps (`ActionCtx.step`):
    then it goes on after the last recorded step.
    """
    return action_decorator(handler, True, runtime, durable)


@overload
def internal_action(handler: Callable[Concatenate[ActionCtx, P], Awaitable[R]], /) -> ActionFunction[P, R]: ...
@overload
def internal_action(*, runtime: ActionRuntime = ..., durable: bool = ...) -> ActionDecorator: ...
def internal_action(handler: Any = None, /, *, runtime: ActionRuntime = "trio", durable: bool = False) -> Any:
    """An action that only other functions, and holders of the admin key, may call."""
    return action_decorator(handler, False, runtime, durable)


def action_decorator(handler: Any, public: bool, runtime: ActionRuntime, durable: bool) -> Any:
    def decorate(handler: Callable[..., Awaitable[Any]]) -> ActionFunction[..., Any]:
        return ActionFunction(handler, public=public, runtime=runtime, durable=durable)

    return decorate(handler) if handler is not None else decorate


def migration(
    table: type[D], /, *, batch: int = MIGRATION_BATCH
) -> Callable[[Callable[[MutationCtx, D], Awaitable[None]]], MigrationFunction[D]]:
    """A function that is given every document of a table, in the order of creation.

        @migration(Message)
        async def split_names(ctx: MutationCtx, message: Message) -> None:
            if message.first is None:
                first, _, last = message.name.partition(" ")
                await ctx.db.patch(message.id, first=first, last=last)

    Started with ``relive migrate run messages:split_names``, it goes on in the server beside other
    work, ``batch`` documents in each transaction, and survives restarts: every document is migrated in
    a transaction that also notes how far the migration has come.  It may write any table of the app.

    The order to change a schema without a pause:

    1. Widen: deploy a schema that the old documents fit as well as the new ones (``X | Unset = UNSET``
       for a field that comes or goes, a union of both types), functions that write the new form, and
       the migration.
    2. Migrate: ``relive migrate run NAME --dry-run``, then without.
    3. Narrow: deploy the schema that only the new documents fit.  It is refused while others are left.

    Documents that are inserted while it runs come last in the order of creation, so they are migrated
    too.  That holds for those that the migration itself inserts in its own table: it must know them by
    their new form and leave them as they are, or it never ends.

    Raises ValueError for a batch of another size than 1 to 1,000.
    """
    if not isinstance(batch, int) or not 1 <= batch <= MIGRATION_BATCH_MAX:
        raise ValueError(f"batch= is a number of documents from 1 to {MIGRATION_BATCH_MAX:,}, not {batch!r}")
    if not (isinstance(table, type) and issubclass(table, Document)):
        raise TypeError("name the table that is migrated, as `@migration(Message)`")

    def decorate(handler: Callable[[MutationCtx, D], Awaitable[None]]) -> MigrationFunction[D]:
        return MigrationFunction(handler, table, batch)

    return decorate


AnyFunction = Function[Any, Any]
