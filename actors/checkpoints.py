"""Checkpoints of what recovery derives from the log: made of sealed segments, loaded when a server starts.

    older checkpoint + sealed segments ──> fold ──> newer checkpoint
    newest good checkpoint + the rest of the log ──> state

Where the one who folds knows how tables are read, it also holds the keys of their indexes (`stored_keys`).

Invariant: with a checkpoint, whichever it is, recovery ends in the very state that it ends in without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Final

import cbor2
from attrs import Factory, define

from ..log.checkpoint import Checkpoint, CheckpointFile, checkpoint_names, write_checkpoint
from ..log.entry import LSN, Entry, Timestamp
from ..log.errors import Malformed
from ..log.recovery import OnProgress, recover
from ..log.segment import segment_names
from ..log.storage import Storage
from .definition import TableDefinition
from .recovery import Recovery
from .requests import Session
from .stored_keys import Column, StoredKeys, parts_of_keys

DOCUMENTS_PER_PART: Final = 2_000
DOCUMENT_BYTES_PER_PART: Final = 4 * 2**20
"""About: a part ends with the document that goes beyond."""
KEYS_PER_PART: Final = 20_000
SESSIONS_PER_PART: Final = 100
KEPT: Final = 2
"""Checkpoints that are kept: the newest, and the one before in case that the newest is damaged."""

OnBad = Callable[[str, str], None]
"""Told of a checkpoint that cannot be used: its file, and why."""


Definer = Callable[[str], TableDefinition]
"""How the table of that name is read."""


def parts_of(recovery: Recovery) -> Iterator[bytes]:
    """The state as a checkpoint holds it: the same state gives the same parts.  Keys come behind it."""
    yield cbor2.dumps(["deployment", recovery.code, recovery.deployment])
    for table, bodies in recovery.newest.bodies.items():
        yield cbor2.dumps(["table", table])
        for ids, documents, lsns in groups(bodies):
            yield cbor2.dumps(["documents", table, ids, documents, lsns])
    sessions = iter(recovery.requests.sessions.items())
    while group := list(islice(sessions, SESSIONS_PER_PART)):
        rows = [[id, session.last_ts, list(session.committed.items())] for id, session in group]
        yield cbor2.dumps(["sessions", rows])


def parts_with_keys(recovery: Recovery) -> Iterator[bytes]:
    yield from parts_of(recovery)
    for table, stored in recovery.newest.keys.items():
        yield from map(cbor2.dumps, parts_of_keys(table, stored, KEYS_PER_PART))


def groups(bodies: Mapping[str, tuple[bytes, LSN]]) -> Iterator[tuple[list[str], list[bytes], list[LSN]]]:
    """Ids, documents and entries, in their order, a moderate number of bytes in each group."""
    ids: list[str] = []
    documents: list[bytes] = []
    lsns: list[LSN] = []
    size = 0
    for id, (body, lsn) in bodies.items():
        ids.append(id)
        documents.append(body)
        lsns.append(lsn)
        size += len(body)
        if len(ids) == DOCUMENTS_PER_PART or size >= DOCUMENT_BYTES_PER_PART:
            yield ids, documents, lsns
            ids, documents, lsns, size = [], [], [], 0
    if ids:
        yield ids, documents, lsns


def load(file: CheckpointFile) -> Recovery:
    """The state that a checkpoint holds.  Raises Malformed."""
    recovery = Recovery()
    bodies, keys, sessions = recovery.newest.bodies, recovery.newest.keys, recovery.requests.sessions
    for part in file:
        match cbor2.loads(part):
            case ["deployment", bytes(code), bytes(deployment)]:
                recovery.code, recovery.deployment = code, deployment
            case ["table", str(table)]:
                bodies[table] = {}
            case ["documents", str(table), list(ids), list(documents), list(lsns)]:
                bodies[table].update(zip(ids, zip(documents, lsns, strict=True), strict=True))
            case ["sessions", list(rows)]:
                for id, last_ts, committed in rows:
                    sessions[id] = Session(Timestamp(last_ts), dict(committed))
            case ["ordered", str(table), bytes(fingerprint), int(count)]:
                keys[table] = StoredKeys(fingerprint, [*bodies[table]], [Column() for _ in range(count)])
            case ["keys", str(table), int(number), list(some), bytes(positions)]:
                keys[table].columns[number].add(some, positions)
            case other:
                raise Malformed(f"a part of an unknown kind: {str(other)[:40]}")
    for stored in keys.values():
        stored.check()
    recovery.newest.position = file.checkpoint.lsn
    return recovery


def load_newest(storage: Storage, on_bad: OnBad) -> tuple[Recovery, Checkpoint | None]:
    """The state of the newest checkpoint that is good, or an empty one to read the whole log into."""
    for name in reversed(checkpoint_names(storage)):
        try:
            file = CheckpointFile.open(storage, name)
            file.check_fits()
            return load(file), file.checkpoint
        except Malformed as error:
            on_bad(name, error.problem)
        except OSError as error:
            on_bad(name, f"it cannot be read: {error.strerror or error}")
    return Recovery(), None


def fold(
    storage: Storage,
    on_bad: OnBad,
    on_progress: OnProgress | None = None,
    definer_of: Callable[[Recovery], Definer | None] = lambda recovery: None,
) -> Checkpoint | None:
    """Make a checkpoint of all sealed segments; None if there is none, or one of them already.

    ``definer_of`` says how the tables of a state are read, for the keys of their indexes; None leaves them out.
    Takes no lock, and needs none: sealed segments do not change.  If compaction puts others in their place
    meanwhile it may find them damaged; it can then be done again.  Raises Damaged, CheckpointFailed.
    """
    recovery, start = load_newest(storage, on_bad)
    sealed = segment_names(storage)[:-1]
    if len(sealed) == (len(start.segments) if start is not None else 0):
        return None
    read = recover(storage, recovery.apply, on_progress, after=start, sealed_only=True)
    segments = tuple((segment.header.first, segment.length) for segment in read.segments)
    deployment = read.segments[0].header.deployment
    made = Checkpoint(read.last_lsn, read.last_ts, read.last_hash, deployment, segments)
    definer = definer_of(recovery)
    if definer is not None:
        recovery.newest.order(definer)
    else:
        recovery.newest.keys.clear()
    write_checkpoint(storage, made, parts_with_keys(recovery))
    for name in checkpoint_names(storage)[:-KEPT]:
        with suppress(OSError):  # Another process may have done it; and one too many does no harm.
            storage.remove(name)
    return made


def is_of_keys(part: bytes) -> bool:
    kind: object = cbor2.loads(part)[0]
    return kind in ("ordered", "keys")


@define(eq=False)
class CheckpointCheck:
    """Compares checkpoints with the log, entry by entry as it is read.

    Keys are not in the log: they follow from it, and from code.  Their checksums are checked.
    """

    storage: Storage
    on_bad: OnBad
    good: int = 0
    recovery: Recovery = Factory(Recovery)
    files: dict[LSN, CheckpointFile] = Factory(dict[LSN, CheckpointFile])

    @classmethod
    def of(cls, storage: Storage, on_bad: OnBad) -> CheckpointCheck:
        check = cls(storage, on_bad)
        for name in checkpoint_names(storage):
            try:
                file = CheckpointFile.open(storage, name)
                file.check_fits()
                check.files[file.checkpoint.lsn] = file
            except Malformed as error:
                on_bad(name, error.problem)
            except OSError as error:
                on_bad(name, f"it cannot be read: {error.strerror or error}")
        return check

    def apply(self, entry: Entry) -> None:
        if not self.files:
            return  # There is nothing to compare with, any more.
        self.recovery.apply(entry)
        file = self.files.pop(entry.lsn, None)
        if file is None:
            return
        try:
            # Parts are compared as they are read, so that two states are never in memory at once.
            expected: Iterator[Any] = parts_of(self.recovery)
            stated = (part for part in file if not is_of_keys(part))
            same = all(part == next(expected, None) for part in stated) and next(expected, None) is None
            problem = "" if same else "it is not what the log comes to"
        except Malformed as error:
            problem = error.problem
        if problem:
            self.on_bad(file.checkpoint.name, problem)
        else:
            self.good += 1
