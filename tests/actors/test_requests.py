"""Requests that were committed, remembered so that a resend is harmless."""

from __future__ import annotations

from relive.actors.requests import REQUESTS_PER_SESSION_MAX, SESSION_AGE_NS_MAX, Requests

from .samples import NOW, entry_of

ONE, TWO = b"session-number-1", b"session-number-2"


def requests_of(*done: tuple[bytes, int]) -> Requests:
    requests = Requests()
    for lsn, request in enumerate(done, 1):
        requests.apply(entry_of(lsn, request=request))
    return requests


def test_a_request_is_found_as_the_entry_it_was_committed_as() -> None:
    requests = requests_of((ONE, 0), (TWO, 0), (ONE, 1))

    assert (requests.find(ONE, 0), requests.find(TWO, 0), requests.find(ONE, 1)) == (1, 2, 3)
    assert requests.find(TWO, 1) is None


def test_an_entry_of_nobody_changes_nothing() -> None:
    requests = requests_of((ONE, 0))
    requests.apply(entry_of(2))
    requests.undo(entry_of(2))

    assert requests.find(ONE, 0) == 1


def test_a_request_that_was_taken_back_may_come_again() -> None:
    requests = requests_of((ONE, 0), (ONE, 1))
    requests.undo(entry_of(2, request=(ONE, 1)))
    requests.apply(entry_of(2, request=(ONE, 1)))

    assert requests.find(ONE, 1) == 2


def test_a_session_remembers_its_newest_requests() -> None:
    requests = requests_of(*((ONE, number) for number in range(REQUESTS_PER_SESSION_MAX + 2)))

    assert requests.find(ONE, 1) is None
    assert requests.find(ONE, 2) == 3
    assert len(requests.sessions[ONE].committed) == REQUESTS_PER_SESSION_MAX


def test_a_request_forgotten_already_can_be_taken_back() -> None:
    count = REQUESTS_PER_SESSION_MAX + 2
    requests = requests_of(*((ONE, number) for number in range(count)))
    for number in reversed(range(count)):
        requests.undo(entry_of(number + 1, request=(ONE, number)))

    assert requests.sessions[ONE].committed == {}


def test_a_session_forgotten_already_can_be_taken_back() -> None:
    requests = requests_of((ONE, 0))
    late = entry_of(2, ts=NOW + 2 * SESSION_AGE_NS_MAX, request=(TWO, 0))
    requests.apply(late)
    requests.undo(late)
    requests.undo(entry_of(1, request=(ONE, 0)))

    assert requests.find(TWO, 0) is None


def test_a_session_that_goes_on_is_not_forgotten() -> None:
    requests = requests_of((ONE, 0), (TWO, 0))
    requests.apply(entry_of(3, ts=NOW + SESSION_AGE_NS_MAX, request=(ONE, 1)))
    requests.apply(entry_of(4, ts=NOW + 2 * SESSION_AGE_NS_MAX, request=(b"session-number-3", 0)))

    assert requests.find(ONE, 0) == 1
    assert requests.find(TWO, 0) is None


def test_a_session_silent_for_two_weeks_is_forgotten() -> None:
    requests = requests_of((ONE, 0), (TWO, 0))
    requests.apply(entry_of(3, ts=NOW + 2 + SESSION_AGE_NS_MAX, request=(b"session-number-3", 0)))

    assert list(requests.sessions) == [TWO, b"session-number-3"]
