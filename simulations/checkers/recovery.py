"""What a process recovers is what the log says: documents, deployed code, and which requests were answered.

all entries, laid into dicts ── compared ── what each process built when it started
                             └─ compared ── a checkpoint of the sealed files, and the tail behind it
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from ...actors.checkpoints import fold as fold_sealed
from ...actors.checkpoints import load_newest
from ...actors.recovery import Recovery
from ...log.checkpoint import Checkpoint
from ...log.entry import Entry, Kind
from ...log.errors import CheckpointFailed, Damaged
from ...log.memory import MemoryStorage
from ...log.recovery import recover
from ...log.segment import segment_names
from ..fold import Fold
from ..history import History
from ..remembered import Remembered
from ..trace import Unlike
from .violation import Violation

NAME = "recovery"


def check(history: History) -> Iterator[Violation]:
    for position, (_, event) in enumerate(history.events):
        if isinstance(event, Unlike):
            yield Violation(NAME, "recovery builds what the log says", event.problem, position)
    run = history.run
    if run.storage is None or run.damage or len(segment_names(run.storage)) == 1:
        return
    storage = deepcopy(run.storage)
    try:
        bad, checkpoint, recovery = recovered(storage)
    except (CheckpointFailed, Damaged) as error:
        yield Violation(NAME, "a checkpoint can be made", str(error))
        return
    if bad or checkpoint is None:
        yield Violation(NAME, "a checkpoint can be used", "; ".join(bad) or "nothing was made of the sealed files")
        return
    run.trace.probe("a checkpoint and the tail were compared with the log")
    for problem in differences(recovery, run.entries):
        yield Violation(NAME, "checkpoint and tail are the log", f"checkpoint of entry {checkpoint.lsn}: {problem}")


def recovered(storage: MemoryStorage) -> tuple[list[str], Checkpoint | None, Recovery]:
    """Of a checkpoint of all sealed files, and what comes after it."""
    bad: list[str] = []

    def on_bad(file: str, problem: str) -> None:
        bad.append(f"{file}: {problem}")

    # Whatever checkpoints are there, damaged or not, are where it begins: that is the product's own business.
    fold_sealed(storage, lambda file, problem: None)
    recovery, checkpoint = load_newest(storage, on_bad)
    recover(storage, recovery.apply, after=checkpoint)
    return bad, checkpoint, recovery


def differences(recovery: Recovery, entries: tuple[Entry, ...]) -> Iterator[str]:
    """From what the entries say."""
    fold, remembered, code = Fold(), Remembered(), b""
    for entry in entries:
        fold.apply(entry)
        remembered.apply(entry)
        code = entry.code if entry.kind is Kind.DEPLOY else code
    for table in sorted(fold.documents.keys() | recovery.newest.bodies.keys()):
        expected = {id: (body, lsn) for id, (lsn, body) in fold.documents.get(table, {}).items()}
        found = recovery.newest.bodies.get(table, {})
        if found != expected:
            ids = sorted(id for id in found.keys() | expected.keys() if found.get(id) != expected.get(id))
            yield f"documents of {table} are other ones: {', '.join(ids)}"
    requests = {session: dict(each.committed) for session, each in recovery.requests.sessions.items()}
    if requests != remembered.requests:
        yield f"it remembers {requests}, and must remember {remembered.requests}"
    if recovery.code != code:
        yield f"the code is {recovery.code.hex()}, and must be {code.hex()}"
