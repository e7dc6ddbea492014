"""Scheduled functions in an app under test: what a transaction schedules, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from relive import FunctionFailed
from relive.testing import TestApp

APP = """
from datetime import datetime, timedelta
from relive import *
from relive import ScheduledFunction

class Note(Document, table="notes"):
    text: str

fate = {"fails": False}

@query
async def notes(ctx: QueryCtx) -> list[str]:
    return [note.text for note in await ctx.db.query(Note).collect()]

@query
async def states(ctx: QueryCtx) -> list[str]:
    return [row.state.kind for row in await ctx.db.system.query(ScheduledFunction).collect()]

@internal_mutation
async def put(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert(Note(text=text))

@internal_mutation
async def who(ctx: MutationCtx) -> None:
    await ctx.db.insert(Note(text=repr(await ctx.auth.get_user_identity())))

@internal_mutation
async def when(ctx: MutationCtx) -> None:
    await ctx.db.insert(Note(text=ctx.now.isoformat()))

@internal_mutation
async def refuse(ctx: MutationCtx) -> None:
    await ctx.db.insert(Note(text="never"))
    raise ApplicationError("no")

@mutation
async def later(ctx: MutationCtx, text: str, seconds: float = 0) -> str:
    return await ctx.scheduler.run_after(seconds, put, text)

@mutation
async def named(ctx: MutationCtx, path: str, args: dict[str, str] | None = None, seconds: float = 0) -> str:
    return await ctx.scheduler.run_after(seconds, path, args or {})

@mutation
async def at(ctx: MutationCtx, seconds: float) -> str:
    return await ctx.scheduler.run_at(ctx.now + timedelta(seconds=seconds), put, "at")

@mutation
async def at_no_place(ctx: MutationCtx) -> str:
    return await ctx.scheduler.run_at(datetime(2024, 1, 1), put, "at")

@mutation
async def schedules_and_fails(ctx: MutationCtx) -> None:
    await ctx.scheduler.run_after(0, put, "never")
    raise ApplicationError("no")

@mutation
async def nested_fails(ctx: MutationCtx) -> None:
    try:
        await ctx.run_mutation(schedules_and_fails)
    except ApplicationError:
        pass
    await ctx.scheduler.run_after(0, put, "outer")

@mutation
async def cancel(ctx: MutationCtx, id: Id[ScheduledFunction]) -> None:
    await ctx.scheduler.cancel(id)

@mutation
async def many(ctx: MutationCtx, count: int, size: int = 1) -> None:
    for _ in range(count):
        await ctx.scheduler.run_after(0, put, "x" * size)

@mutation
async def stamped(ctx: MutationCtx) -> None:
    await ctx.scheduler.run_after(0, "main:put", {"text": COMMIT_TIMESTAMP})

@internal_mutation
async def chain(ctx: MutationCtx, left: int) -> None:
    await ctx.db.insert(Note(text=str(left)))
    if left:
        await ctx.scheduler.run_after(60, chain, left - 1)

@internal_mutation
async def metadata(ctx: MutationCtx) -> None:
    await ctx.db.insert(Note(text=str(ctx.meta.scheduled_function_id)))

@internal_action
async def fetch(ctx: ActionCtx, text: str) -> None:
    await ctx.run_mutation(put, text + " fetched")

@internal_action
async def cancelled_while_it_runs(ctx: ActionCtx) -> None:
    await ctx.scheduler.cancel(ctx.meta.scheduled_function_id)
    await ctx.scheduler.run_after(0, put, "never, by the action")
    await ctx.run_mutation(later, "never, by its mutation")

@action
async def acts(ctx: ActionCtx) -> str:
    first = await ctx.scheduler.run_after(5, put, text="five")
    await ctx.scheduler.run_after(timedelta(seconds=1), fetch, "one")
    await ctx.scheduler.cancel(first)
    return await ctx.scheduler.run_after(3, "main:put", {"text": "three"})

@action(runtime="asyncio")
async def acts_elsewhere(ctx: ActionCtx) -> str:
    return await ctx.scheduler.run_after(3, "main:put", {"text": "elsewhere"})
"""


@pytest.fixture
def app() -> Iterator[TestApp]:
    with TestApp({"main": APP}) as app:
        yield app


def rows(app: TestApp) -> list[dict[str, Any]]:
    return app.documents("_scheduled_functions")


def states(app: TestApp) -> list[str]:
    return [row["state"]["kind"] for row in rows(app)]


def test_a_scheduled_mutation_runs_when_it_is_due_and_not_before(app: TestApp) -> None:
    app.mutation("main:later", text="a", seconds=60)
    assert app.run_scheduled() == 0
    app.advance(59.9)
    assert app.run_scheduled() == 0
    app.advance(0.2)
    assert app.run_scheduled() == 1
    assert app.query("main:notes") == ["a"]
    assert app.run_scheduled() == 0


def test_the_row_says_what_was_scheduled_and_how_it_stands(app: TestApp) -> None:
    now_ms = app.now.timestamp() * 1000
    id = app.mutation("main:later", text="a", seconds=60)
    (row,) = rows(app)
    assert (row["_id"], row["name"], row["args"], row["state"]) == (
        id,
        "main:put",
        [{"text": "a"}],
        {"kind": "pending"},
    )
    assert row["scheduledTime"] == pytest.approx(now_ms + 60_000, abs=1)
    assert "completedTime" not in row

    app.finish_all_scheduled()
    (row,) = rows(app)
    assert row["state"] == {"kind": "success"}
    assert row["completedTime"] >= row["scheduledTime"]


def test_schedule_rows_are_written_in_the_same_transaction(app: TestApp) -> None:
    """Schedule rows are written in the same transaction; what fails has scheduled nothing."""
    with pytest.raises(Exception, match="no"):
        app.mutation("main:schedules_and_fails")
    app.mutation("main:nested_fails")
    assert [row["args"] for row in rows(app)] == [[{"text": "outer"}]]
    app.run_scheduled()
    assert app.query("main:notes") == ["outer"]


def test_the_time_is_computed_from_the_frozen_clock_of_the_function(app: TestApp) -> None:
    app.mutation("main:at", seconds=30)
    app.mutation("main:later", text="a", seconds=30)
    first, second = rows(app)
    assert second["scheduledTime"] - first["scheduledTime"] < 1
    assert first["scheduledTime"] == pytest.approx(first["_creationTime"] + 30_000, abs=0.01)


def test_a_job_sees_a_clock_that_is_not_before_its_time(app: TestApp) -> None:
    app.mutation("main:named", path="main:when", seconds=60)
    app.finish_all_scheduled()
    (row,) = rows(app)
    (seen,) = app.query("main:notes")
    assert datetime.fromisoformat(seen).timestamp() * 1000 >= row["scheduledTime"] - 0.001


def test_a_mutation_that_fails_is_marked_failed_and_its_writes_are_gone(app: TestApp) -> None:
    app.mutation("main:named", path="main:refuse")
    assert app.run_scheduled() == 1
    (row,) = rows(app)
    assert row["state"]["kind"] == "failed"
    assert "Uncaught ConvexError: no" in row["state"]["error"]
    assert app.query("main:notes") == []
    assert app.run_scheduled() == 0


def test_jobs_run_in_the_order_in_which_they_are_due(app: TestApp) -> None:
    for text, seconds in (("c", 3), ("a", 1), ("b", 2), ("a2", 1)):
        app.mutation("main:later", text=text, seconds=seconds)
    app.advance(10)
    app.run_scheduled()
    assert app.query("main:notes") == ["a", "a2", "b", "c"]


def test_a_cancelled_job_never_runs(app: TestApp) -> None:
    id = app.mutation("main:later", text="a", seconds=5)
    app.mutation("main:cancel", id=id)
    assert states(app) == ["canceled"]
    app.advance(10)
    assert app.run_scheduled() == 0
    assert app.query("main:notes") == []
    app.mutation("main:cancel", id=id)  # Once more is harmless.


def test_a_job_that_has_ended_cannot_be_cancelled(app: TestApp) -> None:
    id = app.mutation("main:later", text="a")
    app.run_scheduled()
    with pytest.raises(FunctionFailed, match="has ended already: success"):
        app.mutation("main:cancel", id=id)


def test_identity_is_not_carried_over(app: TestApp) -> None:
    app.sign_in(subject="ada")
    app.mutation("main:named", path="main:who")
    app.run_scheduled()
    assert app.query("main:notes") == ["None"]


def test_function_path_and_arguments_are_validated_at_scheduling(app: TestApp) -> None:
    for path, args, problem in (
        ("main:nothing", {}, "Could not find"),
        ("main:notes", {}, "defined as Query"),
        ("main:put", {}, "ArgumentValidationError"),
        ("main:put", {"txt": "a"}, "ArgumentValidationError"),
    ):
        with pytest.raises(FunctionFailed, match=problem):
            app.mutation("main:named", path=path, args=args)
    assert rows(app) == []


def test_a_job_whose_function_is_gone_is_a_failed_job_and_no_crash(app: TestApp) -> None:
    app.mutation("main:named", path="main:put", args={"text": "a"}, seconds=5)
    app.deploy({"main": "from relive import *\n"})
    app.advance(10)
    assert app.run_scheduled() == 1
    (row,) = rows(app)
    assert row["state"]["kind"] == "failed"
    assert "main:put" in row["state"]["error"]


def test_a_job_whose_function_takes_other_arguments_by_now_is_a_failed_job(app: TestApp) -> None:
    app.mutation("main:later", text="a", seconds=5)
    app.deploy({"main": APP.replace("put(ctx: MutationCtx, text: str)", "put(ctx: MutationCtx, text: int)")})
    app.finish_all_scheduled()
    assert "ArgumentValidationError" in rows(app)[0]["state"]["error"]


def test_a_scheduled_action_runs_and_calls_functions(app: TestApp) -> None:
    app.mutation("main:named", path="main:fetch", args={"text": "a"})
    assert app.run_scheduled() == 1
    assert states(app) == ["success"]
    assert app.query("main:notes") == ["a fetched"]


def test_cancelling_a_running_parent_makes_its_later_schedule_calls_produce_cancelled_jobs(app: TestApp) -> None:
    app.mutation("main:named", path="main:cancelled_while_it_runs")
    app.finish_all_scheduled()
    assert states(app) == ["canceled", "canceled", "canceled"]
    assert app.query("main:notes") == []


def test_an_action_schedules_at_once_and_cancels(app: TestApp) -> None:
    app.action("main:acts")
    assert states(app) == ["canceled", "pending", "pending"]
    app.action("main:acts_elsewhere")
    app.finish_all_scheduled()
    assert app.query("main:notes") == ["one fetched", "three", "elsewhere"]


def test_jobs_can_schedule_the_next_ones(app: TestApp) -> None:
    app.mutation("main:named", path="main:later", args={"text": "x"})
    app.finish_all_scheduled()
    app.run(lambda ctx: ctx.db.query("notes").collect())
    start = app.now

    async def begin(ctx: Any) -> None:
        from relive.engine.transactions.scheduling import schedule

        schedule(ctx._run, lambda now: now, "main:chain", {"left": 3.0})

    app.run(begin)
    assert app.finish_all_scheduled() == 4
    assert app.query("main:notes") == ["x", "3", "2", "1", "0"]
    assert timedelta(seconds=180) <= app.now - start < timedelta(seconds=181)


def test_a_function_knows_which_scheduled_function_it_is(app: TestApp) -> None:
    id = app.mutation("main:named", path="main:metadata")
    app.run_scheduled()
    assert app.query("main:notes") == [id]


def test_one_transaction_schedules_a_thousand_functions_and_no_more(app: TestApp) -> None:
    app.mutation("main:many", count=1000)
    with pytest.raises(FunctionFailed, match="functions scheduled"):
        app.mutation("main:many", count=1001)
    assert len(rows(app)) == 1000


def test_the_arguments_of_all_that_a_transaction_schedules_are_limited(app: TestApp) -> None:
    with pytest.raises(FunctionFailed, match="arguments of scheduled functions"):
        app.mutation("main:many", count=20, size=900_000)
    with pytest.raises(FunctionFailed, match="insert what is large"):
        app.mutation("main:many", count=1, size=1_000_000)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 6 * 365 * 86_400])
def test_a_time_that_is_none_or_too_far_away_is_refused(app: TestApp, seconds: float) -> None:
    with pytest.raises(FunctionFailed, match=r"no time to come|five years"):
        app.mutation("main:later", text="a", seconds=seconds)


def test_a_moment_without_a_time_zone_is_refused(app: TestApp) -> None:
    with pytest.raises(FunctionFailed, match="time zone"):
        app.mutation("main:at_no_place")


def test_a_timestamp_of_the_commit_is_not_schedulable(app: TestApp) -> None:
    with pytest.raises(FunctionFailed, match=r"COMMIT_TIMESTAMP|ArgumentValidationError"):
        app.mutation("main:stamped")


def test_jobs_survive_a_restart(app: TestApp) -> None:
    app.mutation("main:later", text="a", seconds=5)
    app.restart()
    app.advance(10)
    assert app.run_scheduled() == 1
    app.restart()
    assert app.run_scheduled() == 0
    assert app.query("main:notes") == ["a"]


def test_the_table_is_reactive(app: TestApp) -> None:
    watch = app.watch("main:states")
    id = app.mutation("main:later", text="a", seconds=5)
    app.mutation("main:named", path="main:put", args={"text": "b"}, seconds=1)
    app.finish_all_scheduled()
    assert id
    assert watch.results == [[], ["pending"], ["pending"] * 2, ["pending", "success"], ["success"] * 2]


def test_rows_are_kept_for_seven_days_after_the_end(app: TestApp) -> None:
    app.mutation("main:later", text="a")
    app.mutation("main:later", text="b", seconds=20 * 86_400)
    app.run_scheduled()
    app.advance(timedelta(days=6.9))
    assert app._database.schedules.jobs.forget() == 0
    app.advance(timedelta(days=0.2))
    assert app._database.schedules.jobs.forget() == 1
    app._settle()
    assert states(app) == ["pending"]
