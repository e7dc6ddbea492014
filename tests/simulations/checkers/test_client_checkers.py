"""Checkers of what clients were told: each is silent on a run as it was, and names what was planted into it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from attrs import evolve
from relive.simulations.checkers import isolation, jobs, order, pages, subscriptions
from relive.simulations.checkers.verdict import CHECKERS
from relive.simulations.excuses import may_have_run_again
from relive.simulations.history import history_of
from relive.simulations.plan import MORE, SPLIT, Operation
from relive.simulations.run import Run
from relive.simulations.trace import Answered, Asked, Ended, Event, Seen, Shown, Started, Wrote

from .tampered import changed, found, mutate, nothing, problems, ran, watch, with_entry, with_events, without_entry


@cache
def watched() -> Run:
    """Somebody watches two balances of which one changes."""
    opened = [mutate("bank:open", name=name, amount=100) for name in "abc"]
    watches = [watch("bank:balance", name=name) for name in "ac"]
    return ran([*opened, *watches, mutate("bank:transfer", 20, source="a", target="b", amount=30)])


def first_page(numbers: int) -> dict[str, Any]:
    return {"channel": "red", "order": "asc", "paginationOpts": {"numItems": numbers, "cursor": None}}


@cache
def paged() -> Run:
    """Pages of two that are watched, one of them split, while messages come in between."""
    sent = [mutate("chat:send", channel="red", position=2 * place, body=f"m{place}") for place in range(6)]
    between = [mutate("chat:send", 10, channel="red", position=place, body=f"b{place}") for place in (1, 5)]
    first = watch("chat:page", 10, **first_page(2))
    more = [Operation(20, MORE, "chat:page", first_page(2)) for _ in range(2)]
    return ran([*sent, first, *more, between[0], Operation(20, SPLIT, "", {}), between[1]])


@cache
def queue() -> Run:
    added = [mutate("queues:add", number=number) for number in range(1, 4)]
    claims = [mutate("queues:claim", worker="w1"), mutate("queues:claim", worker="w2")]
    return ran([*added, *claims, mutate("queues:finish", worker="w1")])


def step(key: str, value: int | None = None) -> dict[str, Any]:
    return {"key": key, "value": value}


@cache
def lists() -> Run:
    """Two clients append and read, one after the other; each sees what both have done."""
    return ran(
        [mutate("lists:transact", steps=[step("k1", 1), step("k2", 2)]), watch("lists:read", keys=["k1", "k2"])],
        [
            mutate("lists:transact", 30, steps=[step("k1"), step("k1", 3)]),
            mutate("lists:assign", 30, steps=[step("k1", 4), step("k1")]),
            mutate("lists:transact", 30, steps=[step("k1"), step("k2")]),
        ],
    )


@pytest.mark.parametrize("make", [watched, paged, queue, lists])
def test_a_run_that_is_right_has_no_violations(make: Callable[[], Run]) -> None:
    assert all(nothing(check, make()) for check in CHECKERS)


def shows(path: str, change: Callable[[Seen], Seen]) -> Callable[[Shown], Shown]:
    """Whatever is shown of a query is another thing."""
    return lambda event: evolve(event, seen=tuple(change(each) if each.path == path else each for each in event.seen))


def answers(run: Run, path: str, change: Callable[[Any], Any], which: int = 0) -> Run:
    """The result of a request is another one."""
    requests = [event for _, event in run.trace.events if isinstance(event, Asked) and event.path == path]
    asked = requests[which]

    def alter(event: Answered) -> Answered:
        if (event.client, event.request) != (asked.client, asked.request):
            return event
        return evolve(event, result=json.dumps(change(json.loads(event.result))).encode())

    return with_events(run, Answered, alter)


def test_a_result_that_is_not_true_is_found() -> None:
    wrong = with_events(watched(), Shown, shows("bank:balance", lambda seen: evolve(seen, value=b"71.0")))

    assert found(subscriptions.check, wrong) == {"what is shown is true"}


def test_a_result_that_should_have_changed_is_found() -> None:
    """What is shown is what was true before: nobody told the client of the transfer."""
    stale = with_events(
        watched(),
        Shown,
        shows("bank:balance", lambda seen: evolve(seen, value=b"100.0") if seen.value == b"70.0" else seen),
    )

    assert found(subscriptions.check, stale) == {"what is shown is true"}
    assert "client 0 shows b'100.0' for bank:balance with {'name': 'a'}" in problems(subscriptions.check, stale)[0]


def test_a_result_that_fails_is_found() -> None:
    failed = with_events(watched(), Shown, shows("bank:balance", lambda seen: evolve(seen, value=None, error="no")))

    assert found(subscriptions.check, failed) == {"what is shown is true"}


def test_what_is_shown_before_it_is_on_the_disk_is_found() -> None:
    early = with_events(watched(), Wrote | Started, lambda event: evolve(event, lsn=0))

    # When all has settled, what the disk has is what must be shown.
    assert found(subscriptions.check, early) == {"nothing is shown before it is durable", "what is shown is true"}


def page_shows(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Run:
    def alter(seen: Seen) -> Seen:
        assert seen.value is not None
        return evolve(seen, value=json.dumps(change(json.loads(seen.value))).encode())

    return with_events(paged(), Shown, shows("chat:page", alter))


def test_pages_are_watched_one_after_another_and_split() -> None:
    probes = paged().trace.probes
    last = [event for _, event in paged().trace.events if isinstance(event, Shown) and event.client == 0][-1]

    assert probes["a page after another is watched"] == 2
    assert probes["a page is split"] == 1
    assert len(last.seen) == 4


def test_a_gap_between_pages_is_found() -> None:
    gap = page_shows(lambda page: {**page, "page": [body for body in page["page"] if body != "m3"]})

    assert found(pages.check, gap) == {"pages fit together"}


def test_an_overlap_of_pages_is_found() -> None:
    overlap = page_shows(lambda page: {**page, "page": [*page["page"], "m4"] if "m3" in page["page"] else page["page"]})

    assert found(pages.check, overlap) == {"pages fit together"}


def test_a_page_that_says_too_soon_that_nothing_follows_is_found() -> None:
    assert found(pages.check, page_shows(lambda page: {**page, "isDone": True})) == {"pages fit together"}


def test_a_page_that_did_not_change_is_found() -> None:
    old = page_shows(lambda page: {**page, "page": [body for body in page["page"] if body != "b1"]})

    assert found(pages.check, old) == {"pages fit together"}


def test_a_page_that_ends_elsewhere_than_before_is_found() -> None:
    shown = [position for position, (_, event) in enumerate(paged().trace.events) if isinstance(event, Shown)]

    def moved(seen: Seen) -> Seen:
        assert seen.value is not None
        return evolve(seen, value=json.dumps({**json.loads(seen.value), "continueCursor": "elsewhere"}).encode())

    events = list(paged().trace.events)
    at, event = events[shown[-1]]
    assert isinstance(event, Shown)
    events[shown[-1]] = at, shows("chat:page", moved)(event)

    assert "a page ends where it ended" in found(pages.check, changed(paged(), events=events))


def test_a_page_that_fails_is_found() -> None:
    failed = with_events(paged(), Shown, shows("chat:page", lambda seen: evolve(seen, value=None, error="bad cursor")))

    assert found(pages.check, failed) == {"a page has a result"}


def test_a_job_that_two_got_is_found() -> None:
    assert found(jobs.check, answers(queue(), "queues:claim", lambda job: 1, which=1)) == {"nobody got a job twice"}


def test_a_job_that_was_finished_by_another_is_found() -> None:
    assert found(jobs.check, answers(queue(), "queues:finish", lambda job: 2)) == {
        "a job is finished by whom it was given to",
        "a job does not go back",
    }


def test_a_job_that_nobody_handed_in_is_found() -> None:
    assert "jobs are those that were handed in" in found(jobs.check, answers(queue(), "queues:claim", lambda job: 9))


def test_a_job_that_is_lost_is_found() -> None:
    assert "no job is lost" in found(jobs.check, without_entry(queue(), "queues:add", 2))


def test_a_job_that_goes_back_is_found() -> None:
    assert found(jobs.check, with_entry(queue(), "queues:claim", 1, writes=())) == {"a job does not go back"}


def test_a_read_that_misses_what_was_acknowledged_is_found_by_clients_alone() -> None:
    missed = answers(lists(), "lists:transact", lambda results: [[], []], which=2)

    assert found(isolation.check, missed) == {"G-single-realtime"}


def test_half_of_a_transaction_is_found_by_clients_alone() -> None:
    half = answers(lists(), "lists:transact", lambda results: [results[0], []], which=2)

    assert "G-single" in found(isolation.check, half)
    assert "because it finds" in problems(isolation.check, half)[0]


def test_a_value_from_nowhere_is_found_by_clients_alone() -> None:
    assert "phantom" in found(
        isolation.check, answers(lists(), "lists:transact", lambda results: [[1, 9], []], which=2)
    )


def test_a_register_that_forgets_its_own_write_is_found_by_clients_alone() -> None:
    assert found(isolation.check, answers(lists(), "lists:assign", lambda results: [None, None])) == {"internal"}


def test_what_is_shown_of_half_a_transaction_is_found_by_clients_alone() -> None:
    half = with_events(
        lists(), Shown, shows("lists:read", lambda seen: evolve(seen, value=b"[[1.0],[]]") if seen.value else seen)
    )

    assert "G-single" in found(isolation.check, half)


def test_a_client_whose_view_goes_back_is_found() -> None:
    positions = [position for position, (_, event) in enumerate(watched().trace.events) if isinstance(event, Shown)]
    events = list(watched().trace.events)
    at, event = events[positions[-1]]
    assert isinstance(event, Shown)
    events[positions[-1]] = at, evolve(event, ts=1)

    assert "what is shown does not go back" in found(order.check, changed(watched(), events=events))


def test_an_answer_may_be_of_a_process_that_has_ended_since() -> None:
    """It was on its way when the next process began, in which the request runs again."""
    events, lsn = list(watched().trace.events), watched().entries[-1].lsn
    answered = next(position for position, (_, event) in enumerate(events) if isinstance(event, Answered))
    ended: list[tuple[int, Event]] = [(0, Ended(1, "killed")), (0, Started(2, 0, torn=False))]
    restarted = changed(watched(), events=[*events[:answered], *ended, *events[answered:]])

    assert not may_have_run_again(history_of(watched()), answered, lsn)
    assert may_have_run_again(history_of(restarted), answered + len(ended), lsn)
