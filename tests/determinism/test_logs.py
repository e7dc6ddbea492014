"""What a handler prints and logs goes to the log of its run, and nowhere else."""

from __future__ import annotations

import io
import logging
import sys
import traceback
import warnings

import pytest
from relive.engine.determinism.gate import CUT_OFF, TOO_MANY
from relive.protocol.limits import LOG_LINE_CHARS_MAX, LOG_LINES_MAX

from .conftest import Call, Observe

logger = logging.getLogger("tests.determinism.logs")


def test_print_goes_to_the_log_of_the_run(observe: Observe, capsys: pytest.CaptureFixture[str]) -> None:
    async def handler() -> None:
        print("hi", 1)
        print("a", "b", sep="-")
        print("to stderr", file=sys.stderr)

    assert observe(handler).logs == [("LOG", "hi 1"), ("LOG", "a-b"), ("LOG", "to stderr")]
    assert capsys.readouterr() == ("", "")


def test_print_into_a_buffer_is_left_alone(observe: Observe) -> None:
    buffer = io.StringIO()

    async def handler() -> None:
        print("hi", file=buffer)

    assert observe(handler).logs == []
    assert buffer.getvalue() == "hi\n"


def test_print_outside_handlers_prints(capsys: pytest.CaptureFixture[str]) -> None:
    print("a", "b", sep="-", end="!")

    assert capsys.readouterr().out == "a-b!"


def test_logging_goes_to_the_log_of_the_run_at_its_level(observe: Observe, caplog: pytest.LogCaptureFixture) -> None:
    async def handler() -> None:
        logger.debug("one %s", 1)
        logger.info("two %(n)s", {"n": 2})
        logger.warning("three")
        logger.error("four")
        logger.critical("five")
        logging.getLogger().log(35, "six")
        logging.LoggerAdapter(logger, {}).info("seven")

    logs = observe(handler).logs

    assert logs[:5] == [("DEBUG", "one 1"), ("INFO", "two 2"), ("WARN", "three"), ("ERROR", "four"), ("ERROR", "five")]
    assert logs[5:] == [("WARN", "six"), ("INFO", "seven")]
    assert caplog.records == []


def test_logging_does_not_count_as_looking_at_the_clock(observe: Observe) -> None:
    async def handler() -> None:
        logger.warning("hi")

    assert not observe(handler).looked_at_clock


def test_a_record_made_by_hand_goes_to_the_log_of_the_run(observe: Observe) -> None:
    async def handler() -> None:
        logger.handle(logger.makeRecord("x", logging.INFO, "file", 1, "hi %s", (1,), None))

    assert observe(handler).logs == [("INFO", "hi 1")]


def test_a_logged_exception_brings_its_traceback(observe: Observe) -> None:
    async def handler() -> None:
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logger.exception("failed")

    ((level, text),) = observe(handler).logs

    assert level == "ERROR"
    assert text.startswith("failed\nTraceback (most recent call last):")
    assert text.endswith("ZeroDivisionError: division by zero")


def test_a_wrong_format_does_not_fail_the_handler(observe: Observe) -> None:
    async def handler() -> None:
        logger.info("%d", "text")

    assert observe(handler).logs == [("INFO", "%d ('text',)")]


def test_logging_outside_handlers_names_the_line_that_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logger.info("hi")
        logger.debug("not this")

    ((name, function),) = [(record.filename, record.funcName) for record in caplog.records]
    assert (name, function) == ("test_logs.py", "test_logging_outside_handlers_names_the_line_that_logged")


def test_too_many_lines_are_dropped_and_that_is_said(observe: Observe) -> None:
    async def handler() -> None:
        for _ in range(LOG_LINES_MAX + 10):
            print("x")

    logs = observe(handler).logs

    assert len(logs) == LOG_LINES_MAX
    assert logs[-2:] == [("LOG", "x"), ("ERROR", TOO_MANY)]


def test_a_very_long_line_is_shortened(observe: Observe) -> None:
    async def handler() -> None:
        print("x" * (LOG_LINE_CHARS_MAX + 1))

    ((_, text),) = observe(handler).logs

    assert len(text) == LOG_LINE_CHARS_MAX
    assert text.endswith(f"x{CUT_OFF}")


def test_a_handler_may_format_a_traceback(call: Call) -> None:
    def fail() -> str:
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            return traceback.format_exc()
        raise AssertionError

    assert "1 / 0" in str(call(fail))


def test_a_handler_may_warn(call: Call) -> None:
    with pytest.warns(UserWarning, match="careful"):
        call(lambda: warnings.warn("careful", stacklevel=1))
