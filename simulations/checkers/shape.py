"""The log: dense, in order of time, each request in it once.  That it is one chain, recovery has checked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ..history import History
from .violation import Violation

NAME = "shape"


def check(history: History) -> Iterator[Violation]:
    entries = history.run.entries
    for position, entry in enumerate(entries, 1):
        if entry.lsn != position:
            yield Violation(NAME, "LSNs are dense", f"entry {entry.lsn} stands at place {position}")
    for before, after in pairwise(entries):
        if after.ts <= before.ts:
            yield Violation(NAME, "time goes forward", f"entry {after.lsn} at {after.ts}, after {before.ts}")
    for (session, request), found in history.by_request.items():
        if len(found) > 1:
            lsns = [entry.lsn for entry in found]
            yield Violation(NAME, "each request is in the log once", f"request {request} of {session.hex()}: {lsns}")
