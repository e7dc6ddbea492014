"""What must be true after any kills, of scheduled functions, crons and durable steps.

Each check compares what clients were told, what the log says, and what the world outside has seen, and
gives what does not fit together, in words.  Nothing here asks the engine.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from attrs import define, field

from .clients import STEPS
from .history import History, Version
from .record import Record

SLACK_MS = 1.0
"""Between the clock of the world outside and that of the log."""
PERIOD_MS = 1_000
FAILS = 2
"""Of the app: how often a step fails that fails at first."""
RESULT = 2 * sum(range(STEPS))
"""Of a durable action: the sum of what its steps give."""
ENDED = ("success", "failed", "canceled")
MUTATIONS = ("main:effect", "main:tick")
PATHS = (
    ("pending",),
    ("pending", "canceled"),
    ("pending", "success"),
    ("pending", "inProgress"),
    ("pending", "inProgress", "success"),
    ("pending", "inProgress", "failed"),
    ("pending", "inProgress", "canceled"),
)
"""The states that a scheduled function may go through."""


@define(eq=False)
class Found:
    """All that is known after the last stop."""

    history: History
    record: Record
    outside: Path
    files: Path
    """Where their bytes are."""
    effects: dict[str, list[Version]] = field(init=False)
    """What each scheduled function has written, by its id."""

    def __attrs_post_init__(self) -> None:
        self.effects = {}
        for table in ("effects", "ticks"):
            for version in self.history.newest(table):
                self.effects.setdefault(version["job"], []).append(version)

    def traces(self, name: str) -> list[float]:
        """When the world outside was told so, in milliseconds."""
        try:
            return [int(line) / 1e6 for line in (self.outside / name).read_text().splitlines()]
        except FileNotFoundError:
            return []


Check = Callable[[Found], Iterator[str]]


def what_was_acknowledged(found: Found) -> Iterator[str]:
    orders = Counter(version["number"] for version in found.history.newest("orders"))
    for number, acknowledged in found.record.ordered.items():
        if orders[number] > 1 or orders[number] < acknowledged:
            yield f"order {number} (acknowledged: {acknowledged}) is there {orders[number]} times"
    jobs = {version["number"]: version["jobs"] for version in found.history.newest("orders")}
    for told in found.record.cancelled:
        if told.number not in jobs:
            yield f"order {told.number} was acknowledged to be there, and is not"
            continue
        id = jobs[told.number][told.job]
        state = found.history.tables["_scheduled_functions"][id][-1]["state"]["kind"]
        wanted = told.was if told.was in ENDED else "canceled"
        if state != wanted:
            yield f"{told.job} of order {told.number} was acknowledged as {wanted}, and is {state}"
        if told.was == "pending" and (found.effects.get(id) or found.traces(f"action {id}")):
            yield f"{told.job} of order {told.number} was cancelled before it began, and has happened"
    actions = {number_of(versions): versions[-1] for _, versions in found.history.rows("_durable_actions")}
    for number, result in found.record.placed.items():
        row = actions.get(number)
        if row is None or row["state"] != "done" or result != RESULT:
            yield f"durable action {number} gave {result}, and its row is {row and row.document}"
    yield from found.record.problems


def scheduled_functions(found: Found) -> Iterator[str]:
    rows = found.history.tables["_scheduled_functions"]
    for order in found.history.newest("orders"):
        for name, id in order["jobs"].items():
            if id not in rows:
                yield f"{name} of order {order['number']} is forgotten: there is no row {id}"
    for id, versions in rows.items():
        name, path = versions[0]["name"], states_of(found, id)
        which = f"{name} {id} ({' > '.join(path)})"
        if path not in PATHS:
            yield f"{which}: no way to go"
        if path[-1] not in ENDED and name not in ("main:tick", "main:slow"):
            yield f"{which}: forgotten"
        if path[-1] == "failed" and name not in ("main:outside", "main:keep", "main:slow"):
            yield f"{which}: {versions[-1]['state']}"
        yield from what_it_did(found, which, id, versions)
    for id in found.effects.keys() - rows.keys():
        yield f"{found.effects[id][0].document} was done by nobody"


def states_of(found: Found, job: str) -> tuple[str, ...]:
    return tuple(version["state"]["kind"] for version in found.history.tables["_scheduled_functions"][job])


def what_it_did(found: Found, which: str, id: str, versions: list[Version]) -> Iterator[str]:
    """Mutations exactly once, with their completion; actions at most once, and after they are noted as begun."""
    name, last, effects = versions[0]["name"], versions[-1], found.effects.get(id, [])
    succeeded = last["state"]["kind"] == "success"
    if name in MUTATIONS:
        if len(effects) != succeeded:
            yield f"{which}: done {len(effects)} times"
        if any(effect.entry is not last.entry for effect in effects):
            yield f"{which}: what it did is in another entry than that it has"
        if any(effect["early_ms"] > SLACK_MS for effect in effects if "early_ms" in (effect.document or {})):
            yield f"{which}: too early"
        yield from what_follows(found, which, versions[0]["args"][0], succeeded)
    elif name in ("main:outside", "main:slow"):
        traces = found.traces(f"action {id}")
        if len(traces) > 1 or len(traces) < succeeded or len(effects) > 1:
            yield f"{which}: begun {len(traces)} times, done {len(effects)} times"
        if name == "main:outside" and len(effects) < succeeded:
            yield f"{which}: not done"
        begun = [version for version in versions if version["state"]["kind"] == "inProgress"]
        if traces and (not begun or traces[0] < begun[0].time_ms - SLACK_MS):
            yield f"{which}: it ran before it was noted as begun"


def what_follows(found: Found, which: str, args: dict[str, Any], succeeded: bool) -> Iterator[str]:
    """The first effect of an order schedules the second one, in its own entry."""
    if args.get("kind") != "first":
        return
    wanted = args | {"kind": "second"}
    seconds = 0
    for _, versions in found.history.rows("_scheduled_functions"):
        other = versions[0]["args"][0]
        seconds += other.get("number") == wanted["number"] and other.get("kind") == "second"
    if seconds != succeeded:
        yield f"{which}: scheduled {seconds} others"


def crons(found: Found) -> Iterator[str]:
    jobs, runs = found.history.tables["_scheduled_functions"], Counter[str]()
    rows = [versions for _, versions in found.history.rows("_cron_jobs")]
    for versions in rows:
        name, begun = versions[0]["name"], 0
        for before, after in pairwise(versions):
            which = f"cron {name} at entry {after.entry.lsn}"
            steps = (after["nextRun"] - before["nextRun"]) / PERIOD_MS
            ran = after.document is not None and after["lastJob"] != (before.document or {}).get("lastJob")
            begun += ran
            if abs(steps - round(steps)) > 1e-6:
                yield f"{which}: out of step by {steps} periods"
            if round(steps) != after["skipped"] - before["skipped"] + ran:
                yield f"{which}: {steps} periods, but ran: {ran}, skipped: {after['skipped'] - before['skipped']}"
            if ran and after.time_ms < before["nextRun"] - SLACK_MS:
                yield f"{which}: too early"
            former = (before.document or {}).get("lastJob")
            if ran and former is not None and not ended_before(jobs[former], after):
                yield f"{which}: the run before had not ended"
        runs[versions[0]["function"]] = begun
    if sorted(versions[0]["name"] for versions in rows) != ["slow", "tick"]:
        yield f"not two crons: {[versions[0]['name'] for versions in rows]}"
    scheduled = Counter(versions[0]["name"] for versions in jobs.values())
    for function, begun in runs.items():
        if scheduled[function] != begun:
            yield f"{function} was begun {begun} times, and scheduled {scheduled[function]} times"


def ended_before(versions: list[Version], other: Version) -> bool:
    states = [version["state"]["kind"] for version in versions if version.entry.lsn < other.entry.lsn]
    return bool(states) and states[-1] in ENDED


def number_of(versions: list[Version]) -> int:
    """Of a durable action."""
    return int(json.loads(versions[0]["args"])["number"])


def durable_actions(found: Found) -> Iterator[str]:
    steps: dict[str, dict[int, list[Version]]] = {}
    for _, versions in found.history.rows("_steps"):
        of_action = steps.setdefault(versions[0]["action"], {})
        if of_action.setdefault(versions[0]["position"], versions) is not versions:
            yield f"step {versions[0].document} is recorded twice"
    numbers = Counter(number_of(versions) for _, versions in found.history.rows("_durable_actions"))
    yield from (f"durable action {number} was begun {count} times" for number, count in numbers.items() if count > 1)
    for id, versions in found.history.rows("_durable_actions"):
        number, states = number_of(versions), [version["state"] for version in versions]
        if states[-1] != "done" or set(states[:-1]) - {"running", "waiting"}:
            yield f"durable action {number}: {' > '.join(states)}"
        names = [taken[-1]["name"] for _, taken in sorted(steps.get(id, {}).items())]
        if names != ["outside 0", "charge 0", "sleep", "outside 1", "charge 1"]:
            yield f"durable action {number} took the steps {names}"
            continue
        yield from steps_of(found, number, versions[0], [taken for _, taken in sorted(steps[id].items())])
    done = {number_of(versions) for _, versions in found.history.rows("_durable_actions")}
    for order in found.history.newest("orders"):
        id = order["jobs"].get("place")
        if id and order["number"] not in done and states_of(found, id)[-1] == "success":
            yield f"durable action {order['number']} counts as done, and was never begun"


def steps_of(found: Found, number: int, begun: Version, steps: list[list[Version]]) -> Iterator[str]:
    """Each recorded once, in order; what it did came before its record, and never again."""
    before = begun
    for versions in steps:
        last = versions[-1]
        which = f"step `{last['name']}` of durable action {number}"
        states = [version["state"] for version in versions]
        if states != ["waiting"] * (len(states) - 1) + ["done"]:
            yield f"{which}: {' > '.join(states)}"
        if last.time_ms < before.time_ms:
            yield f"{which} is recorded before the one before it"
        kind, _, step = last["name"].partition(" ")
        if kind == "outside":
            yield from step_outside(found.traces(f"step {number} {step}"), which, number + int(step), before, versions)
        elif kind == "charge":
            charges = [
                version
                for version in found.history.newest("charges")
                if (version["number"], version["step"]) == (number, int(step))
            ]
            if [version.entry for version in charges] != [last.entry]:
                yield f"{which}: done {len(charges)} times, or in another entry than its record"
        elif last.time_ms < versions[0]["until"] - SLACK_MS:
            yield f"{which} ended too early"
        before = last


def step_outside(traces: list[float], which: str, sum: int, before: Version, versions: list[Version]) -> Iterator[str]:
    fails = FAILS if sum % 3 == 0 else 0
    if len([trace for trace in traces if trace <= versions[-1].time_ms + SLACK_MS]) <= fails:
        yield f"{which} is recorded as done, and was not done before that: {traces}, {versions[-1].time_ms}"
    if traces and traces[-1] > versions[-1].time_ms + SLACK_MS:
        yield f"{which} was done again after it was recorded"
    if traces and traces[0] < before.time_ms - SLACK_MS:
        yield f"{which} was done before the step before it was recorded"
    attempts = [version["attempts"] for version in versions]
    if attempts != sorted(attempts) or attempts[-1] > fails:
        yield f"{which} was tried again {attempts} times, and fails {fails} times"


def sessions(found: Found) -> Iterator[str]:
    """Each that began has ended, and no other has."""
    told: dict[str, list[str]] = {}
    for visit in sorted(found.history.newest("visits"), key=lambda visit: visit.entry.lsn):
        told.setdefault(visit["session"], []).append(visit["what"])
    for session, answered in found.record.visited.items():
        if told.get(session, []) not in ([["came", "left"]] if answered else [["came", "left"], []]):
            yield f"session {session} (answered: {answered}) is told as {told.get(session, [])}"
    if told.keys() - found.record.visited.keys():
        yield f"nobody had the sessions {told.keys() - found.record.visited.keys()}"


def files(found: Found) -> Iterator[str]:
    """Every row has its bytes, and no bytes are without a row; what was stored is there until it is deleted."""
    rows = {version["_id"]: version for version in found.history.newest("_storage")}
    there = {path.name: path for path in found.files.iterdir()} if found.files.exists() else {}
    for id, row in rows.items():
        path = there.get(row["internalId"])
        data = path.read_bytes() if path is not None else None
        if data is None or len(data) != row["size"] or b64encode(sha256(data).digest()).decode() != row["sha256"]:
            yield f"file {id} has a row, and not its bytes: {data is not None and len(data)} of {row['size']}"
    if extra := there.keys() - {row["internalId"] for row in rows.values()}:
        yield f"bytes without a row: {extra}"
    attached = {version["number"]: version["file"] for version in found.history.newest("uploads")}
    for number, uploaded in found.record.uploaded.items():
        row_of = rows.get(uploaded.id)
        if row_of is None and not uploaded.dropping:
            yield f"file {number} was acknowledged to be stored, and is not"
        if row_of is not None and row_of["sha256"] != b64encode(sha256(uploaded.data).digest()).decode():
            yield f"file {number} is another one than was uploaded"
        if uploaded.dropped and (row_of is not None or number in attached):
            yield f"file {number} was acknowledged to be deleted, and is there"
        if uploaded.attached and not uploaded.dropping and attached.get(number) != uploaded.id:
            yield f"the document of file {number} was acknowledged, and is lost"
    for number, id in attached.items():
        if id not in rows:
            yield f"the file of document {number} is gone, and the document is not"
    for order in found.history.newest("orders"):
        id = order["jobs"].get("keep")
        if id and states_of(found, id)[-1] == "success" and order["number"] not in attached:
            yield f"the file of order {order['number']} counts as stored, and is not there"


CHECKS: tuple[Check, ...] = (what_was_acknowledged, scheduled_functions, crons, durable_actions, sessions, files)
