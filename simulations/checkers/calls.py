"""Calls over HTTP: queries tell some moment that was new enough, mutations are done once if they say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ...log.entry import Entry, Kind
from ...protocol import cbor, json
from ..history import History
from ..model.rows import Refusal
from ..trace import Called, Replied
from .violation import Violation

NAME = "calls"


def check(history: History) -> Iterator[Violation]:
    calls: dict[int, tuple[int, Called]] = {}
    done: Counter[str] = Counter()
    for position, (_, event) in enumerate(history.events):
        if isinstance(event, Called):
            calls[event.call] = position, event
        elif isinstance(event, Replied) and not event.problem:
            at, called = calls[event.call]
            told = {moment for moment in moments(history, at, position) if says(history, moment, called, event)}
            if not told:
                problem = f"call {event.call}, {called.path} with {called.args}, was answered {event.value!r}"
                yield Violation(NAME, "an answer is of some moment that was new enough", problem, position)
            elif called.is_mutation and not any(writes_nothing(history, moment, called) for moment in told):
                done[named(called.path, called.args)] += 1
    asked = Counter(named(called.path, called.args) for _, called in calls.values() if called.is_mutation)
    made = Counter(named(str(entry.function), decoded(entry)) for entry in history.run.entries if is_call(entry))
    for name in sorted(asked.keys() | made.keys()):
        if not done[name] <= made[name] <= asked[name]:
            problem = f"{name}: asked {asked[name]} times, acknowledged {done[name]}, in the log {made[name]}"
            yield Violation(NAME, "what is acknowledged is done, and done once", problem)


def moments(history: History, asked: int, answered: int) -> range:
    first = history.lsn_at(history.behind(history.floors[asked]))
    return range(first, min(history.durable[answered], len(history.run.entries)) + 1)


def says(history: History, lsn: int, called: Called, replied: Replied) -> bool:
    """Whether the model, too, gives this at that entry."""
    if not called.is_mutation:
        return history.answer(lsn, called.path, called.args) == replied.value
    try:
        return json.encode(history.states[lsn].copy().mutate(called.path, called.args)) == replied.value
    except Refusal:
        return False


def writes_nothing(history: History, lsn: int, called: Called) -> bool:
    after = history.states[lsn].copy()
    after.mutate(called.path, called.args)
    return after == history.states[lsn]


def is_call(entry: Entry) -> bool:
    return entry.kind is Kind.MUTATION and entry.session is None and entry.cause.kind == "http"


def decoded(entry: Entry) -> Any:
    return cbor.decode(entry.args)


def named(path: str, args: Any) -> str:
    return f"{path} {json.encode(args).decode()}"
