"""The versions of one document, as `ctx.db.history` gives them: what the log has kept of it.

Invariant: what a handler gets depends on its snapshot, the id and the limit alone, and the id stands in
its read set, so that a live query runs again with the next version.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar

from ...actors.version import Version
from ...log.entry import BEFORE_FIRST, DROPPED, LSN, Entry, Write
from ...log.errors import HistoryDropped
from ...protocol import cbor
from ...protocol.values import Int64
from ..data.read_only import freeze
from ..data.schema import Record
from ..data.table_codec import TableCodec
from ..errors import DocumentInvalid

T = TypeVar("T")


class PastEntries(Protocol):
    """Old entries of the log."""

    def entry(self, lsn: LSN) -> Entry: ...

    def deletion(self, id: str, as_of: LSN) -> LSN:
        """The entry that deleted a document which is not there as of ``as_of``; 0 if it never was.

        Raises LimitReached if that cannot be told within what one call may search.
        """


class Revision(Record, Generic[T]):
    """One version of a document."""

    lsn: int
    """The entry that wrote it."""
    ts: Int64
    """When that was committed, in nanoseconds since the Unix epoch."""
    function: str
    """What wrote it, as ``folder/module:function``; empty for deploys and imports."""
    document: T | None
    """As it was then; None if it was deleted.  A plain mapping if it does not fit the table as it is now."""


def revisions(past: PastEntries, codec: TableCodec, id: str, newest: LSN) -> Iterator[tuple[Revision[Any], int]]:
    """Versions of a document from the one that entry ``newest`` wrote, and the size of each."""
    lsn = newest
    while lsn != BEFORE_FIRST:
        entry = past.entry(lsn)
        write = next(each for each in entry.writes if (each.table, each.id) == (codec.name, id))
        if write.document == DROPPED:
            raise HistoryDropped(codec.name, id, lsn)
        version, document = decoded(codec, write)
        size = version.size if version is not None else len(write.document or b"")
        yield Revision(lsn=lsn, ts=Int64(entry.ts), function=entry.function, document=document), size
        lsn = write.previous


def decoded(codec: TableCodec, write: Write) -> tuple[Version | None, object]:
    if write.document is None:
        return None, None
    try:
        version = codec.decode(write.document)
    except DocumentInvalid:
        # It was written before the table was what it is now.
        return None, freeze(cbor.decode(write.document))
    return version, version.document
