"""Bugs to be found: each takes the place of a part of the product, for the time of one test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import pytest
from attrs import evolve, frozen
from relive.actors import committer, requests
from relive.actors.gate import Gate
from relive.actors.recovery import Recovery
from relive.actors.requests import Requests
from relive.actors.runtime import Runtime
from relive.actors.subscriptions import Subscriptions
from relive.actors.tables import Tables
from relive.engine.execution.executor import Executor
from relive.engine.execution.live_queries import Kept
from relive.engine.server.connection import Connection
from relive.engine.server.syncer import Syncer
from relive.engine.transactions.overlay import Overlay
from relive.engine.transactions.transaction import Transaction
from relive.log import log
from relive.log.writer import LogWriter
from relive.protocol.client_session import ClientSession, MutationDone
from relive.protocol.results import MutationSuccess
from relive.simulations.plan import CLOCK, CRASH, CRASH_AT_CHANGE, CUT, DISK_FULL, FAULTS, HALF_OPEN, KILL, SYNC_FAILS

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


@frozen
class Bug:
    plant: Plant
    kinds: tuple[str, ...]
    """The faults that bring it out."""


BUGS: Final[dict[str, Bug]] = {}
"""By what is wrong, in words."""


def bug(*kinds: str) -> Callable[[Plant], Plant]:
    """``kinds`` are the faults to search with; without any, all."""

    def add(plant: Plant) -> Plant:
        BUGS[plant.__name__.replace("_", " ")] = Bug(plant, kinds or FAULTS)
        return plant

    return add


def nothing(*args: Any, **kwargs: Any) -> None:
    pass


@bug()
def answers_do_not_wait_for_the_disk(patch: Patch) -> None:
    def hold(self: Any, lsn: Any, item: Any) -> None:
        item.release()
        item.wake()

    patch.setattr(Runtime, "hold", hold)


@bug()
def the_disk_is_never_synced(patch: Patch) -> None:
    patch.setattr(LogWriter, "_sync", nothing)


@bug(SYNC_FAILS, CRASH)
def a_failed_sync_counts_as_done(patch: Patch) -> None:
    def sync(self: Any, name: str) -> None:
        with suppress(OSError):
            self._storage.sync(name)

    patch.setattr(LogWriter, "_sync", sync)


@bug()
def names_of_new_segments_are_not_synced(patch: Patch) -> None:
    patch.setattr(LogWriter, "_sync_folder", nothing)


@bug(SYNC_FAILS, CRASH)
def pages_that_a_failed_sync_lost_are_trusted_after_a_restart(patch: Patch) -> None:
    mend = vars(log)["mend"]
    patch.setattr(log, "mend", lambda storage, recovered: mend(storage, evolve(recovered, unproven=recovered.size)))


@bug(CRASH, CRASH_AT_CHANGE)
def a_torn_end_stays(patch: Patch) -> None:
    mend = vars(log)["mend"]
    patch.setattr(log, "mend", lambda storage, recovered: mend(storage, evolve(recovered, torn=None)))


@bug(DISK_FULL)
def what_a_full_disk_refused_stays_queued(patch: Patch) -> None:
    patch.setattr(LogWriter, "withdraw", nothing)


@bug()
def requests_are_not_remembered(patch: Patch) -> None:
    patch.setattr(Requests, "find", nothing)


@bug()
def requests_are_not_recovered(patch: Patch) -> None:
    patch.setattr(Recovery, "apply", lambda self, entry: self.newest.apply(entry))


@bug(DISK_FULL, CUT)
def a_request_that_was_taken_back_counts_as_committed(patch: Patch) -> None:
    patch.setattr(Requests, "undo", nothing)


@bug(DISK_FULL)
def tables_keep_what_was_taken_back(patch: Patch) -> None:
    def undo(self: Any, committed: Any) -> None:
        self.position -= 1

    patch.setattr(Tables, "undo", undo)


@bug(DISK_FULL)
def queries_keep_what_was_taken_back(patch: Patch) -> None:
    patch.setattr(Syncer, "rewind", nothing)


@bug(CLOCK, KILL)
def time_goes_back_with_the_clock(patch: Patch) -> None:
    patch.setattr(committer, "max", lambda now, after: now, raising=False)
    patch.setattr(Executor, "clock", lambda self: self.env.clock_ns())


@bug()
def the_last_of_a_batch_is_not_released(patch: Patch) -> None:
    release = Gate.release
    patch.setattr(Gate, "release", lambda self, durable: release(self, max(durable - 1, self.durable)))


@bug()
def answers_overtake_each_other(patch: Patch) -> None:
    def hold(self: Any, lsn: Any, item: Any) -> bool:
        if lsn > self.durable:
            self.held.appendleft((lsn, item))
        return bool(lsn <= self.durable)

    patch.setattr(Gate, "hold", hold)


def touched(olds: bool, news: bool, counts: bool) -> Callable[..., dict[Any, None]]:
    """As the product's, with parts left out."""

    def touched(self: Any, changes: Any) -> dict[Any, None]:
        hit: dict[Any, None] = {}
        for change in changes:
            for name, old, new in change.keys:
                intervals = self.intervals.get(name)
                if intervals is not None and old is not None and olds:
                    hit.update(intervals.stab(old))
                if intervals is not None and new is not None and news:
                    hit.update(intervals.stab(new))
                if old != new and name in self.counted and counts:
                    hit.update(self.counted[name].crossed(old, new))
        return hit

    return touched


@bug()
def who_gets_a_document_is_not_told(patch: Patch) -> None:
    patch.setattr(Subscriptions, "touched", touched(olds=True, news=False, counts=True))


@bug()
def who_loses_a_document_is_not_told(patch: Patch) -> None:
    patch.setattr(Subscriptions, "touched", touched(olds=False, news=True, counts=True))


@bug()
def who_counts_is_not_told(patch: Patch) -> None:
    patch.setattr(Subscriptions, "touched", touched(olds=True, news=True, counts=False))


@bug()
def the_last_range_read_is_forgotten(patch: Patch) -> None:
    reads = Transaction.reads
    patch.setattr(Transaction, "reads", lambda self: reads(self)[:-1])


@bug()
def kept_results_do_not_become_stale(patch: Patch) -> None:
    invalidate = Subscriptions.invalidate

    def watched(self: Any, queries: Any) -> Any:
        seen = [each for each in queries if not all(isinstance(watcher, Kept) for watcher in each.watchers)]
        return invalidate(self, seen)

    patch.setattr(Subscriptions, "invalidate", watched)


@bug()
def only_one_query_of_a_transition_is_evaluated(patch: Patch) -> None:
    move = Connection.move_to_head

    def move_to_head(self: Any) -> None:
        for query in list(self.stale)[1:]:
            if self.session.queries[query].digest is not None:
                del self.stale[query]
        move(self)

    patch.setattr(Connection, "move_to_head", move_to_head)


@bug()
def a_client_that_was_slow_is_forgotten(patch: Patch) -> None:
    def written(self: Any, transitions: int) -> None:
        self.transitions_queued -= transitions

    patch.setattr(Connection, "written", written)


@bug()
def a_resent_request_is_answered_with_the_time_of_now(patch: Patch) -> None:
    recorded = Executor.recorded

    def late(self: Any, *args: Any) -> Any:
        done = recorded(self, *args)
        return evolve(done, outcome=evolve(done.outcome, ts=self.runtime.tail.head_ts))

    patch.setattr(Executor, "recorded", late)


@bug()
def ranges_do_not_see_what_the_transaction_wrote(patch: Patch) -> None:
    patch.setattr(Overlay, "ordered", nothing)


@bug()
def a_client_does_not_wait_to_see_what_it_wrote(patch: Patch) -> None:
    respond = ClientSession._mutation_response

    def at_once(self: Any, message: Any) -> Any:
        facts = respond(self, message)
        if isinstance(message.outcome, MutationSuccess) and message.request_id in self.unresolved:
            del self.unresolved[message.request_id]
            return (MutationDone(message.request_id, message.outcome),)
        return facts

    patch.setattr(ClientSession, "_mutation_response", at_once)


@bug(DISK_FULL)
def what_was_taken_back_is_answered_after_all(patch: Patch) -> None:
    patch.setattr(Gate, "drop", lambda self: ())


@bug(CUT, HALF_OPEN)
def sessions_are_forgotten_too_soon(patch: Patch) -> None:
    patch.setattr(requests, "SESSION_AGE_NS_MAX", 0)


@bug(CUT, HALF_OPEN)
def only_the_newest_request_of_a_session_is_remembered(patch: Patch) -> None:
    patch.setattr(requests, "REQUESTS_PER_SESSION_MAX", 1)


@bug()
def who_watches_is_not_scheduled(patch: Patch) -> None:
    def mark_stale(self: Any, watcher: Any) -> None:
        connection, query = watcher
        connection.stale[query] = None

    patch.setattr(Syncer, "mark_stale", mark_stale)


@bug()
def a_result_is_not_sent_if_the_one_before_was_not_read(patch: Patch) -> None:
    move = Connection.move_to_head

    def move_to_head(self: Any) -> None:
        if self.transitions_queued:
            self.stale.clear()
        move(self)

    patch.setattr(Connection, "move_to_head", move_to_head)
