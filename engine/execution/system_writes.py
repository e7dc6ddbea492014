"""Transactions of the system itself, the only ones that write its tables.

They run like mutations of an app, guarded and on one snapshot, and are committed as entries of their
own kind (`Executor.write`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from attrs import frozen

from ...log.entry import LSN
from ..application.endpoint import Endpoint
from ..application.functions import MutationFunction
from ..data.shapes import ANY, ObjectOf
from ..transactions.context import MutationCtx
from ..transactions.database_access import DatabaseWriter
from ..transactions.mutation_run import MutationRun

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class SystemWriter(DatabaseWriter):
    """Reads and writes tables of the system as well."""

    _reads_system_tables: ClassVar[bool] = True
    _writes_system_tables: ClassVar[bool] = True


class SystemCtx(MutationCtx):
    """What a transaction of the system sees and does: everything, and its own tables."""

    def __init__(self, run: MutationRun) -> None:
        super().__init__(run)
        self._writer = SystemWriter(run)


SystemHandler = Callable[[SystemCtx], Awaitable[T]]


@frozen(eq=False)
class Written(Generic[T_co]):
    """What a transaction of the system gave.  It may be told once ``lsn`` is durable."""

    value: T_co
    lsn: LSN


class NoArguments(msgspec.Struct):
    """A handler of the system has what it needs."""


def system_endpoint(path: str, handler: SystemHandler[Any]) -> Endpoint:
    """What the executor needs to run a handler of the system under the name ``path``."""

    async def run(ctx: MutationCtx) -> Any:
        return await handler(SystemCtx(ctx._run))

    function: MutationFunction[[], Any] = MutationFunction(run, public=False)
    return Endpoint(path, function, ObjectOf(NoArguments, (), None), ANY, NoArguments, Any)
