"""Requests that were committed, remembered so that a resend is harmless."""

from __future__ import annotations

from relive.actors.requests import (
    ANSWERS_BYTES_MAX,
    ANSWERS_MAX,
    REQUESTS_PER_SESSION_MAX,
    SESSION_AGE_NS_MAX,
    Requests,
)

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


def test_answers_of_what_wrote_nothing_are_kept_and_the_oldest_go_when_there_are_too_many() -> None:
    requests = Requests()
    for request in range(ANSWERS_MAX + 3):
        requests.keep_answer(ONE, request, f"answer {request}", 10)
        if request % 1_000 == 0:
            requests.check()
    requests.check()

    assert len(requests.answers) == ANSWERS_MAX
    assert [requests.answer(ONE, request) for request in (0, 2, 3)] == [None, None, "answer 3"]
    assert requests.answer(ONE, ANSWERS_MAX + 2) == f"answer {ANSWERS_MAX + 2}"


def test_answers_that_are_too_long_together_make_the_oldest_go_and_no_more_than_needed() -> None:
    requests, quarter = Requests(), ANSWERS_BYTES_MAX // 4
    for request in range(4):
        requests.keep_answer(ONE, request, request, quarter)
        requests.check()
    assert [requests.answer(ONE, request) for request in range(4)] == [0, 1, 2, 3]

    requests.keep_answer(TWO, 0, "one more", 1)
    requests.check()
    assert [requests.answer(ONE, request) for request in range(4)] == [None, 1, 2, 3]
    requests.keep_answer(TWO, 1, "larger than all", ANSWERS_BYTES_MAX + 1)
    requests.check()
    assert len(requests.answers) == 0


def test_answers_are_forgotten_when_an_entry_is_taken_back_that_they_may_be_of() -> None:
    requests = requests_of((ONE, 0))
    requests.keep_answer(ONE, 1, "as of entry 1", 13)
    requests.undo(entry_of(1, request=(ONE, 0)))
    requests.check()

    assert requests.answer(ONE, 1) is None
    requests.keep_answer(ONE, 1, "anew", 4)
    requests.check()
