"""Functions for later, and again and again: what commits together, what never runs twice, who waits for whom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import trio
from relive.actors import committer
from relive.engine.actions.actions import Actions
from relive.engine.application.app import App, load_bundle
from relive.engine.application.bundle import bundle_of
from relive.engine.errors import TooManyActions
from relive.engine.scheduling import backoff, driver
from relive.engine.scheduling.jobs import INTERRUPTED, Jobs
from relive.log.entry import FIRST_LSN, Entry, Kind
from relive.log.memory import MemoryStorage

from relive import FunctionFailed
from relive.testing import TestApp

from ..server.harness import Running, eventually, serve

SOURCE = """
from typing import Any

import trio
from relive import *
from relive import ScheduledFunction

class Note(Document, table="notes"):
    text: str

@query
async def notes(ctx: QueryCtx) -> list[str]:
    return [note.text for note in await ctx.db.query(Note).collect()]

@internal_mutation
async def put(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert(Note(text=text))

@internal_mutation
async def put_much(ctx: MutationCtx, characters: int) -> None:
    await ctx.db.insert(Note(text="x" * characters))

@internal_mutation
async def put_and_refuse(ctx: MutationCtx) -> None:
    await ctx.db.insert(Note(text="never"))
    raise ApplicationError("no")

@internal_mutation
async def put_who(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert(Note(text=f"{text} {await ctx.auth.get_user_identity()}"))

@internal_action
async def begins(ctx: ActionCtx) -> None:
    await ctx.run_mutation(put, "begun")
    await trio.sleep_forever()

@internal_action
async def cancels_itself(ctx: ActionCtx) -> None:
    await ctx.scheduler.cancel(ctx.meta.scheduled_function_id)
    await ctx.scheduler.run_after(0, put, "by the action")
    await ctx.run_mutation(later, "main:put", {"text": "by a mutation of it"})

@mutation
async def later(ctx: MutationCtx, function: str, args: dict[str, Any], seconds: float = 0) -> str:
    return await ctx.scheduler.run_after(seconds, function, args)

@mutation
async def stand_in_line(ctx: MutationCtx, first: int, others: int) -> None:
    await ctx.scheduler.run_after(0, put_much, first)
    for _ in range(others):
        await ctx.scheduler.run_after(0.001, put, "a")

@mutation
async def later_and_refuse(ctx: MutationCtx) -> None:
    await ctx.scheduler.run_after(0, put, "never")
    raise ApplicationError("no")

@mutation
async def cancel(ctx: MutationCtx, id: Id[ScheduledFunction]) -> None:
    await ctx.scheduler.cancel(id)

crons = Crons()
""".replace(
    "from relive import *", "from typing import Any\nfrom relive import *\nfrom relive import ScheduledFunction"
)
START = datetime(2024, 1, 1, 12, 30, tzinfo=UTC)
MUCH = 900_000


def source(*crons: str) -> dict[str, str]:
    return {"main": SOURCE + "\n".join(f"crons.{each}" for each in crons)}


@pytest.fixture
def app() -> Iterator[TestApp]:
    with TestApp(source(), start=START) as app:
        yield app


def later(app: TestApp, path: str, args: dict[str, Any] | None = None, seconds: float = 0) -> str:
    id: str = app.mutation("main:later", function=f"main:{path}", args=args or {}, seconds=seconds)
    return id


def rows(app: TestApp) -> list[dict[str, Any]]:
    return app.documents("_scheduled_functions")


def states(app: TestApp) -> list[str]:
    return [row["state"]["kind"] for row in rows(app)]


def notes(app: TestApp) -> list[str]:
    found: list[str] = app.query("main:notes")
    return found


def entries(app: TestApp) -> list[Entry]:
    return list(app._database.log.reader.entries(FIRST_LSN))


def served(*crons: str) -> App:
    return load_bundle("traps", bundle_of("traps", {"main": source(*crons)["main"].encode()}))


def jobs_of(running: Running) -> dict[str, str]:
    """State of each job, by its function."""
    return {job.row.name: job.row.state.kind for job in running.database.schedules.jobs.all()}


def texts(running: Running) -> list[str]:
    versions = running.database.runtime.tables.table("notes").versions.values()
    return [version.document.text for version in versions]  # type: ignore[attr-defined]


def test_schedule_rows_are_written_in_the_same_transaction_and_even_run_after_0_waits_for_its_commit(
    app: TestApp,
) -> None:
    with pytest.raises(Exception, match="no"):
        app.mutation("main:later_and_refuse")
    assert rows(app) == []

    id = later(app, "put", {"text": "a"}, seconds=30)
    later(app, "put", {"text": "b"})
    (row, now) = rows(app)
    scheduling, _ = (entry for entry in entries(app) if entry.function == "main:later")
    # The time is that of the function's own clock, which stands still, and not of the moment of the call.
    assert row["scheduledTime"] == scheduling.clock / 1e6 + 30_000
    assert [write.id for write in scheduling.writes] == [id]
    assert (notes(app), now["state"]) == ([], {"kind": "pending"})
    app.run_scheduled()
    assert notes(app) == ["b"]


def test_a_scheduled_mutation_is_complete_in_the_commit_of_its_effects_and_one_that_fails_in_a_fresh_one(
    app: TestApp,
) -> None:
    done, failed = later(app, "put", {"text": "a"}), later(app, "put_and_refuse")
    app.run_scheduled()
    (effects,) = [entry for entry in entries(app) if entry.function == "main:put"]
    (failure,) = [entry for entry in entries(app) if entry.function == "main:put_and_refuse"]

    assert [(write.table, write.id == done) for write in effects.writes] == [
        ("notes", False),
        ("_scheduled_functions", True),
    ]
    assert (failure.kind, [write.id for write in failure.writes]) == (Kind.SYSTEM, [failed])
    assert (states(app), notes(app)) == (["success", "failed"], ["a"])


async def test_a_scheduled_action_is_in_progress_before_it_begins_and_after_a_restart_failed_not_run_again() -> None:
    storage = MemoryStorage()
    async with serve(served(), storage) as running, running.client() as client:
        await client.connect()
        await client.answered(0, "main:later", function="main:begins", args={})
        await eventually(lambda: texts(running) == ["begun"])
        assert jobs_of(running) == {"main:begins": "inProgress"}
        await running.database.runtime.wait_durable(running.database.runtime.tail.head)
        crashed = storage.copy()
        crashed.crash()
        running.database.actions.limits = type(running.database.actions.limits)(stop_s=0.01, cancel_s=0.01)
    async with serve(None, crashed) as running:
        await eventually(lambda: jobs_of(running) == {"main:begins": "failed"})
        (job,) = running.database.schedules.jobs.all()
        assert job.row.state.error == INTERRUPTED
        assert texts(running) == ["begun"]


def test_before_a_job_runs_its_row_is_looked_at_again_for_it_may_be_cancelled_meanwhile(
    app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = later(app, "put", {"text": "a"})
    mutate = Jobs.mutate

    def a_moment_later(self: Jobs, job: Any) -> Any:
        app.mutation("main:cancel", id=id)  # Whoever begins it has looked, and the transaction has not begun.
        return mutate(self, job)

    monkeypatch.setattr(Jobs, "mutate", a_moment_later)
    app.run_scheduled()
    assert (states(app), notes(app)) == (["canceled"], [])


def test_what_a_cancelled_parent_schedules_from_then_on_is_cancelled_too(app: TestApp) -> None:
    later(app, "cancels_itself")
    app.finish_all_scheduled()
    assert (states(app), notes(app)) == (["canceled"] * 3, [])


def test_functions_and_arguments_are_checked_when_they_are_scheduled_and_one_that_is_gone_then_is_a_failed_job(
    app: TestApp,
) -> None:
    for path, args in (("nothing", {}), ("notes", {}), ("put", {}), ("put", {"text": 1})):
        with pytest.raises(FunctionFailed):
            later(app, path, args)
    assert rows(app) == []

    later(app, "put", {"text": "a"}, seconds=5)
    later(app, "put_who", {"text": "b"}, seconds=6)
    app.deploy({"main": SOURCE.replace("def put(", "def put_away(").replace("put,", "put_away,")})
    app.advance(10)
    app.run_scheduled()
    assert states(app) == ["failed", "success"]
    assert "main:put" in rows(app)[0]["state"]["error"]


async def test_crons_run_one_at_a_time_skip_what_is_past_due_and_say_so_and_know_nobody() -> None:
    every = 'every("tick", 60, put_who, {"text": "tick"})'
    with TestApp(source(every, 'daily("day", put, {"text": "day"}, hour_utc=8)'), start=START) as app:
        app.sign_in(subject="ada")
        app.run_scheduled()  # The first run of an interval is at the deploy.
        assert notes(app) == ["tick None"]
        planned = {row["name"]: row["nextRun"] for row in app.documents("_cron_jobs")}
        app.advance(3 * 86_400)
        app.run_scheduled()
        after = {row["name"]: row for row in app.documents("_cron_jobs")}

    late = after["tick"]["nextRun"] - planned["tick"]
    assert (late % 60_000, after["tick"]["skipped"]) == (0, late // 60_000 - 1)
    assert datetime.fromtimestamp(after["day"]["nextRun"] / 1000, UTC).replace(minute=0, second=0) == datetime(
        2024, 1, 5, 8, tzinfo=UTC
    )

    async with serve(served('every("slow", 1, begins)')) as running:
        running.database.actions.limits = type(running.database.actions.limits)(stop_s=0.01, cancel_s=0.01)
        await eventually(lambda: running.database.schedules.crons.rows()[0].skipped > 0)
        assert jobs_of(running) == {"main:begins": "inProgress"}
        lines = [line for each in running.database.executor.executions.after(0) for line in each.log_lines]
        assert "[WARN] 'cron slow: 1 run was skipped, for the one before has not ended'" in lines


def test_a_redeploy_plans_a_cron_anew_only_if_its_schedule_has_changed_and_removes_those_without_a_name() -> None:
    with TestApp(source('every("a", 60, put, {"text": "a"})', 'every("b", 60, put, {"text": "b"})')) as app:
        app.run_scheduled()
        app.advance(20)
        a, b = app.documents("_cron_jobs")
        app.deploy(source('every("a", 60, put_who, {"text": "c"})', 'every("c", 60, put, {"text": "c"})'))
        kept, new = app.documents("_cron_jobs")
        assert (kept["_id"], kept["nextRun"], kept["function"]) == (a["_id"], a["nextRun"], "main:put_who")
        assert (new["name"], b["_id"] in (kept["_id"], new["_id"])) == ("c", False)

        app.deploy(source('every("a", 50, put_who, {"text": "c"})'))
        (anew,) = app.documents("_cron_jobs")
        assert (anew["_id"], anew["nextRun"] < kept["nextRun"]) == (a["_id"], True)


async def test_a_job_that_is_tried_again_and_again_backs_off_and_blocks_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(committer, "REFUSE_NS", 1)
    monkeypatch.setattr(driver, "RETRY_S", 0.001)
    monkeypatch.setattr(backoff, "RETRY_S", 0.01)
    storage, attempts, mutate = MemoryStorage(), 0, Jobs.mutate

    def counted(self: Jobs, job: Any) -> Any:
        nonlocal attempts
        attempts += job.row.name == "main:put_much"
        return mutate(self, job)

    monkeypatch.setattr(Jobs, "mutate", counted)
    async with serve(served(), storage) as running, running.client() as client:
        await client.connect()
        schedules = running.database.schedules
        schedules.stopping = True
        await client.answered(0, "main:stand_in_line", first=MUCH, others=20)
        hot = next(job.id for job in schedules.jobs.all() if job.row.name == "main:put_much")
        storage.space = sum(map(storage.size, storage.names())) + MUCH // 2
        schedules.stopping = False
        schedules.wake()
        known = schedules.backoff.refused
        await eventually(lambda: texts(running) == ["a"] * 20 and 4 <= attempts == known[hot].times)
        assert (schedules.is_pending(hot), [*known]) == (True, [hot])
        assert backoff.pause_s(attempts + 1) == 2 * backoff.pause_s(attempts)

        storage.space, until = None, known[hot].until
        await eventually(lambda: not schedules.is_pending(hot))
        assert schedules.now_ms() >= until
        await eventually(lambda: not schedules.backoff.refused)


async def test_actions_without_a_place_wait_and_keep_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "RETRY_S", 0.01)
    async with serve(served()) as running, running.client() as client:
        await client.connect()

        def none_left(self: Actions, caller: object) -> None:
            raise TooManyActions(1, 1)

        monkeypatch.setattr(Actions, "require_room", none_left)
        await client.answered(0, "main:later", function="main:cancels_itself", args={})
        await client.answered(1, "main:later", function="main:put", args={"text": "a"})
        await eventually(lambda: texts(running) == ["a"])
        with trio.move_on_after(0.05):
            await trio.sleep_forever()
        assert jobs_of(running) == {"main:cancels_itself": "pending", "main:put": "success"}
        monkeypatch.undo()
        await eventually(lambda: jobs_of(running)["main:cancels_itself"] == "canceled")
