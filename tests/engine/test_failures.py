"""Telling of a failure: whatever an app's exceptions do when they are asked what happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from relive.engine.determinism import limits
from relive.engine.errors import ApplicationError
from relive.engine.execution.failures import FRAMES_SHOWN_MAX, failure_of
from relive.protocol.limits import ERROR_TEXT_CHARS_MAX

FOLDER = Path(__file__).parent
CPU_S = 0.1


class LeavesProcess(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class Endless(Exception):
    def __str__(self) -> str:
        while True:
            pass


class EndlessFields(dict[str, object]):
    def items(self) -> object:  # type: ignore[override]
        while True:
            pass

    def __iter__(self) -> Iterator[str]:
        while True:
            pass


@pytest.fixture
def _limited() -> Iterator[None]:
    limits.configure(CPU_S, limits.MEMORY_BYTES_DEFAULT)
    limits.arm()
    yield
    limits.disarm()
    limits.configure(limits.CPU_S_DEFAULT, limits.MEMORY_BYTES_DEFAULT)


def test_an_error_whose_text_ends_the_process_is_told_without_it() -> None:
    assert failure_of(LeavesProcess(), FOLDER).text == "Uncaught LeavesProcess: (its text could not be made)"


@pytest.mark.usefixtures("_limited")
def test_an_error_whose_text_takes_for_ever_is_told_without_it() -> None:
    assert failure_of(Endless(), FOLDER).text == "Uncaught Endless: (its text could not be made)"


@pytest.mark.usefixtures("_limited")
def test_data_of_an_error_that_takes_for_ever_to_read_is_not_waited_for() -> None:
    failure = failure_of(ApplicationError(EndlessFields(a=1)), FOLDER)

    assert failure.data is None
    assert "its data is not a value" in failure.text


def descend(left: int) -> None:
    if not left:
        raise ValueError("below")
    descend(left - 1)


def test_of_a_long_way_that_an_error_took_its_start_and_its_end_are_shown() -> None:
    try:
        descend(500)
    except ValueError as error:
        text = failure_of(error, FOLDER).text

    assert len(text.splitlines()) == 1 + FRAMES_SHOWN_MAX + 1
    assert "  ... 482 more ..." in text
    assert "in test_of_a_long_way" in text
    assert text.endswith("in descend")


@pytest.mark.parametrize("kind", [ValueError, ApplicationError])
def test_a_long_text_is_cut_before_the_lines_that_the_error_passed(kind: type[Exception]) -> None:
    try:
        raise kind("x" * 3 * ERROR_TEXT_CHARS_MAX)
    except kind as error:
        text = failure_of(error, FOLDER).text

    assert len(text) < 2 * ERROR_TEXT_CHARS_MAX
    assert "... (shortened)" in text
    assert "test_failures.py" in text
