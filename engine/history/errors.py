"""What the log cannot tell.

ReliveError
├── NoHistory        no entry wrote the document: check table and id
├── BeforeHistory    there was nothing yet: name a later time
├── NotYet           that time has not come: name an earlier one
├── NotReproducible  one entry alone does not say what came of it: take another
└── DoesNotFit       documents of then do not fit the schema of now
"""

from __future__ import annotations

import datetime as dt

from attrs import define

from ...protocol.errors import ReliveError


@define(auto_exc=True)
class NoHistory(ReliveError):
    """No entry ever wrote this document.  Check its table and id."""

    table: str
    """Empty if any would do."""
    id: str

    def __str__(self) -> str:
        name = f"{self.table}/{self.id}" if self.table else self.id
        return f"no entry of the log wrote {name}: check the table and the id, as `relive log show` tells them"


@define(auto_exc=True)
class BeforeHistory(ReliveError):
    """There was no entry at that time.  Name a later one."""

    ts: int
    """Nanoseconds since the Unix epoch, as the other."""
    first: int | None
    """Time of the first entry; None if there is none at all."""

    def __str__(self) -> str:
        if self.first is None:
            return "the log has no entries yet: there is no past to look at"
        return f"there was nothing at {text_of(self.ts)}: the first entry was made at {text_of(self.first)}"


@define(auto_exc=True)
class NotYet(ReliveError):
    """That time has not come.  Name an earlier one."""

    ts: int
    """Nanoseconds since the Unix epoch."""

    def __str__(self) -> str:
        return f"{text_of(self.ts)} has not come yet: name an earlier time, or leave it out to mean now"


@define(auto_exc=True)
class DoesNotFit(ReliveError):
    """Documents of then cannot be read with this code.  Choose a later moment, or give new fields a default."""

    lsn: int
    """The entry as of which they were read."""
    problem: str

    def __str__(self) -> str:
        return (
            f"as of entry {self.lsn} there are documents that do not fit the schema of this code: {self.problem}. "
            "Begin at a later moment, or give new fields a default"
        )


@define(auto_exc=True)
class NotReproducible(ReliveError):
    """What came of a request does not follow from what its entry holds and read.  Take another entry."""

    lsn: int
    problem: str

    def __str__(self) -> str:
        return f"no test can be made of entry {self.lsn}: {self.problem}"


def text_of(ts: int) -> str:
    return f"{dt.datetime.fromtimestamp(ts // 1_000_000_000, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
