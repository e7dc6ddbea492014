"""What each fault excuses, and nothing else does: the table of allowed outcomes, one function for each.

    crash, kill, torn write   acknowledged is durable, the rest may be there or not, each once
    sync or write fails       the process ends
    disk full                 no answer, or a refusal; or the process ends, if a deploy was served already
    a sync that lies          what it lied about may be gone from some entry on, once a crash follows; or a start
                              refuses the log (`World.count_losses`); a checkpoint that it lied about is left out
                              (`World.lost_checkpoints`)
    rot, misread              refused with the place; the same state; without a last batch that nothing proves
                              (`damage.judge`)
    the tables fail           rebuilt, unseen; the process ends at the fourth time
    any end of a process      actions under way have failed, for good; durable ones go on
    a copy that comes late    what failed may succeed, what wrote nothing is answered as before, until a restart

Invariant: an excuse looks at what was done to this process, this client and this request, never at what the plan
holds somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..actors.supervisor import REBUILDS_MAX
from .history import History
from .plan import CLOCK, DISK_FULL, DUPLICATE, FOLLOWER, HALF_OPEN, SYNC_FAILS, WRITE_FAILS
from .process import CRASHED, DISK, FAILED, KILLED, STOPPED
from .trace import Answered, Ended, Event, Faulted, Opened, Phase, Started, Wrote

FAULTS_OF_THE_DISK = frozenset({SYNC_FAILS, WRITE_FAILS, DISK_FULL})


def events_between(history: History, first: int, last: int) -> Iterator[Event]:
    return (event for _, event in history.events[first:last])


def faults_before(history: History, position: int, kinds: frozenset[str]) -> list[Faulted]:
    return [
        event for event in events_between(history, 0, position) if isinstance(event, Faulted) and event.kind in kinds
    ]


def started_at(history: History, position: int) -> int:
    """Where the process began that runs at a position."""
    before = range(position, -1, -1)
    return next((at for at in before if isinstance(history.events[at][1], Started)), 0)


def may_end(history: History, position: int, how: str) -> bool:
    """Whether a process may end this way there."""
    if how in (KILLED, STOPPED, CRASHED):
        return True  # Nothing but a fault, or the end of a run, makes it so.
    if how.startswith(DISK):
        ends = sum(
            isinstance(event, Ended) and event.how.startswith(DISK) for event in events_between(history, 0, position)
        )
        # A disk that is full ends many; one that fails once, one process at most.
        failing = faults_before(history, position, FAULTS_OF_THE_DISK)
        return any(fault.kind == DISK_FULL for fault in failing) or ends < len(failing)
    if how.startswith(FAILED) and f"tables failed {REBUILDS_MAX + 1} times" in how:
        since = events_between(history, started_at(history, position), position)
        times = sum(event.amount for event in since if isinstance(event, Faulted) and event.kind == FOLLOWER)
        return times > REBUILDS_MAX
    return False


def may_be_refused(history: History, answered: int) -> bool:
    """Whether a request may be answered that the disk takes nothing: it has been full."""
    return bool(faults_before(history, answered, frozenset({DISK_FULL})))


def moment_of(history: History, position: int, ts: int) -> int:
    """The entry as of which something is that was said at a position to be of a time.

    The time may be that of an entry which a full disk took back.  No entry of the log has it, but if the clock is set
    back later, and the process ends, others may be written with earlier times.
    """
    lsn, durable = history.lsn_at(ts), history.durable[position]
    if lsn > durable and faults_before(history, position, frozenset({DISK_FULL})):
        between = events_between(history, position, written_at(history, durable + 1) + 1)
        if any(isinstance(event, Started) for event in between):
            return durable
    return lsn


def may_be_interrupted(history: History, begun: int, ended: int) -> bool:
    """Whether a scheduled action that began with one entry may have failed with another."""
    first, last = written_at(history, begun), min(written_at(history, ended) + 1, len(history.events))
    # The entry that ends it is made before it is written; until it had begun, nobody could have ended it.
    stopped = any(isinstance(event, Ended | Started) for event in events_between(history, first, last))
    settled = any(isinstance(event, Phase) and event.name == "settled" for event in events_between(history, 0, last))
    return stopped or settled or may_wait_for_the_disk(history)


def may_oversleep(history: History) -> bool:
    """Whether the clock was set back while somebody waited for a time that it shows."""
    faults = faults_before(history, len(history.events), frozenset({CLOCK}))
    return any(fault.amount < 0 for fault in faults)


def may_wait_for_the_disk(history: History) -> bool:
    """Whether what could not be written may be tried again, behind what came later."""
    return bool(faults_before(history, len(history.events), frozenset({DISK_FULL})))


def written_at(history: History, lsn: int) -> int:
    """Where an entry became durable; the end if that was never said."""
    for position, (_, event) in enumerate(history.events):
        if isinstance(event, Wrote | Started) and event.lsn >= lsn:
            return position
    return len(history.events)


def may_have_run_again(history: History, answered: int, lsn: int) -> bool:
    """Whether a request that wrote nothing may be entry ``lsn``, though it was answered before.

    Its answer is kept in memory: until the process ends, or until entries are taken back from a full disk.
    """
    # The process that answered may have ended while the answer was on its way: it is that of the socket.
    opened = opened_before(history, answered)
    since = list(events_between(history, opened, written_at(history, lsn) + 1))
    ended = any(isinstance(event, Ended | Started) for event in since)
    return ended or bool(faults_before(history, opened + len(since), frozenset({DISK_FULL})))


def opened_before(history: History, answered: int) -> int:
    """When the socket was opened on which an answer came."""
    answer = history.events[answered][1]
    assert isinstance(answer, Answered)
    return max(
        position
        for position, (_, event) in enumerate(history.events[:answered])
        if isinstance(event, Opened) and event.client == answer.client
    )


def may_have_come_late(history: History, client: int, asked: int, lsn: int) -> bool:
    """Whether a copy of a request that failed may have come after it was answered: failures are not recorded."""
    return any(
        isinstance(event, Faulted) and event.kind in (HALF_OPEN, DUPLICATE) and event.target == client
        for event in events_between(history, asked, written_at(history, lsn) + 1)
    )
