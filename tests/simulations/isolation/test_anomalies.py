"""The checker of isolation: silent on what is serial, and each planted anomaly gets its name."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.simulations.isolation.transactions import APPEND, FAILED, OK, READ, UNKNOWN, WRITE, Step, Transaction, Value
from relive.simulations.isolation.verdict import anomalies

from .stores import COMMITTED, LOST, SERIAL, SNAPSHOT, STALE, history

Steps = tuple[Step, ...]


def append(key: str, value: int) -> Step:
    return Step(APPEND, key, value)


def write(key: str, value: int) -> Step:
    return Step(WRITE, key, value)


def read(key: str, value: Value) -> Step:
    return Step(READ, key, value)


def at_once(*all_steps: Steps, statuses: tuple[str, ...] = ()) -> list[Transaction]:
    """All begin before any ends."""
    return [
        Transaction(number, f"T{number}", number, 100 + number if status == OK else None, status, steps)
        for number, steps in enumerate(all_steps)
        for status in [statuses[number] if statuses else OK]
    ]


def in_turn(*all_steps: Steps) -> list[Transaction]:
    """Each ends before the next begins."""
    return [Transaction(n, f"T{n}", 2 * n + 1, 2 * n + 2, OK, steps) for n, steps in enumerate(all_steps)]


def kinds(transactions: list[Transaction]) -> set[str]:
    return {anomaly.kind for anomaly in anomalies(transactions)}


PLANTED: dict[str, list[Transaction]] = {
    "G0": at_once(
        (append("x", 1), append("y", 1)),
        (append("x", 2), append("y", 2)),
        (read("x", (1, 2)), read("y", (2, 1))),
    ),
    "G1a": at_once((append("x", 1),), (read("x", (1,)),), statuses=(FAILED, OK)),
    "G1b": at_once((append("x", 1), append("x", 2)), (read("x", (1,)),), (read("x", (1, 2)),)),
    "G1c": at_once((append("x", 1), read("y", (1,))), (append("y", 1), read("x", (1,)))),
    "G-single": at_once((append("x", 1), append("y", 1)), (read("x", (1,)), read("y", ()))),
    "G2-item": at_once((read("x", ()), append("y", 1)), (read("y", ()), append("x", 1))),
    "G-single-realtime": in_turn((append("x", 1),), (read("x", ()),)),
    "internal": at_once((append("x", 1), read("x", ()))),
    "duplicate": at_once((append("x", 1),), (read("x", (1, 1)),)),
    "phantom": at_once((read("x", (7,)),)),
    "incompatible order": at_once((append("x", 1),), (append("x", 2),), (read("x", (1, 2)),), (read("x", (2,)),)),
}
REGISTERS: dict[str, list[Transaction]] = {
    "G0": at_once(
        (read("x", None), write("x", 1), read("y", 2), write("y", 1)),
        (read("x", 1), write("x", 2), read("y", None), write("y", 2)),
    ),
    "G1a": at_once((write("x", 1),), (read("x", 1),), statuses=(FAILED, OK)),
    "G1b": at_once((write("x", 1), write("x", 2)), (read("x", 1),)),
    "G1c": at_once((write("x", 1), read("y", 1)), (write("y", 1), read("x", 1))),
    "G-single": at_once((write("x", 1), write("y", 1)), (read("x", 1), read("y", None))),
    "G2-item": at_once((read("x", None), write("y", 1)), (read("y", None), write("x", 1))),
    "G-single-realtime": in_turn((write("x", 1),), (read("x", None),)),
    "internal": at_once((write("x", 1), read("x", None))),
    "phantom": at_once((read("x", 7),)),
    "cyclic versions": at_once((read("x", 2), write("x", 1)), (read("x", 1), write("x", 2))),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_an_anomaly_of_lists_gets_its_name(kind: str) -> None:
    assert kind in kinds(PLANTED[kind])


@pytest.mark.parametrize("kind", REGISTERS)
def test_an_anomaly_of_registers_gets_its_name(kind: str) -> None:
    assert kind in kinds(REGISTERS[kind])


def test_a_cycle_is_told_in_words_with_a_reason_for_each_step() -> None:
    (found,) = anomalies(PLANTED["G-single"])

    assert found.words == (
        "T1 is T1 (reads x: [1], reads y: []); T2 is T0 (appends 1 to x, appends 1 to y); "
        "T1 < T2 because it appended 1 to y, which that did not find there; "
        "T2 < T1 because it finds 1 in x, which that appended"
    )


def test_what_needs_the_clock_says_so() -> None:
    (found,) = anomalies(PLANTED["G-single-realtime"])

    assert "because that had ended before it began" in found.words


def test_what_nobody_heard_of_may_have_happened_or_not() -> None:
    happened = at_once((append("x", 1),), (read("x", (1,)),), statuses=(UNKNOWN, OK))
    not_happened = in_turn((append("x", 2),), (read("x", (2,)),), (read("x", (2,)),))
    late = [*not_happened[:1], Transaction(1, "T1", 3, None, UNKNOWN, (append("x", 3),)), not_happened[2]]

    assert kinds(happened) == kinds(late) == set()


def test_reads_and_writes_of_one_transaction_may_be_of_lists_and_registers() -> None:
    skew = at_once((read("list x", ()), write("y", 1)), (read("y", None), append("list x", 1)))

    assert kinds(skew) == {"G2-item"}


seeds = st.integers(0, 2**32)


@settings(max_examples=150, deadline=None)
@given(seeds, st.booleans())
def test_a_store_that_validates_has_no_anomalies(seed: int, lists: bool) -> None:
    assert kinds(history(SERIAL, seed, lists=lists)) == set()


one_step = st.tuples(st.sampled_from([READ, APPEND, WRITE]), st.sampled_from(["x", "y"]))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(one_step, min_size=1, max_size=4), max_size=12))
def test_one_transaction_after_another_has_no_anomalies(wanted: list[list[tuple[str, str]]]) -> None:
    lists: dict[str, tuple[int, ...]] = {}
    registers: dict[str, int] = {}
    done: list[Steps] = []
    value = 0
    for transaction in wanted:
        steps: list[Step] = []
        for kind, key in transaction:
            value += 1
            if kind == APPEND:
                lists[f"list {key}"] = (*lists.get(f"list {key}", ()), value)
                steps.append(append(f"list {key}", value))
            elif kind == WRITE:
                registers[key] = value
                steps.append(write(key, value))
            elif value % 2:
                steps.append(read(f"list {key}", lists.get(f"list {key}", ())))
            else:
                steps.append(read(key, registers.get(key)))
        done.append(tuple(steps))

    assert kinds(in_turn(*done)) == set()


def found_in(mode: str, *, lists: bool) -> set[str]:
    return {kind for seed in range(60) for kind in kinds(history(mode, seed, lists=lists))}


@pytest.mark.parametrize("lists", [True, False])
def test_snapshots_without_validation_of_reads_show_write_skew_and_nothing_worse(lists: bool) -> None:
    assert {"G2-item"} <= found_in(SNAPSHOT, lists=lists) <= {"G2-item", "G2-item-realtime"}


@pytest.mark.parametrize("lists", [True, False])
def test_readers_of_the_past_are_found_by_the_clock(lists: bool) -> None:
    found = found_in(STALE, lists=lists)

    assert "G-single-realtime" in found
    assert not found & {"G0", "G1a", "G1b", "G1c"}


def test_appends_that_are_lost_are_found() -> None:
    assert found_in(LOST, lists=True) >= {"G-single", "incompatible order"}


def test_two_who_write_over_the_same_value_are_found() -> None:
    assert "G2-item" in found_in(LOST, lists=False)


@pytest.mark.parametrize("lists", [True, False])
def test_reading_whatever_is_newest_is_found(lists: bool) -> None:
    assert "G-single" in found_in(COMMITTED, lists=lists)


def test_a_long_cycle_does_not_need_recursion() -> None:
    count = 3_000
    skewed = [(read(f"k{number}", ()), append(f"k{(number + 1) % count}", number)) for number in range(count)]

    assert kinds(at_once(*skewed)) == {"G2-item"}
