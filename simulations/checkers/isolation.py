"""What clients were told of lists and registers can come of transactions that ran one after another.

Knows nothing of the log, of timestamps or of the model: only who asked when, and what the answers said.  What a
client's queries show at one moment is a transaction, too; it was some time before it was shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..history import History
from ..isolation.transactions import APPEND, FAILED, OK, READ, UNKNOWN, WRITE, Step, Transaction, Value
from ..isolation.verdict import anomalies
from ..plan import HALF_OPEN
from ..trace import Answered, Asked, Seen, Shown
from .violation import Violation

NAME = "isolation"
LISTS, REGISTERS = "lists:transact", "lists:assign"
KEYS = {"lists:read": "list", "lists:look": "register"}
"""What the queries show the keys of."""


def check(history: History) -> Iterator[Violation]:
    transactions = [*asked(history), *shown(history)]
    written = [(step.key, step.value) for each in transactions for step in each[-1] if step.kind != READ]
    # Where a value was written twice, by a plan that was made smaller, nobody can tell whose it is.
    if len(set(written)) == len(written) and transactions:
        numbered = [
            Transaction(number, name, begun, ended, status, steps)
            for number, (name, begun, ended, status, steps) in enumerate(transactions)
        ]
        for anomaly in anomalies(numbered):
            yield Violation(NAME, anomaly.kind, anomaly.words)


Told = tuple[str, int, int | None, str, tuple[Step, ...]]
"""Name, begun, ended, status, steps."""


def asked(history: History) -> Iterator[Told]:
    """Mutations, with the first answer to each."""
    answers: dict[tuple[int, int], tuple[int, Answered]] = {}
    for position, (_, event) in enumerate(history.events):
        if isinstance(event, Answered):
            answers.setdefault((event.client, event.request), (position, event))
    for position, (_, event) in enumerate(history.events):
        if isinstance(event, Asked) and event.path in (LISTS, REGISTERS):
            found = answers.get((event.client, event.request))
            yield told(history, event, position, found)


def told(history: History, question: Asked, begun: int, found: tuple[int, Answered] | None) -> Told:
    name = f"request {question.request} of client {question.client}"
    ended, answer = found if found is not None else (None, None)
    if answer is not None and answer.ts is not None:
        steps = steps_of(question, json.loads(answer.result))
        if history.run.plan.knobs.follower_lag and all(step.kind == READ for step in steps):
            begun = 0  # It ran on an executor that is behind: it may show what was long ago.
        return name, begun, ended, OK, steps
    # A failure is not recorded, so a copy of the request that comes late may succeed.
    is_final = answer is not None and HALF_OPEN not in history.run.plan.fault_kinds()
    return name, begun, None, FAILED if is_final else UNKNOWN, steps_of(question, None)


def steps_of(question: Asked, results: list[Value | list[int]] | None) -> tuple[Step, ...]:
    """Without results, only what was to be written."""
    steps = []
    kind, prefix = (APPEND, "list") if question.path == LISTS else (WRITE, "register")
    for position, asked in enumerate(question.args["steps"]):
        key = f"{prefix} {asked['key']}"
        if asked["value"] is not None:
            steps.append(Step(kind, key, asked["value"]))
        elif results is not None:
            steps.append(Step(READ, key, value_of(results[position])))
    return tuple(steps)


def value_of(value: Value | list[int]) -> Value:
    """Numbers come as floats."""
    if isinstance(value, list):
        return tuple(int(each) for each in value)
    return int(value) if isinstance(value, float) else value


def shown(history: History) -> Iterator[Told]:
    """What clients see at one moment, as far as it is another thing than before."""
    before: dict[int, tuple[Step, ...]] = {}
    for position, (_, event) in enumerate(history.events):
        if isinstance(event, Shown):
            steps = tuple(step for seen in event.seen for step in steps_seen(seen))
            if steps and before.get(event.client) != steps:
                before[event.client] = steps
                yield f"what client {event.client} sees at event {position}", 0, position, OK, steps


def steps_seen(seen: Seen) -> Iterator[Step]:
    prefix = KEYS.get(seen.path)
    if prefix is not None and seen.value is not None:
        for key, value in zip(seen.args["keys"], json.loads(seen.value), strict=True):
            yield Step(READ, f"{prefix} {key}", value_of(value))
