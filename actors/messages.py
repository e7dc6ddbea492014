"""What the actors are told, and what they ask for in return.

Messages that ask are verbs (`Commit`), messages that tell are facts (`Durable`).  Effects are
carried out by `runtime`, in order, after the actor has returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from attrs import frozen

from ..log.entry import LSN, Cause, Entry, KeyRange, Kind, Timestamp
from .tail import Committed
from .version import Change, Version

Merge = Callable[[Version], tuple[Change, bytes]]
"""Does a write anew, to the newest version of its document: the change from that one on, and the
canonical CBOR of the new document.  Raises CannotMerge if that version does not allow it."""
NO_MERGES: Mapping[tuple[str, str], Merge] = MappingProxyType({})

Stamp = Callable[[Timestamp], tuple[Change, bytes]]
"""Makes the change of a document that holds the timestamp of its entry, with the CBOR of what it becomes."""
NO_STAMPS: Mapping[tuple[str, str], Stamp] = MappingProxyType({})


@frozen(eq=False)
class Commit:
    """Make an entry of this transaction, if nothing in ``reads`` changed after ``snapshot``.

    The fields are those of `log.entry.Entry`; what only the committer knows is missing.
    """

    kind: Kind
    cause: Cause
    function: str
    code: bytes
    engine: str
    args: bytes
    identity: bytes | None
    clock: Timestamp
    seed: bytes
    snapshot: LSN
    reads: tuple[KeyRange, ...]
    changes: tuple[Change, ...]
    documents: tuple[bytes | None, ...]
    """Canonical CBOR of each change's new document; None for a tombstone."""
    result_digest: bytes
    result: bytes | None
    logs: tuple[str, ...]
    session: bytes | None
    request: int | None
    now: Timestamp
    """The wall clock; the entry's timestamp is never behind it nor behind an earlier entry."""
    merges: Mapping[tuple[str, str], Merge] = NO_MERGES
    """By table and id, for those of ``changes`` whose document was not read: if somebody changed it
    after the snapshot, the write is done anew instead of being a conflict."""
    stamps: Mapping[tuple[str, str], Stamp] = NO_STAMPS
    """By table and id: documents of which a part is known only once the timestamp is."""


@frozen
class Durable:
    """Every entry up to ``lsn`` is on disk."""

    lsn: LSN


@frozen
class NotWritten:
    """The disk refused everything after ``durable``; none of it has left the process."""

    durable: LSN
    problem: str


@frozen(eq=False)
class Append:
    """Queue ``entry`` for the disk; `Durable` will say when it is there."""

    entry: Entry
    encoded: bytes


@frozen(eq=False)
class Apply:
    """Bring tables and requests up to this commit, before anything else reads them."""

    committed: Committed


@frozen(eq=False)
class Undo:
    """Take this commit back: it never became durable, and nobody outside has heard of it."""

    committed: Committed


@frozen
class Answer:
    """The commit was given this LSN and timestamp."""

    lsn: LSN
    ts: Timestamp


Effect = Append | Apply | Undo | Answer
