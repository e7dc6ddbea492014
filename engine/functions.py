"""What a developer writes to define behaviour: `query`, `mutation` and their internal forms.

    @mutation
    async def send(ctx: MutationCtx, channel: Id[Channel], body: str) -> Id[Message]:
        return await ctx.db.insert(Message(channel=channel, body=body))

A decorated function may still be called as a plain function by another: ``await send(ctx, ...)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar

from .context import MutationCtx, QueryCtx

P = ParamSpec("P")
R = TypeVar("R")

FunctionKind = Literal["query", "mutation"]


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

    def __call__(self, ctx: QueryCtx, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return self.handler(ctx, *args, **kwargs)


class MutationFunction(Function[P, R]):
    """A transaction: all of its writes happen, or none."""

    kind: FunctionKind = "mutation"

    def __call__(self, ctx: MutationCtx, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return self.handler(ctx, *args, **kwargs)


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


AnyFunction = Function[Any, Any]
