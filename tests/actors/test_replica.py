"""Transactions that ran on tables which lag behind: committed as if one after another, or refused.

The property is serializability itself: what was committed, run again at its place in the log on a
dictionary, must see what it saw and leave what it left.
"""

from __future__ import annotations

import pytest
from attrs import Factory, define
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from relive.actors.committer import TAIL_NS
from relive.actors.errors import AlreadyCommitted, Conflict
from relive.log.entry import LSN, KeyRange
from relive.log.errors import DiskFull

from .replica import Replica
from .samples import BY_RANK, TABLE, Machine, by_id, key_of, ranks, ranks_in

IDS = "abcd"

Step = tuple[str, str, int, int]
"""What is done, to which document, and two numbers: a range, a rank, or what is added."""
Seen = list[object]


def two_nodes(**held: int | None) -> tuple[Machine, Replica]:
    """A machine that holds so much, and a replica that has seen it."""
    machine = Machine.start()
    machine.commit(**held)
    return machine, Replica.of(machine.runtime)


def test_a_stale_read_is_a_conflict_that_says_what_came_between() -> None:
    machine, replica = two_nodes(a=1)
    machine.transact({"a": 2}, function="notes:other")

    with pytest.raises(Conflict) as error:
        machine.transact({"b": 1}, reads=(by_id("a"),), replica=replica, function="notes:mine")
    assert str(error.value) == (
        'notes:mine read notes.by_id ["a"] as of entry 1, which entry 2 (notes:other) has changed since'
    )
    replica.catch_up()
    assert machine.transact({"b": 1}, reads=(by_id("a"),), replica=replica).lsn == 3


def test_a_new_document_in_a_range_read_as_empty_is_a_conflict() -> None:
    machine, replica = two_nodes(a=1)
    machine.commit(b=5)

    with pytest.raises(Conflict) as error:
        machine.transact({"c": 1}, reads=(ranks(4, 7),), replica=replica)
    assert (error.value.index, error.value.key, error.value.id) == (BY_RANK, key_of("b", 5), "b")


def test_a_document_that_leaves_a_range_is_a_conflict() -> None:
    for wanted in ({"a": 9}, {"a": None}):
        machine, replica = two_nodes(a=1)
        machine.transact(wanted)

        with pytest.raises(Conflict) as error:
            machine.transact({"c": 1}, reads=(ranks(0, 3),), replica=replica)
        assert (error.value.index, error.value.key, error.value.id) == (BY_RANK, key_of("a", 1), "a")


def test_a_write_found_through_another_index_of_the_table_is_none() -> None:
    machine, replica = two_nodes(a=1, b=5)
    machine.transact({"a": 2}, reads=(by_id("a"),))

    assert machine.transact({"b": 6}, reads=(ranks(4, 7), by_id("b")), replica=replica).lsn == 3


def test_a_request_that_another_node_committed_is_not_committed_again() -> None:
    machine, replica = two_nodes(a=1)
    machine.transact({"b": 1}, request=(b"session-number-1", 1))
    assert replica.requests.find(b"session-number-1", 1) is None

    with pytest.raises(AlreadyCommitted):
        machine.transact({"b": 2}, request=(b"session-number-1", 1), replica=replica)
    replica.catch_up()
    assert replica.requests.find(b"session-number-1", 1) == 2


def test_a_replica_that_lags_too_far_starts_over() -> None:
    machine, replica = two_nodes(a=1)
    machine.commit(a=2)
    machine.flush()
    machine.now += TAIL_NS * 2
    machine.commit(a=3)

    with pytest.raises(Conflict):
        machine.transact({"b": 1}, reads=(ranks(0, 9),), replica=replica)
    replica.catch_up()
    replica.tables.check()
    assert (ranks_in(replica.tables), replica.tables.position) == ({"a": 3}, 3)


def test_a_replica_forgets_what_was_taken_back() -> None:
    machine, replica = two_nodes(a=1)
    machine.flush()
    machine.commit(a=2, b=2)
    replica.catch_up()
    machine.storage.space = 0
    with pytest.raises(DiskFull):
        machine.flush()
    machine.storage.space = None
    machine.runtime.not_written("disk full")
    replica.tables.check()

    assert (ranks_in(replica.tables), replica.tables.position) == ({"a": 1}, 1)
    machine.now += 10**9
    assert machine.transact({"a": 5}, reads=(by_id("a"),), replica=replica).lsn == 2


moves = st.tuples(st.integers(0, 2), st.sampled_from([0, 0, 1, 2, 9]))
"""Which replica, and how many commits it follows first."""


def follow_a_little(machine: Machine, replica: Replica, commits: int) -> None:
    replica.catch_up(LSN(min(replica.tables.position + commits, machine.runtime.tail.head)))
    replica.tables.check()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(moves, st.dictionaries(st.sampled_from("ab"), st.integers(-3, 3), min_size=1), st.booleans()),
        max_size=15,
    )
)
def test_merges_from_any_snapshots_come_to_the_sum(steps: list[tuple[tuple[int, int], dict[str, int], bool]]) -> None:
    machine, first = two_nodes(a=0, b=0)
    replicas = [first, Replica.of(machine.runtime), Replica.of(machine.runtime)]
    sums = {"a": 0, "b": 0}
    for count, ((node, commits), add, is_flushed) in enumerate(steps):
        follow_a_little(machine, replicas[node], commits)
        # A new document beside it, that nobody can have read, conflicts with nobody either.
        machine.transact({f"n{count}": 1}, add=add, replica=replicas[node])
        for id, amount in add.items():
            sums[id] += amount
        if is_flushed:
            machine.flush()
        machine.check()

    assert machine.ranks() == {**sums, **{f"n{count}": 1 for count in range(len(steps))}}
    for replica in replicas:
        replica.catch_up()
        replica.tables.check()
        assert ranks_in(replica.tables) == machine.ranks()


@define(eq=False)
class Transaction:
    """One run of some steps over a dictionary: what it saw, read and wrote."""

    state: dict[str, int]
    seen: Seen = Factory(list)
    reads: dict[KeyRange, None] = Factory(dict[KeyRange, None])
    wanted: dict[str, int | None] = Factory(dict[str, int | None])
    add: dict[str, int] = Factory(dict[str, int])

    def run(self, steps: list[Step]) -> Transaction:
        for what, id, low, high in steps:
            if what == "range":
                self.reads[ranks(low, low + high + 1)] = None
                self.seen.append(sorted((r, i) for i, r in self.state.items() if low <= r <= low + high))
            elif what == "count":
                self.reads[ranks(low, low + high + 1, keys_only=True)] = None
                self.seen.append(sum(low <= rank <= low + high for rank in self.state.values()))
            elif what == "get":
                self.look_at(id)
                self.seen.append(self.state.get(id))
            elif what == "add" and id in self.state:
                self.merge(id, low)
            else:
                self.look_at(id)
                self.write(id, None if what == "delete" else low + len(self.seen))
        return self

    def look_at(self, id: str) -> None:
        self.reads[by_id(id)] = None

    def merge(self, id: str, amount: int) -> None:
        """Without having looked, if that has not happened yet."""
        self.state[id] += amount
        if id in self.add and any(key_range.index != by_id(id).index for key_range in self.reads):
            # A range may have held what an addition before made of it.
            self.look_at(id)
            del self.add[id]
        if by_id(id) in self.reads:
            self.add.pop(id, None)
            self.wanted[id] = self.state[id]
        else:
            self.add[id] = self.add.get(id, 0) + amount

    def write(self, id: str, rank: int | None) -> None:
        if id in self.add:
            del self.add[id]
        self.wanted[id] = rank
        if rank is None:
            self.state.pop(id, None)
        else:
            self.state[id] = rank


steps = st.tuples(
    st.sampled_from(["range", "count", "get", "add", "add", "set", "delete"]),
    st.sampled_from(IDS),
    st.integers(0, 4),
    st.integers(0, 1),
)
merged_then_read = st.tuples(
    st.tuples(st.just("add"), st.just("a"), st.integers(0, 2), st.just(0)),
    st.tuples(st.sampled_from(["range", "count"]), st.just(""), st.integers(1, 5), st.integers(0, 1)),
).map(list)
"""What nothing else finds: that others merge too moves a document into what was read after merging."""
transactions = st.tuples(moves, st.lists(steps, min_size=1, max_size=4) | merged_then_read)


@settings(max_examples=250, deadline=None)
@example([((0, 0), [("range", "", 1, 0)]), ((0, 0), [("add", "a", 0, 0), ("get", "a", 0, 0), ("add", "a", 1, 0)])])
@given(st.lists(transactions, min_size=2, max_size=10))
def test_what_is_committed_is_as_if_run_one_after_another(history: list[tuple[tuple[int, int], list[Step]]]) -> None:
    machine, first = two_nodes(a=1, b=2)
    replicas = [first, Replica.of(machine.runtime), Replica.of(machine.runtime)]
    for (node, commits), steps in history:
        replica = replicas[node]
        follow_a_little(machine, replica, commits)
        ran = Transaction(ranks_in(replica.tables)).run(steps)
        alone = Transaction(machine.ranks()).run(steps)
        outcome = committed(machine, replica, ran)
        event(outcome)
        assert outcome != "refused though nothing came between"
        if outcome != "refused":
            assert (ran.seen, machine.ranks()) == (alone.seen, alone.state)
        machine.check()


def committed(machine: Machine, replica: Replica, ran: Transaction) -> str:
    """What became of it."""
    is_stale = replica.tables.position < machine.runtime.tail.head
    # Without what was created and deleted again.
    wanted = {id: rank for id, rank in ran.wanted.items() if rank is not None or replica.tables.get(TABLE, id)}
    try:
        machine.transact(wanted, add=ran.add, reads=tuple(ran.reads), replica=replica)
    except Conflict:
        return "refused" if is_stale else "refused though nothing came between"
    return "merged" if is_stale and ran.add else "let through" if is_stale else "nothing came between"
