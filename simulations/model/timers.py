"""What runs later.

The rows of the jobs are the engine's own; what mutations do to them is said here, and what the system does by itself
is taken over from the log: whether it may do so, the checker of schedules says.
"""

from __future__ import annotations

from .rows import Refusal, Row, Tables

TIMERS, MARKS, BEATS = "timers", "marks", "beats"
JOBS = "_scheduled_functions"
PENDING, RUNNING, CANCELED, SUCCESS = "pending", "inProgress", "canceled", "success"


def schedule(tables: Tables, name: str, number: int, state: str = PENDING) -> None:
    tables.insert(JOBS, name=f"timers:{name}", number=number, state=state)


def start(tables: Tables, number: int, kind: str, ms: int) -> None:
    tables.insert(TIMERS, number=number, times=0)
    schedule(tables, kind, number)


def cancel(tables: Tables, number: int) -> bool:
    for job in tables.rows(JOBS):
        if job["number"] == number and job["state"] in (PENDING, RUNNING):
            tables.patch(JOBS, job, state=CANCELED)
            return True
    return False


def fire(tables: Tables, number: int) -> None:
    timer = tables.first(TIMERS, number=number)
    assert timer is not None
    tables.patch(TIMERS, timer, times=timer["times"] + 1)


def fail(tables: Tables, number: int) -> None:
    raise Refusal


def chain(tables: Tables, number: int) -> None:
    fire(tables, number)
    schedule(tables, "fire", number)


def mark(tables: Tables, number: int, position: int) -> None:
    tables.insert(MARKS, number=number, position=position)


def beat(tables: Tables, name: str) -> None:
    found = tables.first(BEATS, name=name)
    if found is None:
        tables.insert(BEATS, name=name, times=1)
    else:
        tables.patch(BEATS, found, times=found["times"] + 1)


def times(tables: Tables) -> list[list[int]]:
    return [[row["number"], row["times"]] for row in tables.rows(TIMERS)]


def in_state(tables: Tables, state: str) -> int:
    return len(tables.where(JOBS, state=state))


def jobs(tables: Tables) -> list[str]:
    return [f"{row['name']} {row['state']}" for row in tables.rows(JOBS)]


def newest(tables: Tables) -> str | None:
    rows = tables.rows(JOBS)
    state: str | None = rows[-1]["state"] if rows else None
    return state


def marks(tables: Tables) -> list[list[int]]:
    return [[row["number"], row["position"]] for row in tables.rows(MARKS)]


def of(document: Row) -> Row:
    """What the model knows of a job that the log holds."""
    number = document["args"][0].get("number")
    return {"name": document["name"], "number": number, "state": document["state"]["kind"]}
