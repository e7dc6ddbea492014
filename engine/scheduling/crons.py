"""Rows of crons: written by the deploys that declare them, by the mutations that add them, and by each run.

    deploy ──> a row for each cron ──> due ──> a scheduled function, and the time of the next run: one entry
                                          └──> the last run has not ended: skipped, and the time of the next run

Invariants
    * Of each cron at most one run is under way, or waits for its turn.
    * A deploy that leaves the schedule of a cron as it is leaves the time of its next run as it is; and it leaves
      those that mutations have added as they are, unless the code declares one of the same name from now on.
    * The time of the next run is written in the entry that begins a run, so no run happens twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast

from attrs import define

from ...protocol.order import sort_key
from ...protocol.values import Value, equal
from ..application.crons import Cron
from ..data.documents import to_value
from ..data.system_tables import CODECS, NUMBERS, CronJob
from ..execution.executor import Executor
from ..execution.system_writes import SystemCtx
from ..transactions.cron_schedules import schedule_of
from ..transactions.mutation_run import MutationRun
from ..transactions.range_query import BEYOND
from ..transactions.scheduling import at, job_of, schedule

CRONS = CronJob.__table__
CRON = "cron"
"""The kind of the cause."""


def plan(run: MutationRun, crons: dict[str, Cron]) -> None:
    """Make the rows those of another version of the app, in the entry of its deploy."""
    codec, now = CODECS[CRONS], run.run.clock_ns / 1e6
    rows = {row.name: row for row in rows_of(run)}
    for name in rows.keys() - crons.keys():
        if rows[name].undeclared is not True:
            run.remove(CRONS, rows[name].id)
    for name, cron in crons.items():
        row = rows.get(name)
        fields: dict[str, Value]
        if row is None:
            id, creation_time = run.mint(NUMBERS[CRONS])
            fields = {"_id": id, "_creationTime": creation_time, "skipped": 0}
        else:
            fields = cast("dict[str, Value]", to_value(row))
        before = dict(fields)
        fields.pop("undeclared", None)
        if row is None or row.schedule != cron.schedule.text:
            fields["nextRun"] = cron.schedule.first(now)
        fields |= {"name": name, "schedule": cron.schedule.text, "function": cron.path, "args": [cron.args]}
        if not equal(fields, before):
            run.put(codec, fields)


def rows_of(run: MutationRun) -> list[CronJob]:
    documents = [version.document for version in run.transaction.tables.table(CRONS).versions.values()]
    return [document for document in documents if isinstance(document, CronJob)]


@define(eq=False)
class CronRuns:
    executor: Executor

    def rows(self) -> list[CronJob]:
        """As of the newest commit."""
        return list(self.upcoming())

    def upcoming(self, until: float | None = None) -> Iterator[CronJob]:
        """In the order of their next runs; those that are due at a time, if one is given."""
        index = self.executor.runtime.tables.table(CRONS).index(CronJob.by_next_run.name)
        for key in index.scan(b"", None if until is None else sort_key(until) + BEYOND):
            row = index.entries[key].document
            assert isinstance(row, CronJob)
            yield row

    def next_due(self) -> float | None:
        return next((row.next_run for row in self.upcoming()), None)

    def begin(self, now: float, *, skip: bool = False) -> int:
        """Begin a run of each cron that is due, or skip all of them; how many were due.  Raises WritesRefused."""
        due = sorted(self.upcoming(now), key=lambda row: (row.next_run, row.name))
        for row in due:
            note = partial(begin, id=row.id, skip=skip)
            self.executor.write(row.function, CRON, note, {"cron": row.name}, row.name)
        return len(due)


async def begin(ctx: SystemCtx, id: str, skip: bool) -> None:
    run = ctx._run
    now = run.run.clock_ns / 1e6
    version = run.transaction.get(CRONS, id)
    row = version.document if version is not None else None
    if not isinstance(row, CronJob) or row.next_run > now:
        return  # Another deploy, a moment ago.
    upcoming, missed = schedule_of(row.schedule).after(row.next_run, now)
    fields = cast("dict[str, Value]", to_value(row))
    last = job_of(run, str(row.last_job)) if row.last_job is not None else None
    under_way = last is not None and last.state.kind in ("pending", "inProgress")
    if skip or under_way:
        missed += 1
        why = "the one before has not ended" if under_way else "the deployment was paused"
    else:
        why = "nothing ran at the time"
        (args,) = cast("list[Value]", fields["args"])
        fields |= {"lastRun": now, "lastJob": schedule(run, partial(at, now), row.function, args)}
    if missed:
        runs = "1 run was" if missed == 1 else f"{missed:,} runs were"
        run.run.logs.append(("WARN", f"cron {row.name}: {runs} skipped, for {why}"))
    fields |= {"nextRun": upcoming, "skipped": row.skipped + missed}
    run.put(CODECS[CRONS], fields)
