"""Jobs that the disk refuses wait longer each time, and are tried apart from others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from relive.engine.scheduling.backoff import RETRY_S, RETRY_S_MAX, Backoff, pause_s


@given(st.integers(1, 2_000))
def test_each_pause_is_twice_the_one_before_and_never_longer_than_the_longest(times: int) -> None:
    assert pause_s(1) == RETRY_S
    assert pause_s(times + 1) == min(2 * pause_s(times), RETRY_S_MAX)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=30))
def test_what_was_written_begins_anew_and_what_was_refused_runs_alone_and_later(steps: list[tuple[str, bool]]) -> None:
    backoff, times, trying, now = Backoff(), {"a": 0, "b": 0}, False, 0.0
    for id, taken in steps:
        now += 10_000.0
        if taken:
            backoff.written([id])
            times[id], trying = 0, False
        else:
            backoff.note([id], now)
            times[id], trying = times[id] + 1, True
            assert backoff.due(id, now) == now + pause_s(times[id]) * 1000
        for each in "ab":
            assert backoff.runs_alone(each) is (trying or times[each] > 0)
            assert times[each] or backoff.due(each, now) == now


def test_a_job_that_is_due_later_than_it_may_be_tried_again_waits_for_its_time() -> None:
    backoff = Backoff()
    backoff.note(["a"], 0.0)

    assert backoff.due("a", 1e9) == 1e9
