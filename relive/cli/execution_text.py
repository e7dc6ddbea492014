"""Executions of functions for people: which are shown, and as what lines.

12:03:14.217 messages:send [LOG] sent to general
12:03:14.218 messages:send failed after 1.3 ms (mutation, request 0f3a...)
    Uncaught ValueError: no such channel
      File "messages.py", line 12, in send
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import click
from attrs import frozen

LEVELS = ("debug", "info", "log", "warn", "error")
"""The milder ones first."""
KINDS = ("query", "mutation", "action", "system")
COLOURS = {"DEBUG": "bright_black", "INFO": "cyan", "LOG": "cyan", "WARN": "yellow", "ERROR": "red"}
INDENT = "    "
Entry = dict[str, Any]
"""An execution as the server tells it, log lines in parts."""


@frozen
class Filter:
    """Which executions are shown, and which of their lines."""

    function: str | None = None
    """A pattern as of file names: ``messages:*``."""
    kinds: tuple[str, ...] = ()
    """None given: all."""
    request: str | None = None
    """How the request id begins."""
    errors: bool = False
    """Only what failed."""
    level: str = LEVELS[0]
    """The mildest level that is shown; a failure is an error."""
    silent: bool = True
    """Also what succeeded and printed nothing."""

    def of(self, entry: Entry) -> Entry | None:
        """The execution, with those of its lines that are wanted; None if it is not wanted itself."""
        failed = entry["error"] is not None
        if (
            (self.function is not None and not fnmatchcase(entry["identifier"], self.function))
            or (self.kinds and entry["functionKind"] not in self.kinds)
            or (self.request is not None and not entry["requestId"].startswith(self.request))
            or (self.errors and not failed)
        ):
            return None
        lines = [line for line in entry["logLines"] if rank(line["level"]) >= rank(self.level)]
        loud = bool(lines) or failed
        # Whoever asks for serious lines does not ask for executions without any.
        return entry | {"logLines": lines} if loud or (self.silent and self.level == LEVELS[0]) else None


def rank(level: str) -> int:
    # A level that only a newer server knows is shown rather than hidden.
    return LEVELS.index(level.lower()) if level.lower() in LEVELS else len(LEVELS)


def lines_of(entry: Entry, *, success: bool = False) -> Iterator[str]:
    """Lines with colours; ``click.echo`` leaves those out where they are not wanted."""
    head = f"{click.style(clock_text(entry['timestamp']), dim=True)} {printable(entry['identifier'])}"
    for line in entry["logLines"]:
        level = click.style(f"[{line['level']}]", fg=COLOURS.get(line["level"]))
        cut = " (truncated due to length)" if line["isTruncated"] else ""
        yield f"{head} {level} {continued(' '.join(line['messages']))}{cut}"
    about = f"{duration_text(entry['executionTime'])} ({entry['functionKind']}, request {entry['requestId']})"
    if entry["error"] is not None:
        yield f"{head} {click.style('failed', fg='red')} after {about}\n{INDENT}{continued(entry['error'])}"
    elif success:
        yield f"{head} {click.style('done', fg='green')} in {about}{and_more(entry)}"


def and_more(entry: Entry) -> str:
    told = []
    if entry["cachedResult"]:
        told.append("result of an earlier run")
    if entry["lsn"] is not None:
        told.append(f"entry {entry['lsn']}")
    if entry["retries"]:
        told.append(f"run again {entry['retries']} time(s)")
    return "".join(f", {each}" for each in told)


def continued(text: str) -> str:
    """A text of several lines, those after the first set in."""
    return printable(text).replace("\n", f"\n{INDENT}")


def printable(text: str) -> str:
    """Without what a terminal would obey: it may come from anybody."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in "\n\t" else ascii(character)[1:-1] for character in text
    )


def clock_text(seconds: float) -> str:
    """Local time, with the date if it was not today."""
    moment = datetime.fromtimestamp(seconds)
    text = f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}"
    return text if moment.date() == datetime.now().date() else f"{moment:%Y-%m-%d} {text}"


def duration_text(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
