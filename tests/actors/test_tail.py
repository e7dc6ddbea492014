"""The newest commits, held for whoever follows by cursor."""

from __future__ import annotations

import pytest
from relive.actors import tail as tail_module
from relive.actors.tail import Tail
from relive.log.entry import LSN, Timestamp

from .samples import NOW, committed


def tail_of(first: int, last: int) -> Tail:
    """Holds commits ``first`` to ``last``; commit n is of n nanoseconds after NOW."""
    tail = Tail(LSN(first - 1), Timestamp(NOW + first - 1))
    for lsn in range(first, last + 1):
        tail.push(committed(lsn))
    return tail


def lsns_after(tail: Tail, lsn: int) -> list[int]:
    return [commit.entry.lsn for commit in tail.after(LSN(lsn))]


def test_it_gives_what_follows_a_position() -> None:
    tail = tail_of(4, 7)

    assert (tail.oldest, tail.head) == (4, 7)
    assert [lsns_after(tail, lsn) for lsn in (3, 5, 7, 9)] == [[4, 5, 6, 7], [6, 7], [], []]
    assert [tail.holds_after(LSN(lsn)) for lsn in (2, 3)] == [False, True]
    assert [commit.entry.lsn for commit in tail.newest_first()] == [7, 6, 5, 4]


def test_an_empty_tail_holds_what_follows_its_head() -> None:
    tail = tail_of(4, 3)

    assert (tail.oldest, tail.head) == (4, 3)
    assert [tail.holds_after(LSN(lsn)) for lsn in (2, 3)] == [False, True]
    assert lsns_after(tail, 3) == []


def test_lsns_are_dense_and_times_increase() -> None:
    tail = tail_of(1, 2)

    with pytest.raises(AssertionError):
        tail.push(committed(4))
    with pytest.raises(AssertionError):
        tail.push(committed(3, ts=NOW + 2))


def test_the_newest_commit_is_taken_back_and_its_time_stays_used_up() -> None:
    tail = tail_of(1, 3)

    assert tail.pop().entry.lsn == 3
    assert (tail.head, tail.head_ts) == (2, NOW + 3)


def test_old_commits_are_dropped_once_durable() -> None:
    tail = tail_of(1, 9)
    tail.trim(durable=LSN(4), keep_from=Timestamp(NOW + 7))
    assert tail.oldest == 5

    tail.trim(durable=LSN(9), keep_from=Timestamp(NOW + 7))
    assert tail.oldest == 7


def test_it_holds_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "TAIL_COMMITS_MAX", 3)
    tail = tail_of(1, 9)
    tail.trim(durable=LSN(9), keep_from=Timestamp(0))

    assert (tail.oldest, len(tail.commits)) == (7, 3)


def test_what_changed_is_known_from_the_last_commit_that_was_dropped() -> None:
    tail = tail_of(1, 9)
    assert tail.known_from == NOW

    tail.trim(durable=LSN(9), keep_from=Timestamp(NOW + 7))
    assert tail.known_from == NOW + 6

    tail.replace(list(tail.after(LSN(8))))
    assert tail.known_from == NOW + 8


def test_a_time_that_somebody_has_seen_already_is_not_given_out() -> None:
    tail = tail_of(1, 2)
    tail.skip_to(Timestamp(NOW + 9))
    assert (tail.head, tail.head_ts) == (2, NOW + 9)
    tail.skip_to(Timestamp(NOW + 1))
    assert tail.head_ts == NOW + 9
    with pytest.raises(AssertionError):
        tail.push(committed(3, ts=NOW + 9))
