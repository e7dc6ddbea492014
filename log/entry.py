"""What the log says: one entry for each committed transaction, with its cause.

Entries are the vocabulary of every layer above.  They are frozen, hold plain values, and know
nothing about files, tasks or sockets.  What is not recorded here can never be asked later.
"""

from __future__ import annotations

from enum import Enum
from typing import NewType

from attrs import frozen

LSN = NewType("LSN", int)
"""Log sequence number: dense position of an entry; 0 is before the first."""

Timestamp = NewType("Timestamp", int)
"""Nanoseconds since the Unix epoch; strictly increasing from entry to entry."""

IndexKey = bytes
"""Order-preserving bytes of the indexed fields, then of the document's creation time and id."""

BEFORE_FIRST = LSN(0)
FIRST_LSN = LSN(1)
NO_TIME = Timestamp(0)
"""Before the first entry; no entry has it."""
HASH_BYTES = 32
DROPPED = b""
"""Instead of a document, or of arguments, that were there and are not kept any more: no encoding is empty."""
NO_HASH = bytes(HASH_BYTES)
"""What the first entry names as the hash of its predecessor."""


class Kind(Enum):
    """What sort of transaction an entry is."""

    MUTATION = "mutation"
    DEPLOY = "deploy"
    IMPORT = "import"
    SYSTEM = "system"


@frozen(cache_hash=True)
class IndexName:
    """One index of one table; ``by_id`` and ``by_creation_time`` always exist.

    Few, held for long and looked up with every read and write."""

    table: str
    index: str

    def __str__(self) -> str:
        return f"{self.table}.{self.index}"


@frozen
class KeyRange:
    """Half-open range of one index: ``start <= key < stop``.  ``stop`` None is without end."""

    index: IndexName
    start: IndexKey
    stop: IndexKey | None
    keys_only: bool = False
    """Only which keys are there was looked at, not the documents: a change whose old and new key are
    both inside, or both outside, does not touch it."""

    def __attrs_post_init__(self) -> None:
        assert self.stop is None or self.start < self.stop, "an empty range reads nothing"

    def __contains__(self, key: IndexKey) -> bool:
        return self.start <= key and (self.stop is None or key < self.stop)

    def touched(self, old: IndexKey | None, new: IndexKey | None) -> bool:
        """Whether what was read is another thing once a document's key goes from ``old`` to ``new``."""
        was_inside = old is not None and old in self
        if was_inside and not self.keys_only:
            return True
        is_inside = new is not None and new in self
        return is_inside is not was_inside


@frozen
class Write:
    """A new version of one document."""

    table: str
    id: str
    previous: LSN
    """Entry that wrote the version before this one; 0 if there was none.  It may be newer than the
    snapshot, if the write was merged into a version that the transaction had not read."""
    document: bytes | None
    """Canonical CBOR of the whole document, system fields included; None is a tombstone, and `DROPPED` says
    that there was one which is beyond the retention of its table."""


@frozen
class Cause:
    """Why a transaction ran."""

    kind: str
    """``client``, ``http``, ``cli``, ``schedule``, ``cron``, ``action`` or ``system``."""
    id: str
    """Which one: the request id, the schedule's id, the name of the cron...; may be empty."""
    parent: LSN
    """Entry that made this happen (the mutation that scheduled it); 0 if none."""


@frozen
class Entry:
    """One committed transaction as the log holds it."""

    lsn: LSN
    ts: Timestamp
    kind: Kind
    cause: Cause
    function: str
    """``folder/module:function``; empty for entries that no function made."""
    code: bytes
    """Hash of the deployed source bundle that ran."""
    engine: str
    """Version of relive that ran it."""
    args: bytes
    """Canonical CBOR of the argument object; `DROPPED` in an entry that compaction has reduced."""
    identity: bytes | None
    """Canonical CBOR of the claims that the function looked at; None if it did not look."""
    clock: Timestamp
    """The frozen wall clock that the function saw."""
    seed: bytes
    """What the function's randomness, ids included, was drawn from; 16 bytes."""
    snapshot: LSN
    """Entry as of which the transaction read."""
    reads: tuple[KeyRange, ...]
    writes: tuple[Write, ...]
    result_digest: bytes
    """Hash of the result's canonical JSON; empty if there is none."""
    result: bytes | None
    """The result's canonical JSON, kept where a resent request must get it again."""
    logs: tuple[str, ...]
    """Log lines of the function, in the form that clients see."""
    session: bytes | None
    """Client session of the request, 16 bytes; with ``request`` it makes a resend harmless."""
    request: int | None
    prev: bytes
    """Hash of the previous entry's encoding: history cannot be edited quietly."""

    def __attrs_post_init__(self) -> None:
        assert self.lsn >= FIRST_LSN, self.lsn
        assert self.snapshot < self.lsn, (self.snapshot, self.lsn)
        assert len(self.prev) == HASH_BYTES, len(self.prev)
        assert (self.session is None) == (self.request is None), "a request belongs to a session"
