"""Old entries for handlers that ask for the history of a document.

What is not durable yet stands in the tail, everything else on the disk; reading it is the engine's own
work, which the guard of handlers lets pass.
"""

from __future__ import annotations

from itertools import islice

from attrs import define

from ...actors.tail import Tail
from ...log.encoding import decode
from ...log.entry import BEFORE_FIRST, FIRST_LSN, LSN, Entry
from ...log.reader import LogReader
from ..determinism.gate import engine_section
from ..errors import LimitReached
from ..limits import HISTORY_SEARCH_ENTRIES_MAX

CHUNK_ENTRIES = 1_000


@define(eq=False)
class PastEntries:
    reader: LogReader
    tail: Tail | None = None
    """None where everything is durable."""

    def entry(self, lsn: LSN) -> Entry:
        if self.tail is not None and lsn >= self.tail.oldest:
            return next(self.tail.after(LSN(lsn - 1))).entry
        with engine_section:
            return self.reader.entry(lsn)

    def deletion(self, id: str, as_of: LSN) -> LSN:
        """See `transactions.revisions.PastEntries`: from the newest entry back, as far as one call may search."""
        stop = max(FIRST_LSN, as_of - HISTORY_SEARCH_ENTRIES_MAX + 1)
        in_memory = self.tail.oldest if self.tail is not None else LSN(as_of + 1)
        for lsn in range(as_of, max(in_memory, stop) - 1, -1):
            entry = self.entry(LSN(lsn))
            if any(write.id == id for write in entry.writes):
                return entry.lsn
        with engine_section:
            found = self.on_disk(id.encode(), id, min(as_of, LSN(in_memory - 1)), LSN(stop))
        if found == BEFORE_FIRST and stop > FIRST_LSN:
            remedy = "Ask for documents that are there, or were deleted not so long ago"
            raise LimitReached("entries searched for a deleted document", as_of, HISTORY_SEARCH_ENTRIES_MAX, remedy)
        return found

    def on_disk(self, name: bytes, id: str, last: LSN, stop: LSN) -> LSN:
        while last >= stop:
            first = LSN(max(stop, last - CHUNK_ENTRIES + 1))
            newest = BEFORE_FIRST
            for lsn, payload in islice(self.reader.encoded(first), last - first + 1):
                # Most entries do not even mention it, and need not be decoded.
                if name in payload and any(write.id == id for write in decode(payload).writes):
                    newest = lsn
            if newest != BEFORE_FIRST:
                return newest
            last = LSN(first - 1)
        return BEFORE_FIRST
