"""What a later commit does to an earlier snapshot: compared with the definition, and case by case."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.committer import TAIL_NS
from relive.actors.errors import Conflict
from relive.actors.messages import NotWritten, Undo
from relive.actors.validation import overlap
from relive.actors.version import Change, KeyChange
from relive.log.entry import BEFORE_FIRST, LSN, IndexName, KeyRange

from .samples import (
    BY_ID_NAME,
    BY_RANK,
    RANK_MAX,
    TABLE,
    Machine,
    by_id,
    commit_of,
    committed,
    decode,
    key_of,
    ranks,
)

keys = st.binary(max_size=2)
names = st.sampled_from([BY_RANK, BY_ID_NAME, IndexName("others", "by_rank")])


@st.composite
def key_ranges(draw: st.DrawFn) -> KeyRange:
    start, *above = sorted(draw(st.sets(keys, min_size=1, max_size=2)))
    stop = draw(st.sampled_from([None, start + b"\0", *above]))
    return KeyRange(draw(names), start, stop, draw(st.booleans()))


@st.composite
def some_changes(draw: st.DrawFn) -> Change:
    old, new = draw(st.sampled_from([(True, True), (True, False), (False, True)]))
    moved = tuple(
        KeyChange(name, draw(keys) if old else None, draw(keys) if new else None)
        for name in draw(st.lists(names, unique=True))
    )
    version = decode(b"a 1")
    return Change(TABLE, draw(st.sampled_from("ab")), version if old else None, version if new else None, moved)


@settings(max_examples=300, deadline=None)
@given(st.lists(key_ranges(), max_size=5), st.lists(some_changes(), max_size=4))
def test_a_commit_touches_what_was_read_by_the_definition(reads: list[KeyRange], changes: list[Change]) -> None:
    touched = set()
    for change in changes:
        for name, old, new in change.keys:
            for read in reads:
                inside = [key for key in (old, new) if key is not None and key in read]
                if name == read.index and (len(inside) == 1 if read.keys_only else inside):
                    touched |= {(name, key, change.id) for key in inside}
    hit = overlap(tuple(reads), committed(1, tuple(changes)))

    assert (hit is None) == (not touched)
    assert hit is None or tuple(hit) in touched


def stale(machine: Machine, **options: object) -> Conflict:
    """A transaction as of entry 1 that must not be committed."""
    head = machine.runtime.tail.head
    with pytest.raises(Conflict) as refused:
        machine.transact({"z": 1}, snapshot=1, **options)  # type: ignore[arg-type]
    machine.check()
    assert machine.runtime.tail.head == head
    return refused.value


@pytest.mark.parametrize(
    ("wanted", "conflicts"),
    [({"a": 2}, False), ({"b": 8}, False), ({"a": None}, True), ({"a": 7}, True), ({"b": 1}, True), ({"c": 2}, True)],
    ids=["moves inside", "moves outside", "deleted", "leaves", "enters", "created"],
)
def test_who_looked_only_at_the_keys_conflicts_when_one_comes_or_goes(
    wanted: dict[str, int | None], conflicts: bool
) -> None:
    machine = Machine.start()
    machine.commit(a=1, b=5)
    machine.commit(**wanted)

    if conflicts:
        assert stale(machine, reads=(ranks(1, 3, keys_only=True),)).index == BY_RANK
    else:
        assert machine.transact({"z": 1}, snapshot=1, reads=(ranks(1, 3, keys_only=True),)).lsn == 3


def test_a_conflict_names_both_functions_the_index_the_key_and_the_document() -> None:
    machine = Machine.start()
    machine.commit(a=1)
    machine.transact({"b": 2}, function="notes:add")
    error = stale(machine, reads=(by_id("other"), ranks(1, 3)), function="notes:count")

    assert (error.function, error.other, error.snapshot, error.lsn) == ("notes:count", "notes:add", 1, 2)
    assert (error.index, error.key, error.id) == (BY_RANK, key_of("b", 2), "b")
    assert str(error) == (
        "notes:count read notes.by_rank [2, ...] as of entry 1, which entry 2 (notes:add) has changed since"
    )


def test_a_conflict_with_the_system_says_so() -> None:
    error = Conflict("", "", LSN(1), LSN(2), BY_ID_NAME, b"a", "a")

    assert str(error) == (
        'the system read notes.by_id ["a"] as of entry 1, which entry 2 (the system) has changed since'
    )


@pytest.mark.parametrize("lsn", [BEFORE_FIRST, LSN(10**15)])
def test_the_text_of_a_conflict_is_short_whatever_was_read(lsn: LSN) -> None:
    usual = Conflict("a" * 24, "b" * 24, LSN(10**9), lsn, BY_RANK, key_of("a", 1)[:-1] + b"x" * 999 + b"\0", "a")
    extreme = evolve(usual, function="a" * 999, other="b" * 999, index=IndexName("t" * 64, "i" * 64))

    assert len(str(usual)) <= 200
    assert len(str(extreme)) <= 300


def test_a_snapshot_that_is_too_old_names_the_first_range_read() -> None:
    machine = Machine.start()
    machine.commit(a=1)
    machine.commit(a=2)
    machine.flush()
    machine.now += TAIL_NS * 2
    machine.commit(b=1)
    error = stale(machine, reads=(ranks(4, 7), by_id("b")))

    assert (error.lsn, error.other, error.index, error.id) == (0, "", BY_RANK, "")
    assert str(error) == ("notes:write read notes.by_rank [4], too long ago to tell whether that is still so: entry 1")


def test_what_is_written_over_must_be_known_to_be_the_newest() -> None:
    machine = Machine.start()
    machine.commit(a=1)
    old = machine.runtime.tables.table(TABLE).change("a", decode(b"a 7"))
    machine.commit(a=2)
    error = refused(machine, old)
    assert (error.lsn, error.index, error.key, error.id) == (2, BY_ID_NAME, b"a", "a")

    machine.flush()
    machine.now += TAIL_NS * 2
    machine.commit(b=1)
    assert machine.runtime.tail.oldest == 3
    assert (refused(machine, old).lsn, refused(machine, old).id) == (0, "a")


def refused(machine: Machine, change: Change) -> Conflict:
    """A transaction as of entry 1 that writes without having read."""
    commit = evolve(commit_of(machine.runtime.tables, {}, snapshot=1), changes=(change,), documents=(b"a 7",))
    with pytest.raises(Conflict) as error:
        machine.runtime.commit(commit)
    machine.check()
    return error.value


def merging(machine: Machine, add: Mapping[str, int], **between: int | None) -> Machine:
    """A transaction that adds without having looked, while another one writes."""
    commit = commit_of(machine.runtime.tables, {}, add=add)
    machine.commit(**between)
    machine.runtime.commit(commit)
    machine.check()
    return machine


def test_what_is_merged_follows_the_newest_version_durable_or_not() -> None:
    for flushed in (False, True):
        machine = Machine.start()
        machine.commit(a=1, b=1)
        merging(machine, {"a": 10, "b": 10}, a=5)
        entry = machine.runtime.tail.commits[-1].entry
        if flushed:
            machine.flush()

        assert machine.ranks() == {"a": 15, "b": 11}
        assert (entry.lsn, entry.snapshot) == (3, 1)
        assert [(write.id, write.previous, write.document) for write in entry.writes] == [
            ("a", 2, b"a 15"),
            ("b", 1, b"b 11"),
        ]


def test_what_was_merged_is_in_the_log() -> None:
    machine = Machine.start()
    machine.commit(a=1)
    merging(machine, {"a": 10}, a=5)
    machine.flush()
    machine.runtime.log.close()

    assert Machine.start(machine.storage).ranks() == {"a": 15}


def test_what_was_merged_can_be_taken_back() -> None:
    machine = Machine.start()
    machine.commit(a=1)
    machine.flush()
    merging(machine, {"a": 10}, a=5)
    merging(machine, {"a": 100}, b=1)
    runtime = machine.runtime
    seen = []
    for effect in runtime.committer.receive(NotWritten(LSN(1), "disk full")):
        assert isinstance(effect, Undo)
        runtime.tables.undo(effect.committed)
        seen.append(machine.ranks())

    assert seen == [{"a": 15, "b": 1}, {"a": 15}, {"a": 5}, {"a": 1}]
    machine.check()


def test_a_document_that_is_gone_cannot_be_merged_into() -> None:
    machine = Machine.start()
    machine.commit(a=1)
    commit = commit_of(machine.runtime.tables, {}, add={"a": 10})
    machine.commit(a=None)

    with pytest.raises(Conflict) as error:
        machine.runtime.commit(commit)
    assert (error.value.lsn, error.value.index, error.value.id) == (2, BY_ID_NAME, "a")
    machine.check()


def test_what_the_newest_version_does_not_allow_is_a_conflict_and_nothing_is_changed() -> None:
    machine = Machine.start()
    machine.commit(a=1, b=1)
    commit = commit_of(machine.runtime.tables, {}, add={"b": 1, "a": 10})
    machine.commit(a=RANK_MAX - 9, b=2)

    with pytest.raises(Conflict) as error:
        machine.runtime.commit(commit)
    assert (error.value.lsn, error.value.id, machine.ranks()) == (2, "a", {"a": RANK_MAX - 9, "b": 2})
    assert "is more than" in str(error.value.__cause__)
    machine.check()


def test_who_read_what_another_changed_conflicts_though_his_write_could_be_merged() -> None:
    machine = Machine.start()
    machine.commit(a=1)
    commit = commit_of(machine.runtime.tables, {}, add={"a": 10}, reads=(ranks(4, 6),))
    machine.commit(a=5)

    with pytest.raises(Conflict) as error:
        machine.runtime.commit(commit)
    assert (error.value.index, error.value.key) == (BY_RANK, key_of("a", 5))


@pytest.mark.parametrize(
    ("read", "conflicts"),
    [
        *[(ranks(11, 12), True), (ranks(15, 16), True), (ranks(12, 15), False), (ranks(10, 20), True)],
        *[(ranks(11, 12, keys_only=True), True), (ranks(10, 20, keys_only=True), False)],
    ],
    ids=["seen", "not seen", "beside", "seen as another", "counted", "counted either way"],
)
def test_what_was_read_after_a_merge_must_be_what_is_merged_in_the_end(read: KeyRange, conflicts: bool) -> None:
    """It made 1 to 11, and then read; another made 1 to 5, so that it becomes 15."""
    machine = Machine.start()
    machine.commit(a=1)
    commit = commit_of(machine.runtime.tables, {}, add={"a": 10}, reads=(read,))
    machine.commit(a=5)

    if conflicts:
        with pytest.raises(Conflict) as error:
            machine.runtime.commit(commit)
        assert (error.value.lsn, error.value.index, error.value.key in read) == (2, BY_RANK, True)
    else:
        assert machine.runtime.commit(commit).lsn == 3
    machine.check()


def test_who_read_what_is_merged_now_conflicts() -> None:
    machine = Machine.start()
    machine.commit(a=1)
    merging(machine, {"a": 10}, a=5)

    for read in (ranks(5, 6), ranks(15, 16), by_id("a")):
        with pytest.raises(Conflict) as error:
            machine.transact({"b": 1}, reads=(read,), snapshot=2)
        assert error.value.lsn == 3
    # What the transaction itself would have made of the document was never there.
    assert machine.transact({"b": 1}, reads=(ranks(11, 12),), snapshot=2).lsn == 4


def test_what_nobody_changed_since_is_committed_as_it_came() -> None:
    machine = Machine.start()
    machine.commit(a=1)
    commit = commit_of(machine.runtime.tables, {}, add={"a": 10})
    machine.commit(b=1)
    machine.runtime.commit(commit)

    assert machine.runtime.tail.commits[-1].changes is commit.changes
