"""Queries of the system itself, for holders of the admin key: those that Convex's command line asks.

Invariant: none of them is public.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..application.endpoint import Endpoint, endpoint_of
from ..application.functions import AnyFunction, internal_query
from ..data.schema import Record
from ..data.system_tables import EnvironmentVariable
from ..transactions.context import QueryCtx


class Variable(Record):
    name: str
    value: str


@internal_query
async def environment_variables(ctx: QueryCtx) -> list[Variable]:
    rows = await ctx.db.query(EnvironmentVariable).index(EnvironmentVariable.by_name).collect()
    return [Variable(name=row.name, value=row.value) for row in rows]


@internal_query
async def environment_variable(ctx: QueryCtx, name: str) -> Variable | None:
    value = ctx.env.get(name)
    return Variable(name=name, value=value) if value is not None else None


FUNCTIONS: Final[Mapping[str, AnyFunction]] = {
    "_system/cli/queryEnvironmentVariables:default": environment_variables,
    "_system/cli/queryEnvironmentVariables:get": environment_variable,
}
ENDPOINTS: Final[Mapping[str, Endpoint]] = {path: endpoint_of(path, function) for path, function in FUNCTIONS.items()}
