"""Everything that a run can say it reached: what a campaign must reach, and what is rare.

Invariant: a probe that is not in here fails the run that reports it, so the list is always whole.
"""

from __future__ import annotations

from typing import Final

from .plan import FAULTS
from .sites import CHOICES, TABLES_FAIL, fired

COMMON: Final = (
    *(f"fault {kind}" for kind in FAULTS),
    *(fired(site) for site in (*CHOICES, TABLES_FAIL) if site != "a migration waits for its turn"),
    "a commit from an old snapshot was let through",
    "a mutation ran again after a conflict",
    "the leader ran a mutation that always met conflicts",
    "a cron runs",
    "a deploy finds crons",
    "a durable action goes on after a stop",
    "a durable action is done",
    "a job is cancelled",
    "a job is overtaken by one that is due later",
    "a page after another is watched",
    "a page is split",
    "a version was deployed",
    "a deploy read documents again",
    "a migration was done",
    "a checkpoint and the tail were compared with the log",
    "a commit from an old snapshot",
    "a migration was started",
    "a checkpoint is made",
    "a client has no room for a transition",
    "a client speaks to the listener",
    "a function is called over HTTP",
    "an HTTP request is served",
    "a process recovered entries",
    "a process starts from a checkpoint",
    "a process that makes a checkpoint dies",
    "a request is answered by its entry",
    "a request that wrote nothing is answered as before",
    "a run of a cron is skipped",
    "a scheduled action is done",
    "a scheduled action is interrupted",
    "a scheduled mutation fails",
    "a scheduled mutation is done",
    "a segment is sealed",
    "a server waits for a slow client",
    "a socket does not take all at once",
    "a start fell back to another checkpoint",
    "a start refused a damaged log",
    "a websocket is asked for",
    "a websocket is pinged",
    "damage was of no consequence",
    "entries are taken back",
    "no checkpoint could be made",
    "recovery cut a torn end",
    "requests arrive after their connection was cut",
    "several commits in one batch",
    "something leaves at once: it is durable",
    "tables are rebuilt",
    "tables are rebuilt with entries on their way to the disk",
    "what was not written is never said",
)
"""What some hundred seeds with every fault reach."""

RARE: Final = (
    fired("a migration waits for its turn"),
    "a client has seen a later time than the log has",
    "a deploy or a migration had to be tried again",
    "a disk lied, and a checkpoint is gone",
    "a disk lied, and a start refuses",
    "a disk lied, and entries are gone",
    "a disk lied, and nothing was lost",
    "a job is cancelled as its parent was",
    "a mutation that had written nothing was sent again and wrote",
    "an action is cancelled while it runs",
    "rot of what nothing proves passed for a torn end",
)
