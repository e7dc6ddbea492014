"""Where the pages of a query ended, so that they end there when it runs again.

A journal is what a query hands out with its result and is run with the next time: the end of each page,
by query and start.  To clients it is text that they hand back.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from attrs import Factory, define

from .. import limits
from ..errors import InvalidCursor
from .cursors import Cursors

FINGERPRINT_BYTES = 16
"""Of what makes a query the same one."""


@define(eq=False)
class Pages:
    """The paginated reads of one run: where each ended the last time, and where it ends now."""

    cursors: Cursors
    given: dict[str, str] = Factory(dict[str, str])
    """Ends by page, from the journal."""
    ends: dict[str, str] = Factory(dict[str, str])
    """Ends by page, of this run."""

    @classmethod
    def from_journal(cls, cursors: Cursors, journal: str | None) -> Pages:
        """Raises InvalidCursor for a journal that no query can have written."""
        if journal is None:
            return cls(cursors)
        try:
            if len(journal) > limits.JOURNAL_CHARS_MAX:
                raise InvalidCursor()
            return cls(cursors, msgspec.json.decode(journal, type=dict[str, str]))
        except msgspec.MsgspecError:
            raise InvalidCursor() from None

    def name(self, fingerprint: bytes, cursor: str | None) -> str:
        """What a page is called in the journal.  The same page read twice has two names."""
        text = (cursor or "").encode()
        for repetition in range(len(self.ends) + 1):
            digest = blake2b(text, digest_size=FINGERPRINT_BYTES, key=fingerprint, salt=repetition.to_bytes(16, "big"))
            if (name := digest.hexdigest()) not in self.ends:
                return name
        raise AssertionError("more names than pages")

    def journal(self) -> str | None:
        """What to run the query with next time; None if it read no page."""
        return msgspec.json.encode(self.ends, order="sorted").decode() if self.ends else None
