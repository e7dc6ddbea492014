"""All documents of some tables, as of one moment, while the server goes on writing.

A version of a document never changes, so to hold on to all versions is to hold that moment: a few bytes for
each document, and whatever is replaced meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import merge
from operator import attrgetter

from attrs import frozen

from ...actors.tables import Tables
from ...actors.version import Version
from ...log.entry import LSN
from ...protocol.values import Value
from ..data.catalog import USER_TABLE_NUMBER_MIN, Catalog
from ..data.documents import to_value
from ..data.system_tables import CODECS, NUMBERS, StoredFile
from ..data.table_codec import TableCodec, untyped
from ..errors import TableUnknown

STORAGE = StoredFile.__table__
SORTED_AT_ONCE = 10_000
"""Documents: about 5 ms."""
BY_ID = attrgetter("id")


@frozen(eq=False)
class TableSnapshot:
    name: str
    number: int
    codec: TableCodec
    versions: tuple[Version, ...]
    """In any order."""

    def in_order(self) -> Iterator[Version | None]:
        """By id.  None between them says that others may have their turn: sorting takes time."""
        runs = []
        for start in range(0, len(self.versions), SORTED_AT_ONCE):
            runs.append(sorted(self.versions[start : start + SORTED_AT_ONCE], key=BY_ID))
            yield None
        yield from merge(*runs, key=BY_ID)


@frozen(eq=False)
class Snapshot:
    lsn: LSN
    ts: int
    """Nanoseconds since the Unix epoch."""
    tables: tuple[TableSnapshot, ...]
    """By number."""
    files: TableSnapshot | None = None
    """Rows of files; None if they were not asked for."""

    @classmethod
    def of(
        cls,
        tables: Tables,
        catalog: Catalog,
        codecs: Mapping[str, TableCodec],
        ts: int,
        only: str | None = None,
        with_files: bool = False,
    ) -> Snapshot:
        """Every table of the app, or one of them; ``with_files``: what is known of files, too.

        Raises TableUnknown if there is no such table.
        """
        catalog.refresh()
        found = []
        for number, name in sorted(catalog.names.items()):
            if number >= USER_TABLE_NUMBER_MIN and only in (None, name):
                codec = codecs.get(name) or untyped(name)
                held = tables.by_name.get(name)
                found.append(TableSnapshot(name, number, codec, tuple(held.versions.values()) if held else ()))
        if only is not None and not found:
            raise TableUnknown(only, "see the tables of the app, and those that were imported")
        files = None
        if with_files:
            rows = tuple(tables.table(STORAGE).versions.values())
            files = TableSnapshot(STORAGE, NUMBERS[STORAGE], CODECS[STORAGE], rows)
        return cls(tables.position, ts, tuple(found), files)

    @property
    def documents(self) -> int:
        return sum(len(table.versions) for table in self.tables)


def stored_fields(version: Version) -> dict[str, Value]:
    """As the log holds it: what the code fills in is not the document's own."""
    fields = to_value(version.document if version.stored is None else version.stored)
    assert isinstance(fields, dict), "a document is an object"
    return fields
