"""No process fails but by its disk, and client and server understand each other."""

from __future__ import annotations

from collections.abc import Iterator

from ..history import History
from ..plan import DISK_FULL, SYNC_FAILS, WRITE_FAILS
from ..process import CRASHED, DISK, KILLED, STOPPED
from ..trace import Ended, Objected
from .violation import Violation

NAME = "processes"
FAULTS_OF_THE_DISK = {SYNC_FAILS, WRITE_FAILS, DISK_FULL}


def check(history: History) -> Iterator[Violation]:
    if history.run.damage:
        yield Violation(NAME, "the log can be read", history.run.damage)
    excused = bool(history.run.plan.fault_kinds() & FAULTS_OF_THE_DISK)
    for position, (_, event) in enumerate(history.events):
        match event:
            case Ended(_, how):
                if how not in (CRASHED, KILLED, STOPPED) and not (excused and how.startswith(DISK)):
                    yield Violation(NAME, "a process does not fail", how, position)
            case Objected(client, problem):
                yield Violation(NAME, "clients accept what they are sent", f"client {client}: {problem}", position)
            case _:
                pass
