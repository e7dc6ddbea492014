"""What is asked after an acknowledgement comes after its commit, for mutations and for queries."""

from __future__ import annotations

from collections.abc import Iterator

from ..history import History
from ..trace import Answered, Done, Opened, Shown, Subscribed
from .violation import Violation

NAME = "order"


def check(history: History) -> Iterator[Violation]:
    asked = history.asked()
    newest: dict[int, int] = {}
    """Of what each client was shown."""
    for position, (_, event) in enumerate(history.events):
        match event:
            case Answered(client, request, ts) if ts is not None:
                floor = history.floors[asked[client, request][0]]
                # One that wrote nothing may have an entry of its own, made later: see `durability`.
                entry = history.entry_of(client, request)
                writes = entry is not None and entry.ts == ts
                if ts < (floor if writes else history.behind(floor)) or (writes and ts == floor):
                    problem = f"request {request} of client {client} is of {ts}; {floor} was known when it was made"
                    yield Violation(NAME, "commits follow what was acknowledged", problem, position)
            case Done(client, request, ts, shown_ts) if ts is not None and shown_ts < ts:
                problem = f"request {request} of client {client} is of {ts}; shown is {shown_ts}"
                yield Violation(NAME, "clients see what they wrote", problem, position)
            case Shown(client, _, ts):
                if ts < newest.get(client, 0):
                    problem = f"client {client} is shown {ts} after {newest[client]}"
                    yield Violation(NAME, "what is shown does not go back", problem, position)
                newest[client] = max(newest.get(client, 0), ts)
            case _:
                pass
    yield from check_first_results(history)


def check_first_results(history: History) -> Iterator[Violation]:
    """The first result of a query on a socket is at least of what was acknowledged when it was asked for."""
    opened: dict[int, int] = {}
    subscribed: dict[tuple[int, int], int] = {}
    for position, (_, event) in enumerate(history.events):
        match event:
            case Opened(client):
                opened[client] = history.floors[position]
            case Subscribed(client, query):
                subscribed[client, query] = history.floors[position]
            case Shown(client, _, ts, _, first):
                for query in first:
                    floor = max(opened[client], subscribed[client, query])
                    if ts < floor:
                        problem = f"query {query} of client {client} is of {ts}; {floor} was known when it was asked"
                        yield Violation(NAME, "queries see what was acknowledged", problem, position)
            case _:
                pass
