"""Which tables of the system functions see, with ``ctx.db.system``, and what of them.

Invariants
    * Of a table that is not listed in `VISIBLE` functions see nothing, not even whether it is empty.
    * A field that is hidden shows nowhere: not in the rows, and not by an index that is ordered by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, Final

import msgspec
from attrs import frozen

from .schema import UNSET, Document
from .system_tables import (
    CODECS,
    CronJob,
    DurableAction,
    MigrationRow,
    Pause,
    ScheduledFunction,
    Step,
    StoredFile,
    TableRow,
)
from .table_codec import TableCodec


@frozen(eq=False)
class VisibleTable:
    """One table as functions see it."""

    codec: TableCodec
    """Without the indexes of fields that are hidden."""
    hidden: frozenset[str]
    """Names of fields in Python."""

    def shown(self, row: Document) -> Document:
        """The row itself, or a copy in which the hidden fields are missing."""
        if not self.hidden:
            return row
        struct: Any = row
        copied: Document = msgspec.structs.replace(struct, **dict.fromkeys(self.hidden, UNSET))
        return copied


def visible(cls: type[Document], *, hidden: tuple[str, ...] = ()) -> VisibleTable:
    """``hidden``: fields that functions never see; their type says that they can be `Unset`."""
    codec = CODECS[cls.__table__]
    assert not codec.text_indexes, "they are not looked through for hidden fields"
    assert not codec.vector_indexes, "they are not looked through for hidden fields"
    unseen = frozenset(hidden)
    names = codec.stored[cls].names
    assert unseen <= names.keys(), (cls, hidden)
    stored = {names[name] for name in unseen}
    view = copy(codec)
    view.indexes = {
        name: index
        for name, index in codec.indexes.items()
        if stored.isdisjoint(field.stored[0] for field in index.fields)
    }
    return VisibleTable(view, unseen)


VISIBLE: Final[Mapping[str, VisibleTable]] = {
    table.codec.name: table
    for table in (
        visible(ScheduledFunction),
        visible(CronJob),
        visible(DurableAction, hidden=("identity", "request")),
        visible(Step),
        visible(StoredFile, hidden=("internal_id",)),
        visible(MigrationRow),
        visible(Pause),
        visible(TableRow),
    )
}
"""By name.  To show another table, add its line here, and its name to the overloads of `SystemReader.query`."""
