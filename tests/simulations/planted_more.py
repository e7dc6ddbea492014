"""More bugs to be found, for what came later: conflicts, merges, nested calls, pages, deploys, segments, resends."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from attrs import evolve
from relive.actors import committer, validation
from relive.actors.committer import Committer
from relive.actors.index import Index
from relive.actors.intervals import Intervals
from relive.actors.newest import Newest
from relive.engine.execution.executor import Executor
from relive.engine.execution.live_queries import LiveQueries
from relive.engine.execution.nested_calls import NestedCalls
from relive.engine.transactions.journal import Pages
from relive.engine.transactions.mutation_run import MutationRun
from relive.engine.transactions.overlay import Overlay
from relive.engine.transactions.pagination import Bounds
from relive.engine.transactions.transaction import Transaction
from relive.log.entry import NO_HASH, KeyRange
from relive.log.writer import LogWriter
from relive.protocol.client_session import ClientSession
from relive.protocol.messages import Mutation
from relive.protocol.server_session import ServerSession
from relive.simulations.plan import CRASH, CUT, DISK_FULL, KILL

from .planted import Patch, bug, nothing

# protocol


@bug(CUT, KILL)
def a_client_does_not_send_again_what_was_not_answered(patch: Patch) -> None:
    opened = ClientSession.opened

    def forgetful(self: Any, *args: Any, **kwargs: Any) -> None:
        opened(self, *args, **kwargs)
        if self.connection_count:
            self._outgoing[:] = [each for each in self._outgoing if not isinstance(each, Mutation)]
            self._in_flight.clear()

    patch.setattr(ClientSession, "opened", forgetful)


@bug()
def a_result_that_was_shown_before_is_not_sent_again(patch: Patch) -> None:
    transition = ServerSession.transition
    shown: set[tuple[int, int, Any]] = set()

    def remembering(self: Any, ts: int, results: Any, *args: Any, **kwargs: Any) -> Any:
        for query, result in results.items():
            if (id(self), query, result.digest) in shown and query not in self._unanswered:
                self.queries[query].digest = result.digest
            shown.add((id(self), query, result.digest))
        return transition(self, ts, results, *args, **kwargs)

    patch.setattr(ServerSession, "transition", remembering)


# log


@bug()
def a_new_segment_does_not_say_what_comes_before_it(patch: Patch) -> None:
    start = LogWriter.start_segment
    patch.setattr(LogWriter, "start_segment", lambda self, header: start(self, evolve(header, prev=NO_HASH)))


@bug()
def the_first_segment_is_synced_instead_of_the_last(patch: Patch) -> None:
    def sync(self: Any, name: str) -> None:
        self._storage.sync(self.segments[0].name if self.segments else name)

    patch.setattr(LogWriter, "_sync", sync)


@bug(DISK_FULL)
def what_a_full_disk_left_half_written_stays(patch: Patch) -> None:
    patch.setattr(LogWriter, "_take_back", nothing)


@bug(CRASH, KILL)
def recovery_brings_back_what_was_deleted(patch: Patch) -> None:
    apply = Newest.apply

    def without_tombstones(self: Any, entry: Any) -> None:
        apply(self, evolve(entry, writes=tuple(each for each in entry.writes if each.document is not None)))

    patch.setattr(Newest, "apply", without_tombstones)


# actors


@bug()
def conflicts_are_overlooked(patch: Patch) -> None:
    patch.setattr(validation, "overlap", nothing)


@bug()
def only_the_newest_entry_is_looked_at_for_conflicts(patch: Patch) -> None:
    validate = validation.validate

    def newest(request: Any, tail: Any) -> Any:
        return validate(evolve(request, snapshot=max(request.snapshot, tail.head - 1)), tail)

    patch.setattr(committer, "validate", newest)


@bug()
def what_enters_a_range_is_no_conflict(patch: Patch) -> None:
    def first_hit(reads: Any, change: Any) -> Any:
        for read in reads:
            for index, old, new in change.keys:
                if index == read.index and old is not None and read.touched(old, new):
                    return validation.Hit(index, old, change.id)
        return None

    patch.setattr(validation, "first_hit", first_hit)


@bug()
def an_index_keeps_the_old_key(patch: Patch) -> None:
    def put(self: Any, key: Any, version: Any) -> None:
        self.entries[key] = version

    def remove(self: Any, key: Any) -> None:
        if self.name.index in ("by_id", "by_creation_time"):
            del self.entries[key]

    patch.setattr(Index, "put", put)
    patch.setattr(Index, "remove", remove)


@bug()
def a_count_leaves_out_the_first(patch: Patch) -> None:
    count = Index.count
    patch.setattr(Index, "count", lambda self, start, stop: max(0, count(self, start, stop) - (start != b"")))


@bug(DISK_FULL)
def what_is_taken_back_stays_in_the_tail(patch: Patch) -> None:
    take_back = Committer.take_back

    def half(self: Any, message: Any) -> Any:
        return take_back(self, message)[:1]

    patch.setattr(Committer, "take_back", half)


@bug()
def only_one_of_those_who_read_a_range_is_told(patch: Patch) -> None:
    stab = Intervals.stab
    patch.setattr(Intervals, "stab", lambda self, key: dict(list(stab(self, key).items())[:1]))


# engine


@bug()
def a_page_begins_with_the_end_of_the_page_before(patch: Patch) -> None:
    def after(self: Any, position: bytes) -> None:
        if self.reverse:
            self.stop = position + b"\0"
        else:
            self.start = max(self.start, position)

    patch.setattr(Bounds, "after", after)


@bug()
def a_nested_mutation_that_failed_keeps_its_writes(patch: Patch) -> None:
    patch.setattr(MutationRun, "rollback", nothing)


@bug()
def counts_do_not_see_what_the_transaction_wrote(patch: Patch) -> None:
    patch.setattr(
        Overlay,
        "count",
        lambda self, index, start, stop: self.tables.table(index.table).index(index.index).count(start, stop),
    )


@bug()
def documents_read_by_their_ids_are_not_recorded(patch: Patch) -> None:
    reads = Transaction.reads
    patch.setattr(Transaction, "reads", lambda self: tuple(r for r in reads(self) if r.index.index != "by_id"))


@bug()
def counts_are_not_recorded(patch: Patch) -> None:
    reads = Transaction.reads
    patch.setattr(Transaction, "reads", lambda self: tuple(r for r in reads(self) if not r.keys_only))


@bug()
def only_the_beginning_of_a_range_is_recorded(patch: Patch) -> None:
    reads = Transaction.reads

    def narrow(read: KeyRange) -> KeyRange:
        return read if read.index.index == "by_id" else evolve(read, stop=read.start + b"\x10")

    def narrowed(self: Any) -> Any:
        found = []
        for read in reads(self):
            with suppress(AssertionError):
                found.append(narrow(read))
        return tuple(found)

    patch.setattr(Transaction, "reads", narrowed)


@bug()
def live_queries_outlive_a_deploy(patch: Patch) -> None:
    patch.setattr(LiveQueries, "restart", lambda self: ())


@bug()
def a_mutation_in_conflict_runs_again_on_the_same_snapshot(patch: Patch) -> None:
    mutate = Executor.mutate

    def giving_up(self: Any, call: Any, request: Any, *rest: Any) -> Any:
        self.leader = None
        return mutate(self, call, request, *rest)

    patch.setattr(Executor, "mutate", giving_up)


@bug()
def merges_are_not_made_anew(patch: Patch) -> None:
    patch.setattr(validation, "merged", lambda request, changed: (request.changes, request.documents))


@bug()
def pages_forget_where_they_ended(patch: Patch) -> None:
    patch.setattr(Pages, "from_journal", classmethod(lambda cls, cursors, journal: cls(cursors)))


@bug()
def a_nested_query_does_not_see_what_was_written(patch: Patch) -> None:
    call = NestedCalls.__call__

    async def stale(self: Any, caller: Any, kind: str, function: Any, args: Any, kwargs: Any, *rest: Any) -> Any:
        return await call(self, caller, kind, function, args, kwargs, None, True)

    patch.setattr(NestedCalls, "__call__", stale)
