"""Every job that was handed in is done once at most, by whoever it was given to, and none is lost.

From what clients were told, and from the jobs that the log leaves at the end: answers say who handed in, got and
finished which job, and the log says where each of them ended up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from attrs import Factory, define

from ..history import History
from ..trace import Answered
from .violation import Violation

NAME = "jobs"
ADD, CLAIM, FINISH = "queues:add", "queues:claim", "queues:finish"
JOBS = "jobs"
STATES: Final = {ADD: ("waiting", "claimed", "done"), CLAIM: ("claimed", "done"), FINISH: ("done",)}
"""In which of them a job may be at the end of which that much was told."""

Request = tuple[int, int]
"""Client and number."""


@define
class Book:
    """What was told of jobs, by number of the job."""

    requested: set[int] = Factory(set[int])
    """Whatever became of it."""
    added: dict[int, Request] = Factory(dict[int, Request])
    claimed: dict[int, tuple[Request, str]] = Factory(dict[int, tuple[Request, str]])
    finished: dict[int, tuple[Request, str]] = Factory(dict[int, tuple[Request, str]])


def check(history: History) -> Iterator[Violation]:
    asked = history.asked()
    numbers = [question.args["number"] for _, question in asked.values() if question.path == ADD]
    book = Book(set(numbers))
    if len(book.requested) < len(numbers):
        return  # A plan that was made smaller hands in two jobs of one number: nobody can tell them apart.
    for position, (_, event) in enumerate(history.events):
        if isinstance(event, Answered) and event.ts is not None:
            request = event.client, event.request
            question = asked[request][1]
            if question.path == ADD:
                book.added[question.args["number"]] = request
            elif question.path in (CLAIM, FINISH):
                told: Any = json.loads(event.result)
                if told is not None:
                    yield from note(book, request, question.path, int(told), question.args["worker"], position)
    yield from check_end(history, book)


def note(book: Book, request: Request, path: str, job: int, worker: str, position: int) -> Iterator[Violation]:
    """One worker got a job, or finished it."""
    who = f"request {request[1]} of client {request[0]}, for {worker},"
    if job not in book.requested:
        yield Violation(
            NAME, "jobs are those that were handed in", f"{who} got {job}, which nobody handed in", position
        )
    known = book.claimed if path == CLAIM else book.finished
    verb = "got" if path == CLAIM else "finished"
    before = known.setdefault(job, (request, worker))
    if before[0] != request:
        first = f"request {before[0][1]} of client {before[0][0]}, for {before[1]}"
        yield Violation(NAME, f"nobody {verb} a job twice", f"{who} {verb} {job}, and so did {first}", position)
    if path == FINISH and job in book.claimed and book.claimed[job][1] != worker:
        problem = f"{who} finished {job}, which was given to {book.claimed[job][1]}"
        yield Violation(NAME, "a job is finished by whom it was given to", problem, position)


def check_end(history: History, book: Book) -> Iterator[Violation]:
    """Where the log has left each job."""
    rows = history.fold.rows(JOBS)
    found = {int(row["number"]): row["state"] for row in rows}
    if len(found) < len(rows):
        yield Violation(NAME, "a job is there once", f"of {len(rows)} jobs, only {len(found)} are different ones")
    for path, told in ((ADD, book.added), (CLAIM, book.claimed), (FINISH, book.finished)):
        for job in told:
            state = found.get(job)
            if state is None:
                yield Violation(NAME, "no job is lost", f"{job} was told of by {path}, and is not there at the end")
            elif state not in STATES[path]:
                problem = f"{job} was told of by {path}, and is {state} at the end"
                yield Violation(NAME, "a job does not go back", problem)
