"""Reports: the same story as text, as JSON and as a page, and the words that say what was missed."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
from attrs import evolve
from relive.simulations.campaign import search
from relive.simulations.minimise import minimise
from relive.simulations.plan import MUTATE, SUBSCRIBE, Knobs, Operation, Plan
from relive.simulations.reporting.finding import Finding
from relive.simulations.reporting.page import page
from relive.simulations.reporting.story import arrows, lanes, rows
from relive.simulations.reporting.text import report
from relive.simulations.reporting.tree import tree
from relive.simulations.schedule import FIFO
from relive.simulations.subject import shipped

from .planted import BUGS

WATCH = Operation(0, SUBSCRIBE, "counters:get", {"name": "y"})
BUMP = Operation(0, MUTATE, "counters:bump", {"name": "y"})
SMALL = Plan(0, FIFO, Knobs(), ((WATCH, BUMP),), ())


@cache
def failure(bug: str, plan: Plan | None = SMALL) -> Finding:
    """What the bug makes of a plan, or of the first seed that finds it."""
    with pytest.MonkeyPatch.context() as patch:
        BUGS[bug].plant(patch)
        verdict = shipped().attempt(plan) if plan is not None else search(range(100)).found[0]
    assert verdict.violations
    return Finding(verdict, verdict.run.plan, "python -m relive.simulations --replay x.plan")


def lines_of(finding: Finding) -> list[str]:
    told: list[str] = tree(finding)["why"]
    return told


def test_why_names_the_function_the_entry_and_the_range_that_was_missed() -> None:
    first, second, *_ = lines_of(failure("who gets a document is not told"))

    assert first.startswith("counters:get(name='y') of client 0 was right up to entry 1; entry [2] ")
    assert first.endswith("changed its result")
    assert re.fullmatch(
        r'missed: new counters/\w+ with key \["y", \.\.\.\] is in counters\.by_name \["y"\], '
        r"which the query read as of 1",
        second,
    )


def test_why_says_when_what_was_written_is_in_nothing_that_was_read() -> None:
    finding = failure("the last range read is forgotten")
    with pytest.MonkeyPatch.context() as patch:  # What a query reads is asked of the code that failed.
        BUGS["the last range read is forgotten"].plant(patch)
        lines = lines_of(finding)

    assert any("is in nothing that the query read as of 1" in line for line in lines)


def test_why_names_what_was_lost_and_who_was_told() -> None:
    lines = lines_of(failure("answers do not wait for the disk", None))

    assert any(
        re.match(r"client \d was told of request \d+ at .* the disk had confirmed entry \d+ then", line)
        for line in lines
    )


def test_the_text_has_a_column_for_each_client_for_the_server_and_for_the_log() -> None:
    text = report(failure("who gets a document is not told"))
    (head,) = [line for line in text.splitlines() if line.strip().startswith("ms ")]

    assert re.sub(r" {2,}", "|", head.strip()) == "ms|client 0|client 1|server|log"
    assert "again: python -m relive.simulations --replay x.plan" in text
    assert re.search(r"shows @\S+ q0=0.0  +<==", text)
    assert re.search(r"\[2\] @\S+ counters:bump\(name='y'\) \+counters/", text)


def test_arrows_lead_from_a_request_to_its_entry_and_on_to_answer_and_transition() -> None:
    found = rows(failure("who gets a document is not told").verdict)
    by_kind = {(arrow.kind, found[arrow.start].kind, found[arrow.stop].kind) for arrow in arrows(found)}

    assert by_kind == {
        ("commit", "Asked", "Entry"),
        ("answer", "Entry", "Answered"),
        ("transition", "Entry", "Shown"),
    }


def test_the_page_needs_nothing_else_and_holds_the_whole_story() -> None:
    finding = failure("who gets a document is not told")
    text = page(finding)
    (data,) = re.findall(r"^const data = (.*);$", text, re.MULTILINE)
    told: dict[str, Any] = json.loads(data)

    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<(link|img|iframe)|src=|@import|fetch\(", text)
    assert told["lanes"] == lanes(finding.verdict)
    assert len(told["rows"]) == len(rows(finding.verdict))
    assert told["why"] == lines_of(finding)


def test_a_page_does_not_run_what_the_app_says() -> None:
    asked = evolve(BUMP, args={"name": "</script><script>alert(1)</script>"})
    verdict = shipped().attempt(
        evolve(SMALL, clients=((asked,), *failure("who gets a document is not told").plan.clients))
    )
    finding = Finding(
        evolve(verdict, violations=failure("who gets a document is not told").verdict.violations), SMALL, ""
    )

    assert "alert(1)" in page(finding)
    assert "<script>alert" not in page(finding)


def test_values_become_the_smallest_with_which_it_fails() -> None:
    wide = evolve(
        SMALL, clients=((evolve(WATCH, pause_ms=9), Operation(7, MUTATE, "counters:add", {"name": "y", "by": 8})),)
    )
    with pytest.MonkeyPatch.context() as patch:
        BUGS["who gets a document is not told"].plant(patch)
        subject = shipped()
        smallest = minimise(subject.attempt(wide), subject).best.run.plan

    assert [(each.pause_ms, each.args) for client in smallest.clients for each in client] == [
        (0, {"name": "y"}),
        (0, {"name": "y", "by": 1}),  # Adding 0 changes nothing that anybody could miss.
    ]
