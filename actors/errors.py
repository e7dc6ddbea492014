"""Errors that a caller of the actors can meet, and what it can do about each.

ReliveError
├── Conflict           another transaction changed what this one read: run it again
├── CannotMerge        a write cannot be done to a newer version: the commit is a conflict
├── AlreadyCommitted   this client request is in the log: answer with what it says
├── WritesRefused      the log takes no entries now (disk full): try later; reads go on
└── CommitterFailed    the one actor that may not fail did: the process must stop
"""

from __future__ import annotations

from attrs import define

from ..log.entry import BEFORE_FIRST, LSN, IndexKey, IndexName
from ..protocol.errors import ReliveError
from .key_text import bound_text, key_text, shortened

CONFLICT_CHARS_MAX = 200
"""How long the text of a conflict is; names of extreme length make it a little longer."""
NAME_CHARS_MAX = 48
KEY_CHARS_MIN = 24


@define(auto_exc=True)
class Conflict(ReliveError):
    """Another transaction changed what this one read.  Run it again."""

    function: str
    """What ran; empty for a transaction of the system itself."""
    other: str
    """What the entry that came between ran; empty for the system itself, or if that is not known."""
    snapshot: LSN
    lsn: LSN
    """The entry that came between; `BEFORE_FIRST` if it is too long ago to tell whether there is one."""
    index: IndexName
    key: IndexKey
    """What was changed of it; if that is not known, where the first range that was read begins."""
    id: str
    """The document that was changed; empty if that is not known."""

    def __str__(self) -> str:
        function = shortened(self.function or "the system", NAME_CHARS_MAX)
        other = shortened(self.other or "the system", NAME_CHARS_MAX)
        index = shortened(str(self.index), NAME_CHARS_MAX)
        if self.lsn == BEFORE_FIRST:
            key = bound_text(self.index, self.key)
            rest = f", too long ago to tell whether that is still so: entry {self.snapshot}"
        else:
            key = key_text(self.index, self.key)
            rest = f" as of entry {self.snapshot}, which entry {self.lsn} ({other}) has changed since"
        room = CONFLICT_CHARS_MAX - len(f"{function} read {index} {rest}")
        return f"{function} read {index} {shortened(key, max(room, KEY_CHARS_MIN))}{rest}"


@define(auto_exc=True)
class CannotMerge(ReliveError):
    """A write cannot be done to a version that came after the one it was meant for.

    Raised by a `messages.Merge`; whoever commits sees a `Conflict`.
    """

    problem: str

    def __str__(self) -> str:
        return self.problem


@define(auto_exc=True)
class AlreadyCommitted(ReliveError):
    """This client request was committed before.  Answer with the recorded result."""

    lsn: LSN

    def __str__(self) -> str:
        return f"the request was committed as entry {self.lsn}"


@define(auto_exc=True)
class WritesRefused(ReliveError):
    """The log takes no entries now.  Reads go on; try the write again later."""

    problem: str

    def __str__(self) -> str:
        return f"writes are refused: {self.problem}"


@define(auto_exc=True)
class CommitterFailed(ReliveError):
    """The committer or the log broke an invariant.  Stop the process; the log has the truth."""

    problem: str

    def __str__(self) -> str:
        return f"the committer stopped: {self.problem}"
