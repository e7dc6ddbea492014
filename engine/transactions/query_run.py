"""What one run of a query works with: its transaction, the deployed tables, its clock and seed."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from attrs import Factory, define

from ...protocol import ids
from ...protocol.errors import InvalidId
from ...protocol.limits import IDENTIFIER_CHARS_MAX
from ...protocol.values import Value
from ..data.catalog import Catalog
from ..data.system_tables import TABLES
from ..data.table_codec import TableCodec, untyped
from ..determinism.gate import Run
from ..errors import TableUnknown
from .auth import Viewer
from .meta import SYSTEM, About
from .revisions import PastEntries
from .transaction import Transaction
from .usage import TransactionLimits


class NestedCall(Protocol):
    """Runs another function of the app within the transaction; what it returns or raises."""

    def __call__(
        self,
        caller: QueryRun,
        kind: str,
        function: object,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        limits: TransactionLimits | None,
        stale: bool,
    ) -> Awaitable[Any]: ...

    def schedulable(self, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, Value]:
        """The path of a mutation or action, and its arguments as one object, checked."""
        ...


@define(eq=False)
class QueryRun:
    codecs: Mapping[str, TableCodec]
    """Tables that have a class in the deployed code."""
    catalog: Catalog
    transaction: Transaction
    run: Run
    about: About = SYSTEM
    nested: NestedCall | None = None
    """How functions call functions; None for transactions of the system itself."""
    depth: int = 1
    """How many functions are running, each called by the one before."""
    past: PastEntries | None = None
    """None for transactions of the system itself, which never look back."""
    viewer: Viewer = Factory(lambda: Viewer(None))
    """Who asks; nobody for transactions of the system itself."""

    def codec(self, name: str) -> TableCodec:
        """How the table is read.  Raises TableUnknown if there is no such table."""
        codec = self.codecs.get(name)
        if codec is not None:
            return codec
        if not name.isidentifier() or not name.isascii() or len(name) > IDENTIFIER_CHARS_MAX:
            raise TableUnknown(name, f"letters, digits and _ name a table, at most {IDENTIFIER_CHARS_MAX} of them")
        # Whether there is such a table makes no difference: one that is not there holds nothing.
        return untyped(name)

    def table_named_by(self, number: int) -> str | None:
        """The table whose ids carry ``number``, or None; not finding one is recorded."""
        name = self.catalog.name_of(number)
        if name is None:
            self.look_up_tables()
        return name

    def table_of(self, id: str) -> str | None:
        """The table that the id belongs to; None if it is no id, or of no table.  Raises TypeError."""
        if not isinstance(id, str):
            raise TypeError(f"an id is text, not {type(id).__name__}")
        try:
            return self.table_named_by(ids.table_number(id))
        except InvalidId:
            return None

    def look_up_tables(self) -> None:
        """Record that the answer depends on which tables there are."""
        scan = self.transaction.scan(
            self.transaction.tables.table(TABLES).definition.indexes[1], b"", None, reverse=False
        )
        for _ in scan:
            pass
