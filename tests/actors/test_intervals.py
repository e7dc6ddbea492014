"""The interval tree of live queries, against a list of ranges."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.intervals import INFINITY, Intervals
from relive.log.entry import IndexName, KeyRange

INDEX = IndexName("notes", "by_rank")

keys = st.binary(max_size=3).filter(lambda key: key < INFINITY)


@st.composite
def key_ranges(draw: st.DrawFn) -> KeyRange:
    start = draw(keys)
    stop = draw(st.one_of(st.none(), st.just(start + b"\0"), keys.filter(lambda stop: stop > start)))
    return KeyRange(INDEX, start, stop)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(key_ranges(), st.integers(0, 3)), unique=True, max_size=40),
    st.lists(st.integers(0, 39), unique=True),
    st.lists(keys, max_size=10),
)
def test_a_stab_finds_the_owners_of_every_range_that_holds_the_key(
    held: list[tuple[KeyRange, int]], dropped: list[int], stabs: list[bytes]
) -> None:
    intervals: Intervals[int] = Intervals()
    for key_range, owner in held:
        intervals.add(key_range, owner)
        intervals.check()
    gone = [held[position] for position in dropped if position < len(held)]
    for key_range, owner in gone:
        intervals.discard(key_range, owner)
        intervals.check()
    left = [pair for pair in held if pair not in gone]

    for key in [*stabs, *(key_range.start for key_range, _ in held), *(r.stop for r, _ in held if r.stop is not None)]:
        assert set(intervals.stab(key)) == {owner for key_range, owner in left if key in key_range}
    assert sorted(intervals.ranges()) == sorted((r.start, r.stop or INFINITY, owner) for r, owner in left)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(key_ranges(), st.integers(0, 3)), max_size=20),
    st.lists(st.tuples(st.none() | keys, st.none() | keys), min_size=1, max_size=10),
)
def test_a_key_that_moves_crosses_the_ranges_that_hold_it_only_before_or_only_after(
    held: list[tuple[KeyRange, int]], moves: list[tuple[bytes | None, bytes | None]]
) -> None:
    intervals: Intervals[int] = Intervals()
    for key_range, owner in held:
        intervals.add(key_range, owner)
    starts = [key_range.start for key_range, _ in held]

    for old, new in [*moves, *zip(starts, reversed(starts), strict=True)]:
        expected = {
            owner
            for key_range, owner in held
            if (old is not None and old in key_range) != (new is not None and new in key_range)
        }
        assert set(intervals.crossed(old, new)) == expected


@pytest.mark.parametrize("seed", range(5))
def test_many_ranges_that_come_and_go_in_any_order_are_found_while_they_are_there(seed: int) -> None:
    chance = Random(seed)
    intervals: Intervals[int] = Intervals()
    held: list[tuple[KeyRange, int]] = []
    for number in range(300):
        if held and chance.random() < number / 300:
            intervals.discard(*held.pop(chance.randrange(len(held))))
        else:
            start, length = chance.randrange(200), chance.choice((1, 5, 50))
            held.append((KeyRange(INDEX, bytes([start]), bytes([min(start + length, 255)])), number))
            intervals.add(*held[-1])
        intervals.check()
        key = bytes([chance.randrange(256)])
        assert set(intervals.stab(key)) == {owner for key_range, owner in held if key in key_range}


def test_the_shape_depends_on_the_ranges_alone() -> None:
    held = [KeyRange(INDEX, bytes([start]), bytes([start + 9])) for start in range(100)]
    one, other = Intervals[int](), Intervals[int]()
    for key_range in held:
        one.add(key_range, 1)
    for key_range in reversed(held):
        other.add(key_range, 1)

    assert list(one.ranges()) == list(other.ranges())
    assert list(one.stab(b"\x32")) == list(other.stab(b"\x32"))


def test_a_range_without_owners_is_forgotten() -> None:
    intervals: Intervals[str] = Intervals()
    for key_range in (KeyRange(INDEX, b"a", b"c"), KeyRange(INDEX, b"a", b"a\0")):
        intervals.add(key_range, "one")
        intervals.add(key_range, "two")
        intervals.discard(key_range, "one")
        assert list(intervals.stab(b"a")) == ["two"]
        intervals.discard(key_range, "two")

    assert (intervals.root, intervals.points) == (None, {})
