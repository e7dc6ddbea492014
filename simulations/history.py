"""The log, executed again on the model: what the state was at every entry.

entry ──> model function ──> its result, and the state ── compared ── the entry's result and documents
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from attrs import Factory, define, frozen

from ..engine.execution.scheduled import SCHEDULE
from ..log.entry import Entry, Kind
from ..protocol import cbor, json
from .apps import version_of
from .client import session_id
from .fold import SYSTEM, Change, Fold
from .model import items, timers
from .model.rows import NUMBER, Ref, Refusal, Row
from .model.state import State
from .run import Run
from .trace import Answered, Asked, Event, Started, Wrote


@frozen
class Answer:
    """What a query gave, and the tables from which it came."""

    rows: dict[str, tuple[Row, ...]]
    version: int
    result: bytes

    def holds(self, state: State) -> bool:
        tables = state.tables
        return self.version == tables.version and all(
            tables.by_name.get(name, ()) is rows for name, rows in self.rows.items()
        )


@define(eq=False)
class History:
    run: Run
    states: list[State] = Factory(lambda: [State()])
    """After each entry, by LSN; the first is before all."""
    times: list[int] = Factory(lambda: [0])
    """Of each entry, by LSN."""
    changes: list[tuple[Change, ...]] = Factory(lambda: [()])
    """Of each entry, by LSN."""
    fold: Fold = Factory(Fold)
    """The documents at the end."""
    unlike: list[str] = Factory(list[str])
    """Where the log is not what the model makes of it."""
    by_request: dict[tuple[bytes, int], list[Entry]] = Factory(dict[tuple[bytes, int], list[Entry]])
    floors: list[int] = Factory(list[int])
    """Before each event: the time of the newest entry that anybody had been told of.

    An answer may be of a time between two entries, and says no more than the one before it."""
    durable: list[int] = Factory(list[int])
    """Before each event: the newest entry that had been written."""
    ids: dict[int, str] = Factory(dict[int, str])
    """Of the model's rows, by their number."""
    answers: dict[str, Answer] = Factory(dict[str, Answer])
    """The newest to each question."""

    @property
    def events(self) -> list[tuple[int, Event]]:
        return self.run.trace.events

    def lsn_at(self, ts: int) -> int:
        """The newest entry at that time."""
        return bisect_right(self.times, ts) - 1

    def behind(self, ts: int) -> int:
        """The time before which no mutation runs that is asked for at ``ts`` and writes nothing.

        Of a second executor that is behind; what it writes is validated, and then it is of its commit."""
        lag = self.run.plan.knobs.follower_lag
        return ts if not lag else self.times[max(0, self.lsn_at(ts) - lag)]

    def answer(self, lsn: int, path: str, args: dict[str, Any]) -> bytes:
        """What a query gives as of an entry, as the JSON that clients see."""
        question, state = f"{path} {args}", self.states[lsn]
        known = self.answers.get(question)
        if known is None or not known.holds(state):
            tables = state.tables
            tables.looked.clear()
            result = json.encode(state.query(path, args))
            rows = {name: tables.by_name.get(name, ()) for name in tables.looked}
            known = self.answers[question] = Answer(rows, tables.version, result)
        return known.result

    def entry_of(self, client: int, request: int) -> Entry | None:
        found = self.by_request.get((session_id(self.run.plan.seed, client), request))
        return found[0] if found else None

    def asked(self) -> dict[tuple[int, int], tuple[int, Asked]]:
        """By client and request: the position of the event, and the event."""
        return {
            (event.client, event.request): (position, event)
            for position, (_, event) in enumerate(self.events)
            if isinstance(event, Asked)
        }


def history_of(run: Run) -> History:
    history = History(run)
    fold = history.fold
    for entry in run.entries:
        fold.apply(entry)
        history.changes.append(fold.changed)
        history.states.append(history.states[-1].copy())
        history.times.append(entry.ts)
        if entry.session is not None and entry.request is not None:
            history.by_request.setdefault((entry.session, entry.request), []).append(entry)
        if not history.unlike:
            # What follows from the first difference says nothing more.
            execute(history, entry, fold)
    history.unlike += fold.problems
    note_events(history)
    return history


def execute(history: History, entry: Entry, fold: Fold) -> None:
    state = history.states[-1]
    if entry.kind is Kind.DEPLOY:
        state.tables.version = version_of(entry.code)
    elif entry.kind is Kind.SYSTEM:
        migrate(history, entry)
        take_over(history)
    elif entry.kind is Kind.MUTATION:
        args: Any = cbor.decode(entry.args)
        where = f"entry {entry.lsn}, {entry.function} with {args}"
        try:
            result = json.encode(state.mutate(entry.function, args))
        except Refusal:
            history.unlike.append(f"{where}: it must be refused, and is in the log")
            return
        if entry.cause.kind == SCHEDULE:
            complete(history, entry.cause.id)
        state.stamp(entry.ts)
        if entry.result is not None and entry.result != result:
            history.unlike.append(f"{where}: its result is {entry.result!r}, and must be {result!r}")
    compare(history, entry, fold)


def migrate(history: History, entry: Entry) -> None:
    """What a step of a migration does to the documents that it wrote."""
    state = history.states[-1]
    written = {write.id for write in entry.writes if write.table == items.ITEMS}
    for row in state.tables.rows(items.ITEMS):
        if history.ids.get(row[NUMBER]) in written:
            items.repaint(state.tables, row)


def take_over(history: History) -> None:
    """What the system itself does to jobs."""
    tables = history.states[-1].tables
    for change in history.changes[-1]:
        if change.table != timers.JOBS:
            continue
        row = row_of(history, change.id)
        if change.new is None:
            if row is not None:
                tables.delete(timers.JOBS, row)
        elif row is None:
            tables.insert(timers.JOBS, **timers.of(history.fold.decode(change.new)))
        else:
            tables.patch(timers.JOBS, row, **timers.of(history.fold.decode(change.new)))


def complete(history: History, job: str) -> None:
    """A job that is a mutation has run, and done nothing about itself."""
    row = row_of(history, job)
    if row is not None and row["state"] == timers.PENDING:
        history.states[-1].tables.patch(timers.JOBS, row, state=timers.SUCCESS)


def row_of(history: History, id: str) -> Row | None:
    """The model's row of a document."""
    rows = history.states[-1].tables.rows(timers.JOBS)
    return next((row for row in rows if history.ids.get(row[NUMBER]) == id), None)


def compare(history: History, entry: Entry, fold: Fold) -> None:
    """The tables that the entry wrote, or the model, must be the same."""
    now, before = history.states[-1].tables.by_name, history.states[-2].tables.by_name
    touched = {write.table for write in entry.writes if is_modelled(write.table)}
    touched |= {name for name, rows in now.items() if rows is not before.get(name, ())}
    for table in sorted(touched):
        rows, found = now.get(table, ()), fold.whole(table)
        for row, document in zip(rows, found, strict=False):
            history.ids.setdefault(row[NUMBER], document["_id"])
        expected = [{"_id": history.ids.get(row[NUMBER]), **public(history, row)} for row in rows]
        plain = [plain_of(table, document) for document in found]
        if plain != expected:
            history.unlike.append(f"entry {entry.lsn}, {entry.function}: {table} is {plain}, and must be {expected}")


def is_modelled(table: str) -> bool:
    return table == timers.JOBS or not table.startswith(SYSTEM)


def public(history: History, row: Row) -> Row:
    return {
        name: history.ids.get(value.number) if isinstance(value, Ref) else value
        for name, value in row.items()
        if name != NUMBER
    }


def plain_of(table: str, document: dict[str, Any]) -> dict[str, Any]:
    """Without what the model does not know."""
    if table == timers.JOBS:
        return {"_id": document["_id"], **timers.of(document)}
    return {name: value for name, value in document.items() if name != "_creationTime"}


def note_events(history: History) -> None:
    floor = durable = 0
    for _, event in history.events:
        history.floors.append(floor)
        history.durable.append(durable)
        if isinstance(event, Answered) and event.ts is not None:
            floor = max(floor, history.times[min(history.lsn_at(event.ts), durable, len(history.times) - 1)])
        elif isinstance(event, Wrote | Started):
            # What was recovered has been made durable, too.
            durable = event.lsn
