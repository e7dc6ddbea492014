"""Jobs: the oldest waits the shortest."""

from __future__ import annotations

from .rows import Refusal, Tables

JOBS = "jobs"
WAITING, CLAIMED, DONE = "waiting", "claimed", "done"


def add(tables: Tables, number: int) -> None:
    tables.insert(JOBS, number=number, state=WAITING, worker="")


def claim(tables: Tables, worker: str) -> int | None:
    job = tables.first(JOBS, state=WAITING)
    if job is None:
        return None
    tables.patch(JOBS, job, state=CLAIMED, worker=worker)
    number: int = job["number"]
    return number


def finish(tables: Tables, worker: str) -> int:
    job = tables.first(JOBS, state=CLAIMED, worker=worker)
    if job is None:
        raise Refusal
    tables.patch(JOBS, job, state=DONE)
    number: int = job["number"]
    return number


def in_state(tables: Tables, state: str) -> list[int]:
    return [row["number"] for row in tables.where(JOBS, state=state)]


def is_idle(tables: Tables) -> bool:
    return tables.first(JOBS, state=WAITING) is None
