"""Errors that a caller of the actors can meet, and what it can do about each.

ReliveError
├── Conflict           another transaction changed what this one read: run it again
├── AlreadyCommitted   this client request is in the log: answer with what it says
├── WritesRefused      the log takes no entries now (disk full): try later; reads go on
└── CommitterFailed    the one actor that may not fail did: the process must stop
"""

from __future__ import annotations

from attrs import define

from ..log.entry import LSN, IndexName
from ..protocol.errors import ReliveError


@define(auto_exc=True)
class Conflict(ReliveError):
    """Another transaction changed what this one read.  Run it again."""

    snapshot: LSN
    by: LSN
    index: IndexName
    function: str
    """What the other transaction ran."""

    def __str__(self) -> str:
        return (
            f"read {self.index} as of entry {self.snapshot}; "
            f"entry {self.by} ({self.function or 'system'}) wrote into the range that was read"
        )


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
