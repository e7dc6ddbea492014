"""``ctx.db.system``: tables of the system, read as those of the app are, and written by nobody.

    job = await ctx.db.system.get(id)
    newest = await ctx.db.system.query("_scheduled_functions").order("desc").take(10)

What is read goes to the read set like everything else, so live queries follow these tables.  Which there are, and what
of them shows, says `visible_tables`.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar, overload

from ...actors.definition import BY_CREATION_TIME
from ...log.entry import IndexName
from ..data.schema import Document, Id
from ..data.system_tables import CronJob, ScheduledFunction, StoredFile
from ..data.visible_tables import VISIBLE, VisibleTable
from ..errors import TableHidden, TableUnknown
from .query_run import QueryRun
from .range_query import Query

D = TypeVar("D", bound=Document)


class SystemReader:
    """Of one transaction; see the module."""

    def __init__(self, run: QueryRun) -> None:
        self._run = run

    async def get(self, id: Id[D], /) -> D | None:
        """The row of that id, or None.  Raises TableHidden for the id of a table that is not to be read here."""
        name = self._run.table_of(id)
        if name is None:
            return None
        table = visible(name)
        version = self._run.transaction.get(name, id)
        row: D | None = table.shown(version.document) if version is not None else None  # type: ignore[arg-type, assignment]
        return row

    @overload
    def query(self, table: Literal["_scheduled_functions"], /) -> Query[ScheduledFunction]: ...
    @overload
    def query(self, table: Literal["_cron_jobs"], /) -> Query[CronJob]: ...
    @overload
    def query(self, table: Literal["_storage"], /) -> Query[StoredFile]: ...
    @overload
    def query(self, table: type[D], /) -> Query[D]: ...
    @overload
    def query(self, table: str, /) -> Query[Any]: ...
    def query(self, table: type[Document] | str, /) -> Query[Any]:
        """All rows in the order of creation; narrow it with ``.index(...)``.  Raises TableHidden, TableUnknown."""
        name = table if isinstance(table, str) else getattr(table, "__table__", repr(table))
        shown = visible(name)
        if not isinstance(table, str) and table is not shown.codec.cls:
            raise TableUnknown(f"{table.__module__}.{table.__name__}")
        first = IndexName(name, BY_CREATION_TIME)
        return Query(self._run.transaction, shown.codec, first, shown=shown.shown if shown.hidden else None)

    @overload
    def normalize_id(self, table: type[D], text: str, /) -> Id[D] | None: ...
    @overload
    def normalize_id(self, table: str, text: str, /) -> str | None: ...
    def normalize_id(self, table: type[Document] | str, text: str, /) -> Any:
        """Text from outside as an id of that table, or None if it is not one.  Raises TableHidden."""
        name = table if isinstance(table, str) else getattr(table, "__table__", repr(table))
        visible(name)
        return text if self._run.table_of(text) == name else None


def visible(name: str) -> VisibleTable:
    """Raises TableHidden."""
    table = VISIBLE.get(name)
    if table is None:
        raise TableHidden(name, hint(name))
    return table


def hint(name: str) -> str:
    if not name.startswith("_"):
        return "it is a table of the app: read it with `ctx.db`"
    return f"functions do not see it; `ctx.db.system` reads {', '.join(VISIBLE)}"


def not_of_the_app(name: str) -> TableHidden:
    """What whoever reads a table of the system as one of the app is told."""
    read = f'read it with `ctx.db.system.get(id)` or `ctx.db.system.query("{name}")`'
    return TableHidden(name, read if name in VISIBLE else hint(name))
