"""The committer: dense LSNs, growing times, conflicts by what was read, and taking back what the disk refused."""

from __future__ import annotations

import pytest
from relive.actors.committer import REFUSE_NS, TAIL_NS, Committer
from relive.actors.errors import AlreadyCommitted, Conflict, WritesRefused
from relive.actors.messages import Answer, Append, Apply, Commit, Durable, NotWritten, Undo
from relive.actors.requests import Requests
from relive.actors.tables import Tables
from relive.actors.tail import Tail
from relive.log.encoding import decode, entry_hash
from relive.log.entry import LSN, NO_HASH, IndexName, KeyRange, Timestamp

from .samples import NOW, TABLE, Machine, by_id, commit_of, definition, ranks

SESSION = b"session-number-1"


class Bare:
    """The committer alone, with the tables that its commits are made from."""

    def __init__(self) -> None:
        self.tables = Tables.empty(definition)
        self.requests = Requests()
        self.committer = Committer(Tail(LSN(0), Timestamp(0)), self.requests, LSN(0), NO_HASH)

    def send(self, message: Commit) -> tuple[Append, Answer]:
        append, apply, answer = self.committer.receive(message)
        assert isinstance(append, Append)
        assert isinstance(apply, Apply)
        assert isinstance(answer, Answer)
        self.tables.apply(apply.committed)
        self.requests.apply(apply.committed.entry)
        self.committer.check()
        return append, answer

    def commit(self, now: int = NOW, **wanted: int | None) -> tuple[Append, Answer]:
        return self.send(commit_of(self.tables, wanted, now=now))


def test_a_commit_is_appended_applied_and_answered() -> None:
    bare = Bare()
    append, answer = bare.commit(a=1)

    assert (append.entry.lsn, answer.lsn, bare.tables.position) == (1, 1, 1)
    assert append.entry.ts == answer.ts == NOW
    assert decode(append.encoded) == append.entry


def test_lsns_are_dense_and_times_grow_even_when_the_clock_goes_back() -> None:
    bare = Bare()
    answers = [bare.commit(now=now, a=number)[1] for number, now in enumerate((NOW, NOW, NOW - 10**9, NOW + 5))]

    assert [answer.lsn for answer in answers] == [1, 2, 3, 4]
    assert [answer.ts for answer in answers] == [NOW, NOW + 1, NOW + 2, NOW + 5]


def test_each_entry_names_the_hash_of_the_one_before_and_each_write_the_version_before() -> None:
    bare = Bare()
    appends = [bare.commit(a=1, b=1)[0], bare.commit(a=2)[0], bare.commit(a=None, b=3)[0], bare.commit(a=4)[0]]

    assert [append.entry.prev for append in appends] == [NO_HASH, *(entry_hash(a.encoded) for a in appends[:-1])]
    assert [[(w.id, w.previous) for w in append.entry.writes] for append in appends] == [
        [("a", 0), ("b", 0)],
        [("a", 1)],
        [("a", 2), ("b", 1)],
        [("a", 0)],
    ]


def test_the_chain_goes_on_from_what_became_durable() -> None:
    bare = Bare()
    first = bare.commit(a=1)[0]
    bare.committer.receive(Durable(LSN(1)))
    second = bare.commit(a=2)[0]

    assert second.entry.prev == entry_hash(first.encoded)


@pytest.mark.parametrize(
    ("reads", "writes"),
    [
        (ranks(1, 3), {"a": 9}),
        (ranks(8, 10), {"a": 9}),
        (ranks(1, 3), {"a": None}),
        (ranks(5, 7), {"new": 6}),
        (ranks(5, None), {"new": 700}),
        (by_id("a"), {"a": 2}),
        (by_id("new"), {"new": 2}),
    ],
    ids=["leaves", "enters", "deleted", "phantom", "phantom at the end", "changed", "created where none was"],
)
def test_a_write_into_what_was_read_is_a_conflict(reads: KeyRange, writes: dict[str, int | None]) -> None:
    machine = Machine.start()
    machine.commit(a=2, b=4)
    machine.commit(**writes)

    with pytest.raises(Conflict) as conflict:
        machine.transact({"c": 1}, reads=(by_id("other"), reads), snapshot=1)
    error = conflict.value
    assert (error.snapshot, error.lsn, error.index, [error.id]) == (1, 2, reads.index, list(writes))
    assert (error.function, error.other, error.key in reads) == ("notes:write", "notes:write", True)
    assert machine.runtime.tail.head == 2
    machine.check()


@pytest.mark.parametrize(
    ("reads", "writes"),
    [
        (ranks(1, 3), {"b": 5}),
        (ranks(1, 3), {"new": 3}),
        (by_id("a"), {"b": None}),
        (KeyRange(IndexName("others", "by_rank"), b"", None), {"a": 3}),
        (KeyRange(IndexName(TABLE, "by_other"), b"", None), {"a": 3}),
    ],
    ids=["elsewhere", "at the open end", "another document", "another table", "another index"],
)
def test_a_write_beside_what_was_read_is_none(reads: KeyRange, writes: dict[str, int | None]) -> None:
    machine = Machine.start()
    machine.commit(a=2, b=4)
    machine.commit(**writes)

    assert machine.transact({"c": 1}, reads=(reads,), snapshot=1).lsn == 3
    machine.check()


def test_what_was_read_at_the_head_cannot_conflict() -> None:
    machine = Machine.start()
    machine.commit(a=2)

    assert machine.transact({"a": 3}, reads=(ranks(0, None),)).lsn == 2


def test_durable_entries_conflict_as_those_in_flight_do() -> None:
    machine = Machine.start()
    machine.commit(a=2)
    machine.commit(a=3)
    machine.flush()

    with pytest.raises(Conflict):
        machine.transact({"b": 1}, reads=(ranks(3, 4),), snapshot=1)


def test_a_snapshot_too_old_to_be_checked_is_a_conflict_unless_nothing_was_read() -> None:
    machine = Machine.start()
    machine.commit(a=2)
    machine.commit(a=3)
    machine.flush()
    machine.now += TAIL_NS * 2
    machine.commit(a=4)
    assert machine.runtime.tail.oldest == 3

    with pytest.raises(Conflict):
        machine.transact({"c": 1}, reads=(by_id("other"),), snapshot=1)
    assert machine.transact({"c": 1}, snapshot=1).lsn == 4


def test_a_snapshot_from_before_a_restart_is_a_conflict() -> None:
    machine = Machine.start()
    machine.commit(a=2)
    machine.commit(a=3)
    machine.flush()
    machine.runtime.log.close()
    again = Machine.start(machine.storage)

    with pytest.raises(Conflict):
        again.transact({"c": 1}, reads=(by_id("other"),), snapshot=1)


def test_a_request_is_committed_once() -> None:
    machine = Machine.start()
    machine.transact({"a": 1}, request=(SESSION, 7))

    with pytest.raises(AlreadyCommitted) as known:
        machine.transact({"a": 2}, request=(SESSION, 7))
    assert (known.value.lsn, machine.ranks()) == (1, {"a": 1})


def test_what_the_disk_refused_is_taken_back_newest_first() -> None:
    bare = Bare()
    bare.commit(a=1)
    bare.committer.receive(Durable(LSN(1)))
    second, third = bare.commit(a=2)[0], bare.commit(b=3)[0]
    undone = bare.committer.receive(NotWritten(LSN(1), "disk full"))
    bare.committer.check()

    assert [undo.committed.entry for undo in undone if isinstance(undo, Undo)] == [third.entry, second.entry]
    assert (bare.committer.tail.head, bare.committer.durable, len(bare.committer.in_flight)) == (1, 1, 0)


def refused() -> Bare:
    """One durable entry, and one that the disk did not take."""
    bare = Bare()
    bare.commit(a=1)
    bare.committer.receive(Durable(LSN(1)))
    bare.commit(a=2)
    for undo in bare.committer.receive(NotWritten(LSN(1), "disk full")):
        assert isinstance(undo, Undo)
        bare.tables.undo(undo.committed)
    return bare


def test_writes_are_refused_while_the_disk_is_full() -> None:
    bare = refused()

    for now in (NOW, NOW + REFUSE_NS - 1):
        with pytest.raises(WritesRefused, match="disk full"):
            bare.commit(now=now, a=3)
    assert bare.committer.tail.head == 1


def test_after_a_while_one_may_try_again_and_the_chain_is_whole() -> None:
    bare = refused()
    append, answer = bare.commit(now=NOW + REFUSE_NS, a=3)

    assert (answer.lsn, append.entry.prev) == (2, bare.committer.durable_hash)


def test_times_of_entries_taken_back_stay_used_up() -> None:
    bare = refused()
    _, answer = bare.commit(now=NOW - 2 * REFUSE_NS, a=3)

    assert answer.ts == NOW + 2


def test_a_clock_that_goes_back_does_not_refuse_writes_for_long() -> None:
    bare = refused()

    assert bare.commit(now=NOW - 3600 * 10**9, a=3)[1].lsn == 2


def test_once_the_disk_takes_entries_nothing_is_refused() -> None:
    bare = refused()
    bare.commit(now=NOW + REFUSE_NS, a=3)
    bare.committer.receive(Durable(LSN(2)))

    assert bare.commit(now=NOW, a=4)[1].lsn == 3
