"""Queries of the system itself, for holders of the admin key: those that Convex's command line asks.

Invariants
    * None of them is public.
    * Who calls one over the network has the power for what it tells, beside that to call functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...protocol import paths
from ...protocol.errors import InvalidPath
from ...protocol.values import Int64
from ..admin_key import Power
from ..application.endpoint import Endpoint, endpoint_of
from ..application.functions import AnyFunction, internal_query
from ..data.schema import Record
from ..data.system_tables import EnvironmentVariable, Transfer
from ..transactions.context import QueryCtx
from ..transactions.database_access import SystemTablesReader


class Variable(Record):
    name: str
    value: str


@internal_query
async def environment_variables(ctx: QueryCtx) -> list[Variable]:
    rows = await SystemTablesReader(ctx._run).query(EnvironmentVariable).index(EnvironmentVariable.by_name).collect()
    return [Variable(name=row.name, value=row.value) for row in rows]


@internal_query
async def environment_variable(ctx: QueryCtx, name: str) -> Variable | None:
    value = ctx.env.get(name)
    return Variable(name=name, value=value) if value is not None else None


@internal_query
async def latest_export(ctx: QueryCtx) -> Any:
    row = await SystemTablesReader(ctx._run).query(Transfer).index(Transfer.by_kind, "export").order("desc").first()
    if row is None:
        return None
    return {"state": row.state, "start_ts": row.ts, "complete_ts": row.ts, "zip_object_key": f"{row.ts}.zip"}


@internal_query
async def imports(ctx: QueryCtx) -> list[Any]:
    rows = await SystemTablesReader(ctx._run).query(Transfer).index(Transfer.by_kind, "import").collect()
    return [{"_id": row.id, "state": state_of(row)} for row in rows]


@internal_query
async def one_import(ctx: QueryCtx, importId: str) -> Any:
    rows = await SystemTablesReader(ctx._run).query(Transfer).index(Transfer.by_kind, "import").collect()
    return next(({"_id": row.id, "state": state_of(row)} for row in rows if row.id == importId), None)


def state_of(row: Transfer) -> dict[str, object]:
    """As Convex's command line knows it."""
    match row.state:
        case "completed":
            return {"state": row.state, "num_rows_written": Int64(row.rows or 0)}
        case "failed":
            return {"state": row.state, "error_message": row.message or ""}
        case "waiting_for_confirmation":
            return {"state": row.state, "message_to_confirm": row.message or "", "require_manual_confirmation": True}
        case _:
            return {"state": row.state}


FUNCTIONS: Final[Mapping[str, AnyFunction]] = {
    "_system/cli/queryEnvironmentVariables:default": environment_variables,
    "_system/cli/queryEnvironmentVariables:get": environment_variable,
    "_system/cli/exports:getLatest": latest_export,
    "_system/cli/queryImport:list": imports,
    "_system/cli/queryImport:default": one_import,
}
POWER_OF: Final[Mapping[str, Power]] = {
    "_system/cli/queryEnvironmentVariables": "env",
    "_system/cli/exports": "read",
    "_system/cli/queryImport": "write",
}
"""Module by module."""
ENDPOINTS: Final[Mapping[str, Endpoint]] = {path: endpoint_of(path, function) for path, function in FUNCTIONS.items()}


def power_for(path: str) -> Power | None:
    """What else a key has to open for a call of that path; None for functions of apps."""
    try:
        return POWER_OF.get(paths.parse(path).module)
    except InvalidPath:
        return None
