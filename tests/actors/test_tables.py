"""Tables and indexes against a dictionary: applying, undoing, replaying."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.definition import BY_ID
from relive.actors.index import Index
from relive.actors.newest import Newest
from relive.actors.tables import Tables
from relive.actors.tail import Committed
from relive.actors.version import Version
from relive.log.entry import LSN, IndexName, Write

from .samples import Ranks, body_of, body_of_version, changes_of, definition, entry_of, key_of, ranks_in, refuse

ids = st.sampled_from("abcdef")
transactions: st.SearchStrategy[Ranks] = st.dictionaries(ids, st.one_of(st.none(), st.integers(0, 5)), max_size=4)


def committed_of(tables: Tables, wanted: Ranks) -> Committed:
    changes = changes_of(tables, wanted)
    writes = tuple(
        Write(change.table, change.id, change.old.lsn if change.old else LSN(0), body_of_version(change.new))
        for change in changes
    )
    return Committed(entry_of(tables.position + 1, writes=writes), changes)


def run(
    transactions: list[Ranks], ordered_from: int | None = None
) -> tuple[Tables, list[Committed], list[dict[str, int]]]:
    """Tables after the transactions, the commits, and what a dictionary held before each and at the end.

    Somebody asks for the order of the ids after so many transactions, if at all.
    """
    tables, done, model = Tables.empty(definition), [], {}
    states: list[dict[str, int]] = [{}]
    for count, wanted in enumerate(transactions):
        if count == ordered_from:
            tables.table("notes").index(BY_ID)
        committed = committed_of(tables, wanted)
        tables.apply(committed)
        tables.check()
        done.append(committed)
        model.update({id: rank for id, rank in wanted.items() if rank is not None})
        for id in [id for id, rank in wanted.items() if rank is None]:
            model.pop(id, None)
        states.append(dict(model))
    return tables, done, states


def assert_holds(tables: Tables, model: dict[str, int]) -> None:
    table = tables.table("notes")
    tables.check()
    assert ranks_in(tables) == model
    assert list(table.index("by_rank").scan(b"", None)) == sorted(key_of(id, rank) for id, rank in model.items())
    if BY_ID in table.indexes:
        assert list(table.index(BY_ID).scan(b"", None)) == sorted(id.encode() for id in model)


@settings(max_examples=100, deadline=None)
@given(st.lists(transactions, max_size=10), st.none() | st.integers(0, 9))
def test_tables_hold_what_a_dictionary_does_and_undo_takes_each_step_back(
    transactions: list[Ranks], ordered_from: int | None
) -> None:
    tables, done, states = run(transactions, ordered_from)

    assert_holds(tables, states[-1])
    for committed, before in zip(reversed(done), reversed(states[:-1]), strict=True):
        tables.undo(committed)
        assert_holds(tables, before)
    assert tables.position == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(transactions, max_size=10), st.none() | st.integers(0, 9))
def test_the_order_of_ids_is_there_whenever_somebody_asks(transactions: list[Ranks], ordered_from: int | None) -> None:
    tables, _, states = run(transactions, ordered_from)
    index = tables.table("notes").index(BY_ID)
    tables.check()

    assert [(key, version.id) for key, version in index.entries.items()] == [
        (id.encode(), id) for id in sorted(states[-1])
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(transactions, max_size=6), st.sampled_from([BY_ID, "by_rank"]), st.data())
def test_counting_gives_as_many_as_a_scan(transactions: list[Ranks], name: str, data: st.DataObject) -> None:
    index = run(transactions)[0].table("notes").index(name)
    bounds = st.sampled_from([b"", b"b", b"\xff", *index.entries, *(key + b"\0" for key in index.entries)])
    start, stop = data.draw(bounds), data.draw(st.none() | bounds)

    in_order = stop is None or start < stop
    assert index.count(start, stop) == (len(list(index.scan(start, stop))) if in_order else 0)


def test_counting_does_not_go_through_what_it_counts() -> None:
    class Key(bytes):
        compared = 0

        def __lt__(self, other: bytes) -> bool:
            Key.compared += 1
            return bytes.__lt__(self, other)

    index = Index(IndexName("notes", "by_rank"))
    for number in range(20_000):
        index.put(Key(number.to_bytes(2, "big")), Version("a", None, 0))
    Key.compared = 0

    assert index.count(b"\x10", b"\x30") == 0x2000
    assert Key.compared < 60


def test_each_index_knows_its_name_whenever_it_is_made() -> None:
    table = Tables.empty(definition).table("notes")

    for name in table.definition.indexes:
        assert table.index(name.index).name == name


def test_an_index_that_is_not_there_is_not_made_up() -> None:
    with pytest.raises(KeyError):
        Tables.empty(definition).table("notes").index("by_nothing")


@settings(max_examples=100, deadline=None)
@given(st.lists(transactions, max_size=10))
def test_replaying_the_log_gives_the_same_tables(transactions: list[Ranks]) -> None:
    tables, done, states = run(transactions)
    replayed, newest, filled = Tables.empty(definition), Newest(), Tables.empty(definition)
    for committed in done:
        replayed.replay(committed.entry)
        newest.apply(committed.entry)
    newest.fill(filled, refuse)

    for other in (replayed, filled):
        assert other.position == tables.position
        assert_holds(other, states[-1])
        assert {v.id: v.lsn for v in other.table("notes").versions.values()} == {
            v.id: v.lsn for v in tables.table("notes").versions.values()
        }


def test_a_scan_is_a_half_open_range_in_either_order() -> None:
    tables, _, _ = run([{"a": 1, "b": 2, "c": 3, "d": 3}])
    index = tables.table("notes").index("by_rank")
    start, stop = key_of("b", 2), key_of("d", 3)

    assert list(index.scan(start, stop)) == [key_of("b", 2), key_of("c", 3)]
    assert list(index.scan(start, stop, reverse=True)) == [key_of("c", 3), key_of("b", 2)]
    assert list(index.scan(start, None))[-1] == key_of("d", 3)


def test_commits_are_applied_in_order_only() -> None:
    tables, _, _ = run([{"a": 1}])
    late = Committed(entry_of(3), ())

    with pytest.raises(AssertionError):
        tables.apply(late)


def test_a_write_that_names_another_previous_version_is_not_replayed() -> None:
    tables, _, _ = run([{"a": 1}])
    entry = entry_of(2, writes=(Write("notes", "a", LSN(0), body_of("a", 2)),))
    newest = Newest(LSN(1), {"notes": {"a": (body_of("a", 1), LSN(1))}})

    with pytest.raises(AssertionError):
        tables.replay(entry)
    with pytest.raises(AssertionError):
        newest.apply(entry)
    assert ranks_in(tables) == {"a": 1}


def test_a_document_that_does_not_fit_is_refused_and_the_others_are_filled_in() -> None:
    newest = Newest(LSN(2), {"notes": {"a": (b"unreadable", LSN(1)), "b": (body_of("b", 2), LSN(2))}})
    tables, refused = Tables.empty(definition), list[str]()
    newest.fill(tables, lambda table, id, error: refused.append(f"{table}/{id}: {type(error).__name__}"))

    assert refused == ["notes/a: ValueError"]
    assert (ranks_in(tables), tables.position) == ({"b": 2}, 2)
