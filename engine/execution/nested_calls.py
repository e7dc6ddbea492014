"""Functions that call functions, within one transaction.

    await ctx.run_query(unread_count, user)                # a function of the app
    await ctx.run_mutation("messages:send", {"body": b})   # or its name

A nested call sees the snapshot and the writes of its caller, and what it reads counts as read by the
caller.  If it raises and the caller goes on, its writes are undone and its reads stay.

Invariants
    * Arguments and results of nested calls are checked as those of clients are.
    * After a nested call, by whichever way, the caller's limits are what they were.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from attrs import define, evolve, field

from ...protocol.errors import InvalidValue
from ...protocol.limits import ARGS_BYTES_MAX
from ...protocol.values import Value, size
from ..application.app import App
from ..application.endpoint import Endpoint
from ..data.documents import to_value
from ..errors import ArgumentValidationError, FunctionNotFound, LimitReached, WrongKind
from ..limits import CALL_DEPTH_MAX
from ..transactions.context import MutationCtx, QueryCtx
from ..transactions.meta import DeploymentMetadata, FunctionMetadata, Visibility
from ..transactions.mutation_run import MutationRun
from ..transactions.overlay import Overlay
from ..transactions.query_run import QueryRun
from ..transactions.transaction import Transaction
from ..transactions.usage import TransactionLimits
from ..version import ENGINE_VERSION
from .lookup import named


@define(eq=False)
class NestedCalls:
    """Of one app; every run has it as `QueryRun.nested`."""

    app: App
    deployment: DeploymentMetadata = field(init=False)
    known: dict[str, FunctionMetadata] = field(factory=dict[str, FunctionMetadata])

    def __attrs_post_init__(self) -> None:
        self.deployment = DeploymentMetadata(self.app.name, self.app.code.hex(), ENGINE_VERSION)

    async def __call__(
        self,
        caller: QueryRun,
        kind: str,
        function: object,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        limits: TransactionLimits | None,
        stale: bool,
    ) -> Any:
        """Raises what the function raises, FunctionNotFound, WrongKind, ArgumentValidationError,
        ReturnsValidationError, LimitReached."""
        endpoint = self.find(function, kind)
        if caller.depth >= CALL_DEPTH_MAX:
            remedy = "Let functions call plain functions that take ctx instead"
            raise LimitReached("functions that call one another", caller.depth + 1, CALL_DEPTH_MAX, remedy)
        arguments = endpoint.bind(arguments_of(endpoint, args, kwargs, named=isinstance(function, str)))
        with inside(caller, self.metadata_of(endpoint), limits):
            if kind == "query":
                result = await endpoint.function.handler(
                    QueryCtx(on_snapshot(caller) if stale else caller), **arguments
                )
                return endpoint.check_result(result)
            assert isinstance(caller, MutationRun), "a query's ctx has no run_mutation"
            savepoint = caller.savepoint()
            try:
                result = await endpoint.function.handler(MutationCtx(caller), **arguments)
                return endpoint.check_result(result)
            except BaseException:
                caller.rollback(savepoint)
                raise
            finally:
                caller.release()

    def metadata_of(self, endpoint: Endpoint) -> FunctionMetadata:
        known = self.known.get(endpoint.path)
        if known is None:
            visibility: Visibility = "public" if endpoint.public else "internal"
            known = self.known[endpoint.path] = FunctionMetadata(endpoint.path, endpoint.kind, visibility)
        return known

    def schedulable(self, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, Value]:
        """What `transactions.query_run.NestedCall` says.

        Raises FunctionNotFound, WrongKind, ArgumentValidationError.
        """
        endpoint = self.look_up(function)
        if endpoint.kind not in ("mutation", "action"):
            raise WrongKind(endpoint.path, "mutation or action", endpoint.kind)
        return endpoint.path, checked_arguments(endpoint, args, kwargs, named=isinstance(function, str))

    def find(self, function: object, kind: str) -> Endpoint:
        """Raises FunctionNotFound, WrongKind."""
        endpoint = self.look_up(function)
        if endpoint.kind != kind:
            raise WrongKind(endpoint.path, kind, endpoint.kind)
        return endpoint

    def look_up(self, function: object) -> Endpoint:
        """Raises FunctionNotFound."""
        endpoint = named(self.app, function) if isinstance(function, str) else self.app.endpoint_of(function)
        if endpoint is None:
            name = function if isinstance(function, str) else getattr(function, "__name__", repr(function))
            raise FunctionNotFound(name)
        return endpoint


def arguments_of(endpoint: Endpoint, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, named: bool) -> Value:
    """The arguments as one object, as a client would send them.  Raises ArgumentValidationError."""
    try:
        if named:
            if kwargs or len(args) > 1:
                raise TypeError("a function that is named by text takes one object of arguments")
            return to_value(args[0] if args else {})
        bound = inspect.signature(endpoint.function.handler).bind(None, *args, **kwargs)
        given = list(bound.arguments.items())[1:]
        return to_value(dict(given))
    except (TypeError, InvalidValue) as error:
        raise ArgumentValidationError(endpoint.path, str(error)) from None


def checked_arguments(endpoint: Endpoint, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, named: bool) -> Value:
    """The same, held against what the function takes now.  Raises ArgumentValidationError."""
    value = arguments_of(endpoint, args, kwargs, named=named)
    bytes_ = size(value)
    if bytes_ > ARGS_BYTES_MAX:
        problem = f"{bytes_:,} bytes of arguments; a call takes at most {ARGS_BYTES_MAX:,}"
        raise ArgumentValidationError(endpoint.path, problem)
    endpoint.bind(value)
    return value


@contextmanager
def inside(caller: QueryRun, function: FunctionMetadata, limits: TransactionLimits | None) -> Iterator[None]:
    """While the nested function runs, it is the one that `ctx.meta` and the limits are about."""
    about, depth = caller.about, caller.depth
    caller.about, caller.depth = evolve(about, function=function), depth + 1
    try:
        if limits is None:
            yield
        else:
            with caller.transaction.usage.within(limits):
                yield
    finally:
        caller.about, caller.depth = about, depth


def on_snapshot(caller: QueryRun) -> QueryRun:
    """Reads what is stored, without what the caller has written, and leaves no trace in its read set."""
    outer = caller.transaction
    transaction = Transaction(outer.tables, outer.snapshot, Overlay(outer.tables), outer.pages, outer.usage)
    return QueryRun(
        caller.codecs,
        caller.catalog,
        transaction,
        caller.run,
        caller.about,
        caller.nested,
        caller.depth,
        caller.past,
        caller.viewer,
    )
