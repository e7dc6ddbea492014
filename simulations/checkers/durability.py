"""What was acknowledged is in the log, with that time and result; what failed is not.

A mutation that writes nothing leaves no entry, so for it the model must agree that there was nothing to write.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...protocol import json
from ..excuses import may_be_refused, may_have_come_late, may_have_run_again
from ..history import History
from ..model.rows import Refusal
from ..trace import Answered, Asked
from .violation import Violation

NAME = "durability"


def check(history: History) -> Iterator[Violation]:
    asked = history.asked()
    for position, (_, event) in enumerate(history.events):
        if isinstance(event, Answered):
            at, question = asked[event.client, event.request]
            if event.ts is not None:
                yield from check_success(history, position, event, question)
            else:
                yield from check_failure(history, position, event, question, at)


def check_success(history: History, position: int, answer: Answered, asked: Asked) -> Iterator[Violation]:
    assert answer.ts is not None
    who = f"request {answer.request} of client {answer.client}, {asked.path}"
    entry = history.entry_of(answer.client, answer.request)
    if entry is None or entry.ts != answer.ts:
        if wrote_nothing(history, answer.ts, answer, asked):
            if entry is not None:
                if not may_have_run_again(history, position, entry.lsn):
                    problem = f"{who} wrote nothing and was answered; entry {entry.lsn} is it again"
                    yield Violation(NAME, "what wrote nothing is answered as before", problem, position)
                history.run.trace.probe("a mutation that had written nothing was sent again and wrote")
            return
        log = f"entry {entry.lsn} says {entry.ts}" if entry is not None else "the log does not have it"
        problem = f"{who} was acknowledged at {answer.ts} with {answer.result!r}, and {log}"
        yield Violation(NAME, "what is acknowledged is in the log", problem, position)
    elif entry.result != answer.result:
        problem = f"{who}: told {answer.result!r}, entry {entry.lsn} says {entry.result!r}"
        yield Violation(NAME, "an answer says what the log says", problem, position)
    elif entry.lsn > history.durable[position]:
        problem = f"{who}: entry {entry.lsn} was on its way to the disk, which had {history.durable[position]}"
        yield Violation(NAME, "nothing is acknowledged before it is durable", problem, position)


def wrote_nothing(history: History, ts: int, answer: Answered, asked: Asked) -> bool:
    """Whether the model, too, gives that result then, and changes nothing."""
    before = history.states[history.lsn_at(ts)]
    after = before.copy()
    try:
        result = json.encode(after.mutate(asked.path, asked.args))
    except Refusal:
        return False
    return after == before and result == answer.result


def check_failure(history: History, position: int, answer: Answered, asked: Asked, at: int) -> Iterator[Violation]:
    who = f"request {answer.request} of client {answer.client}, {asked.path}"
    entry = history.entry_of(answer.client, answer.request)
    if entry is not None and not may_have_come_late(history, answer.client, at, entry.lsn):
        yield Violation(NAME, "what failed is not in the log", f"{who}: entry {entry.lsn}", position)
    if not answer.is_application_error:
        if not may_be_refused(history, position):
            problem = f"{who}: {answer.result.decode()}"
            yield Violation(NAME, "functions fail only as they are written to", problem, position)
        return
    first, last = (
        history.lsn_at(history.behind(history.floors[at])),
        min(history.durable[position], len(history.run.entries)),
    )
    if not any(refuses(history, lsn, asked) for lsn in range(first, last + 1)):
        yield Violation(NAME, "a refusal has a reason", f"{who} with {asked.args}", position)


def refuses(history: History, lsn: int, asked: Asked) -> bool:
    try:
        history.states[lsn].copy().mutate(asked.path, asked.args)
    except Refusal:
        return True
    return False
