"""The release gate: nothing leaves before what it reflects is durable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relive.actors.gate import Gate
from relive.log.entry import LSN


def test_what_is_durable_leaves_at_once() -> None:
    gate: Gate[str] = Gate(LSN(3))

    assert gate.hold(LSN(3), "a")
    assert not gate.hold(LSN(4), "b")


def test_items_leave_in_order_when_their_entry_is_durable() -> None:
    gate: Gate[str] = Gate(LSN(0))
    for lsn, item in ((1, "a"), (1, "b"), (2, "c"), (4, "d")):
        gate.hold(LSN(lsn), item)

    assert gate.release(LSN(1)) == ("a", "b")
    assert gate.release(LSN(3)) == ("c",)
    assert gate.release(LSN(4)) == ("d",)


def test_what_reflects_an_older_entry_leaves_after_what_came_before_it() -> None:
    gate: Gate[str] = Gate(LSN(0))
    gate.hold(LSN(2), "newer")
    gate.hold(LSN(1), "a resent request")

    assert gate.release(LSN(1)) == ()
    assert gate.release(LSN(2)) == ("newer", "a resent request")


def test_what_was_taken_back_never_leaves() -> None:
    gate: Gate[str] = Gate(LSN(0))
    gate.hold(LSN(1), "a")
    gate.hold(LSN(2), "b")
    gate.release(LSN(1))

    assert gate.drop() == ("b",)
    assert gate.release(LSN(2)) == ()


def test_durability_never_goes_back() -> None:
    gate: Gate[str] = Gate(LSN(2))

    with pytest.raises(AssertionError):
        gate.release(LSN(1))


@given(st.lists(st.tuples(st.sampled_from(["hold", "release", "drop"]), st.integers(0, 9)), max_size=30))
def test_everything_leaves_once_in_the_order_in_which_it_came(steps: list[tuple[str, int]]) -> None:
    gate: Gate[int] = Gate(LSN(0))
    left: list[int] = []
    for number, (step, lsn) in enumerate(steps):
        if step == "hold":
            if gate.hold(LSN(lsn), number):
                assert lsn <= gate.durable
        elif step == "release":
            left += gate.release(LSN(max(lsn, gate.durable)))
        else:
            left += gate.drop()
        gate.check()
    left += gate.drop()

    assert left == sorted(set(left))
    assert {number for number, (step, _) in enumerate(steps) if step == "hold"} >= set(left)
