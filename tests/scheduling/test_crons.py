"""Crons: declared, planned by deploys, run one at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relive.engine.application.app import App, load_bundle
from relive.engine.application.bundle import bundle_of
from relive.engine.deployment.app_changes import AppChanges
from relive.engine.errors import AppInvalid
from relive.engine.execution.pause import pause, resume
from relive.engine.transactions.cron_schedules import Clock, Every, checked_clock, schedule_of
from relive.log.entry import FIRST_LSN

from relive import ApplicationError
from relive.testing import FunctionFailed, TestApp

from ..server.harness import eventually, serve

FUNCTIONS = """
import trio
from relive import *
from datetime import timedelta

class Note(Document, table="notes"):
    text: str

@query
async def notes(ctx: QueryCtx) -> list[str]:
    return [note.text for note in await ctx.db.query(Note).collect()]

@internal_mutation
async def put(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert(Note(text=text))

@internal_mutation
async def put_more(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert(Note(text=text + " more"))

@internal_mutation
async def fail(ctx: MutationCtx) -> None:
    raise ApplicationError("no")

@internal_mutation
async def who(ctx: MutationCtx) -> None:
    await ctx.db.insert(Note(text=repr(await ctx.auth.get_user_identity())))

@internal_action
async def slow(ctx: ActionCtx) -> None:
    await ctx.run_mutation(put, "begun")
    await trio.sleep_forever()

@mutation
async def again(ctx: MutationCtx, name: str, seconds: float) -> Id[CronJob]:
    return await ctx.crons.every(name, seconds, put, {"text": name})

@mutation
async def again_and_fail(ctx: MutationCtx, name: str) -> None:
    await ctx.crons.every(name, 60, put, {"text": name})
    raise ApplicationError("no")

@mutation
async def at_times(ctx: MutationCtx, expression: str) -> None:
    await ctx.crons.cron("times", expression, "main:put", {"text": "time"})

@mutation
async def each_way(ctx: MutationCtx) -> None:
    await ctx.crons.hourly("hourly", put, {"text": "h"}, minute_utc=5)
    await ctx.crons.daily("daily", put, {"text": "d"}, hour_utc=8, minute_utc=0)
    await ctx.crons.weekly("weekly", put, {"text": "w"}, day="monday", hour_utc=8, minute_utc=0)
    await ctx.crons.monthly("monthly", put, {"text": "m"}, day=3, hour_utc=8, minute_utc=0)

@mutation
async def wrong(ctx: MutationCtx, function: str, args: dict[str, str]) -> None:
    await ctx.crons.every("wrong", 60, function, args)

@mutation
async def no_more(ctx: MutationCtx, name: str) -> None:
    await ctx.crons.remove(name)

@query
async def names(ctx: QueryCtx) -> list[str]:
    return [row.name for row in await ctx.db.system.query(CronJob).index(CronJob.by_name).collect()]

crons = Crons()
"""
START = datetime(2024, 1, 1, 12, 30, tzinfo=UTC)


def source(*crons: str) -> dict[str, str]:
    return {"main": FUNCTIONS + "\n".join(f"crons.{each}" for each in crons)}


def loaded(*crons: str) -> App:
    return load_bundle("crons", bundle_of("crons", {"main": source(*crons)["main"].encode()}))


@pytest.fixture
def app() -> Iterator[TestApp]:
    with TestApp(source('every("tick", 60, put, {"text": "tick"})'), start=START) as app:
        yield app


def row(app: TestApp, name: str = "tick") -> dict[str, Any]:
    (found,) = [row for row in app.documents("_cron_jobs") if row["name"] == name]
    return found


def moment(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC).replace(microsecond=0)


def ticks(app: TestApp) -> int:
    found: list[str] = app.query("main:notes")
    return found.count("tick")


def test_the_first_run_of_an_interval_is_at_the_deploy_and_the_next_ones_follow_in_step(app: TestApp) -> None:
    app.run_scheduled()
    assert ticks(app) == 1
    first = row(app)["nextRun"]
    app.advance(30)
    app.run_scheduled()
    assert ticks(app) == 1
    app.advance(45)
    app.run_scheduled()
    assert ticks(app) == 2
    assert row(app)["nextRun"] == first + 60_000


def test_interval_crons_skip_runs_that_are_past_due_and_say_so(app: TestApp) -> None:
    app.run_scheduled()
    app.advance(10 * 60 + 5)
    app.run_scheduled()
    assert ticks(app) == 2
    assert row(app)["skipped"] == 9
    lines = [line for each in app._database.executor.executions.after(0) for line in each.log_lines]
    assert lines == ["[WARN] 'cron tick: 9 runs were skipped, for nothing ran at the time'"]


def test_clock_crons_jump_to_the_next_occurrence() -> None:
    with TestApp(source('daily("d", put, {"text": "d"}, hour_utc=8, minute_utc=0)'), start=START) as app:
        assert moment(row(app, "d")["nextRun"]) == datetime(2024, 1, 2, 8, tzinfo=UTC)
        app.run_scheduled()
        app.advance(timedelta(days=5))
        app.run_scheduled()
        assert app.query("main:notes") == ["d"]
        assert moment(row(app, "d")["nextRun"]) == datetime(2024, 1, 7, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("declared", "first"),
    [
        ('hourly("c", put, {"text": ""}, minute_utc=15)', datetime(2024, 1, 1, 13, 15)),
        ('daily("c", put, {"text": ""}, hour_utc=13, minute_utc=5)', datetime(2024, 1, 1, 13, 5)),
        ('weekly("c", put, {"text": ""}, day="wednesday", hour_utc=1, minute_utc=0)', datetime(2024, 1, 3, 1)),
        ('weekly("c", put, {"text": ""}, day="sunday", hour_utc=1, minute_utc=0)', datetime(2024, 1, 7, 1)),
        ('monthly("c", put, {"text": ""}, day=31, hour_utc=0, minute_utc=0)', datetime(2024, 1, 31)),
        ('cron("c", "30 9 * * 1-5", put, {"text": ""})', datetime(2024, 1, 2, 9, 30)),
        ('cron("c", "0 0 29 2 *", "main:put", {"text": ""})', datetime(2024, 2, 29)),
        ('every("c", timedelta(hours=1), "main:put", {"text": ""})', datetime(2024, 1, 1, 12, 30)),
    ],
)
def test_each_kind_of_schedule_says_when_it_runs(declared: str, first: datetime) -> None:
    with TestApp(source(declared), start=START) as app:
        assert moment(row(app, "c")["nextRun"]) == first.replace(tzinfo=UTC)


def test_a_minute_that_is_left_open_depends_on_the_name_alone() -> None:
    with TestApp(source('hourly("a", put, {"text": ""})', 'hourly("b", put, {"text": ""})')) as app:
        first = [row["schedule"] for row in app.documents("_cron_jobs")]
    with TestApp(source('hourly("b", put, {"text": ""})', 'hourly("a", put, {"text": ""})')) as app:
        second = [row["schedule"] for row in app.documents("_cron_jobs")]
    assert first == second[::-1]
    assert first[0] != first[1]


def test_a_redeploy_keeps_the_phase_if_only_the_function_or_the_arguments_have_changed(app: TestApp) -> None:
    app.run_scheduled()
    app.advance(20)
    before = row(app)
    app.deploy(source('every("tick", 60, put_more, {"text": "other"})'))
    after = row(app)
    assert (after["_id"], after["nextRun"]) == (before["_id"], before["nextRun"])
    assert (after["function"], after["args"]) == ("main:put_more", [{"text": "other"}])
    app.advance(41)
    app.run_scheduled()
    assert app.query("main:notes") == ["tick", "other more"]


def test_a_redeploy_plans_the_next_run_anew_if_the_schedule_has_changed(app: TestApp) -> None:
    app.run_scheduled()
    app.advance(20)
    app.deploy(source('every("tick", 30, put, {"text": "tick"})'))
    assert moment(row(app)["nextRun"]) == moment(app.now.timestamp() * 1000)
    app.run_scheduled()
    assert ticks(app) == 2


def test_a_cron_that_a_deploy_removes_stops_and_one_that_is_new_begins_in_the_entry_of_the_deploy(
    app: TestApp,
) -> None:
    app.run_scheduled()
    app.deploy(source('every("other", 60, put, {"text": "other"})'))
    assert [row["name"] for row in app.documents("_cron_jobs")] == ["other"]
    app.advance(100)
    app.run_scheduled()
    assert app.query("main:notes") == ["tick", "other"]
    deploys = [entry for entry in app._database.log.reader.entries(FIRST_LSN) if entry.kind.name == "DEPLOY"]
    assert sum(write.table == "_cron_jobs" for write in deploys[-1].writes) == 2


def test_the_same_app_deployed_again_changes_no_cron(app: TestApp) -> None:
    app.run_scheduled()
    app.advance(20)
    before = row(app)
    app.restart()
    app.deploy({**source('every("tick", 60, put, {"text": "tick"})'), "more": "x = 1\n"})
    assert row(app) == before


def test_a_run_that_fails_does_not_keep_the_next_one_from_beginning() -> None:
    with TestApp(source('every("bad", 60, fail)')) as app:
        app.run_scheduled()
        app.advance(61)
        app.run_scheduled()
        assert [row["state"]["kind"] for row in app.documents("_scheduled_functions")] == ["failed", "failed"]
        assert row(app, "bad")["skipped"] == 0


def test_nobody_has_signed_in_where_a_cron_runs() -> None:
    with TestApp(source('every("who", 60, who)')) as app:
        app.sign_in(subject="ada")
        app.run_scheduled()
        assert app.query("main:notes") == ["None"]


def test_the_entry_that_begins_a_run_names_the_cron_and_is_the_parent_of_the_run(app: TestApp) -> None:
    app.run_scheduled()
    entries = list(app._database.log.reader.entries(FIRST_LSN))
    (begun,) = [entry for entry in entries if entry.cause.kind == "cron"]
    (ran,) = [entry for entry in entries if entry.cause.kind == "schedule"]
    assert (begun.cause.id, begun.function) == ("tick", "main:put")
    assert ran.cause.parent == begun.lsn
    assert row(app)["lastJob"] == ran.cause.id


def test_crons_go_on_after_a_restart_in_step(app: TestApp) -> None:
    app.run_scheduled()
    app.advance(30)
    app.restart()
    app.run_scheduled()
    assert ticks(app) == 1
    app.advance(31)
    app.run_scheduled()
    assert ticks(app) == 2


async def test_one_run_at_a_time_and_the_skipped_ones_are_counted() -> None:
    async with serve(loaded('every("slow", 1, slow)')) as running:
        running.database.actions.limits = type(running.database.actions.limits)(stop_s=0.05, cancel_s=0.05)
        crons = running.database.schedules.crons
        await eventually(lambda: crons.rows()[0].skipped > 0)
        jobs = [job.row.state.kind for job in running.database.schedules.jobs.all()]
        assert jobs == ["inProgress"]


async def test_a_pause_skips_crons() -> None:
    async with serve(loaded('every("tick", 1, put, {"text": "tick"})')) as running:
        database = running.database
        await eventually(lambda: len(list(database.schedules.jobs.all())) == 1)
        database.executor.write("pause", "test", pause)
        database.runtime.rewind()
        await eventually(lambda: database.schedules.crons.rows()[0].next_run < database.executor.env.clock_ns() / 1e6)
        assert len(list(database.schedules.jobs.all())) == 1
        database.executor.write("resume", "test", resume)
        database.runtime.rewind()
        await eventually(lambda: database.schedules.crons.rows()[0].skipped >= 1)


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ('cron("c", "61 * * * *", put, {"text": ""})', "cannot be read: Bad minute"),
        ('cron("c", "* * * *", put, {"text": ""})', "has 4 fields"),
        ('cron("c", "* * * * * *", put, {"text": ""})', "has 6 fields"),
        ('cron("c", "whenever", put, {"text": ""})', "has 1 fields"),
        ('cron("c", "0 0 30 2 *", put, {"text": ""})', "cron expression"),
        ('cron("c", None, put, {"text": ""})', "is text"),
        ('every("c", 0.5, put, {"text": ""})', "from 1 s"),
        ('every("c", float("nan"), put, {"text": ""})', "seconds or a timedelta"),
        ('every("c", "1h", put, {"text": ""})', "seconds or a timedelta"),
        ('daily("c", put, {"text": ""}, hour_utc=24)', "from 0 to 23"),
        ('hourly("c", put, {"text": ""}, minute_utc=60)', "from 0 to 59"),
        ('weekly("c", put, {"text": ""}, day="someday", hour_utc=1)', "sunday, monday"),
        ('monthly("c", put, {"text": ""}, day=32, hour_utc=1)', "from 1 to 31"),
        ('every("", 60, put, {"text": ""})', "cannot name a cron"),
        ('every("c", 60, put)', "ArgumentValidationError"),
        ('every("c", 60, notes)', "no mutation or action"),
        ('every("c", 60, "main:nothing")', "no mutation or action"),
        ('every("c", 60, put, {"text": object()})', "no object of values"),
        ('every("c", 60, put, {"text": ""}); crons.every("c", 60, put, {"text": ""})', "named 'c' already"),
        ('every("c", 60, put, {"text": ""}); more = Crons(); more.every("c", 60, fail)', "another cron of that name"),
    ],
)
def test_what_cannot_be_read_refuses_the_deploy_with_the_reason(app: TestApp, declared: str, problem: str) -> None:
    with pytest.raises(AppInvalid, match=problem):
        app.deploy(source(declared))
    assert [row["name"] for row in app.documents("_cron_jobs")] == ["tick"]


@given(st.floats(1, 1e7), st.floats(0, 2e12), st.floats(0, 1e10))
def test_the_next_run_of_an_interval_comes_later_and_in_step(seconds: float, due: float, late: float) -> None:
    every, now = Every(seconds), due + late
    upcoming, missed = every.after(due, now)
    assert upcoming > now
    assert missed >= 0
    steps = (upcoming - due) / (seconds * 1000)
    assert steps == pytest.approx(missed + 1, rel=1e-6)


@given(st.integers(0, 59), st.integers(0, 23), st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1)))
def test_the_next_run_of_a_clock_comes_within_a_day_at_its_time(minute: int, hour: int, moment: datetime) -> None:
    now = moment.replace(tzinfo=dt.UTC).timestamp() * 1000
    upcoming, _ = Clock(f"{minute} {hour} * * *").after(0.0, now)
    assert now < upcoming <= now + 86_400_000
    found = datetime.fromtimestamp(upcoming / 1000, UTC)
    assert (found.hour, found.minute, found.second) == (hour, minute, 0)


@given(st.one_of(st.floats(1, 1e7).map(lambda s: Every(float(f"{s:.12g}"))), st.just(checked_clock("*/5  1 * * MON"))))
def test_the_text_of_a_schedule_says_the_same_as_the_schedule(schedule: Every | Clock) -> None:
    assert schedule_of(schedule.text) == schedule


def test_a_deploy_says_which_crons_come_go_and_change() -> None:
    before = loaded('every("a", 60, put, {"text": "a"})', 'every("b", 60, fail)', 'every("same", 60, fail)')
    after = loaded(
        'every("a", 30, put, {"text": "a"})', 'daily("c", fail, hour_utc=8, minute_utc=0)', 'every("same", 60, fail)'
    )

    assert AppChanges.between(before, after).record()["crons"] == {
        "added": [{"name": "c", "is": "cron 0 8 * * *: main:fail"}],
        "removed": [{"name": "b", "was": "every 60 s: main:fail"}],
        "changed": [
            {"name": "a", "was": 'every 60 s: main:put {"text":"a"}', "is": 'every 30 s: main:put {"text":"a"}'}
        ],
    }


def test_long_arguments_of_a_cron_are_cut_off_where_they_are_shown_and_still_told_apart() -> None:
    before, after = (loaded(f'every("a", 60, put, {{"text": "x" * 5000 + "{end}"}})') for end in "yz")
    (changed,) = AppChanges.between(before, after).record()["crons"]["changed"]

    assert changed["was"] != changed["is"]
    assert len(changed["is"]) < 300


def test_an_app_may_declare_crons_in_several_modules() -> None:
    text = (
        'from relive import *\nfrom .main import crons, put\nmore = Crons()\nmore.every("b", 60, put, {"text": "b"})\n'
    )
    with TestApp({**source('every("a", 60, put, {"text": "a"})'), "other": text}) as app:
        assert [row["name"] for row in app.documents("_cron_jobs")] == ["a", "b"]


def listed(app: TestApp) -> list[str]:
    names: list[str] = app.query("main:names")
    return names


@pytest.fixture
def free() -> Iterator[TestApp]:
    """An app whose mutations add and remove crons."""
    with TestApp(source('every("tick", 60, put, {"text": "tick"})'), start=START) as app:
        app.run_scheduled()
        yield app


def test_a_mutation_adds_a_cron_that_runs_in_step_until_one_removes_it(free: TestApp) -> None:
    id = free.mutation("main:again", name="a", seconds=100)
    assert row(free, "a")["_id"] == id
    assert moment(row(free, "a")["nextRun"]) == START + timedelta(seconds=100), "the first run comes after one interval"
    for _ in range(3):
        free.advance(101)
        free.run_scheduled()
    assert free.query("main:notes").count("a") == 3
    free.mutation("main:no_more", name="a")
    free.advance(1000)
    free.run_scheduled()
    assert (free.query("main:notes").count("a"), listed(free)) == (3, ["tick"])


def test_a_cron_is_added_and_removed_with_its_transaction_or_not_at_all(free: TestApp) -> None:
    names = free.watch("main:names")
    with pytest.raises(ApplicationError, match="no"):
        free.mutation("main:again_and_fail", name="a")
    assert listed(free) == ["tick"]
    free.mutation("main:again", name="a", seconds=60)
    free.mutation("main:no_more", name="a")
    assert names.results == [["tick"], ["a", "tick"], ["tick"]], "who watches the table sees each commit"


def test_each_way_to_give_a_time_works_at_run_time_as_it_does_in_the_code(free: TestApp) -> None:
    free.mutation("main:each_way")
    free.mutation("main:at_times", expression="15 * * * *")
    upcoming = {name: moment(row(free, name)["nextRun"]) for name in listed(free) if name != "tick"}
    assert upcoming == {
        "hourly": START.replace(hour=13, minute=5),
        "daily": datetime(2024, 1, 2, 8, tzinfo=UTC),
        "weekly": datetime(2024, 1, 8, 8, tzinfo=UTC),
        "monthly": datetime(2024, 1, 3, 8, tzinfo=UTC),
        "times": START.replace(hour=13, minute=15),
    }


def test_deploys_and_restarts_leave_crons_that_mutations_have_added_as_they_are(free: TestApp) -> None:
    free.mutation("main:again", name="a", seconds=100)
    before = row(free, "a")
    free.deploy(source())
    free.restart()
    assert (listed(free), row(free, "a")) == (["a"], before)
    free.advance(101)
    free.run_scheduled()
    assert free.query("main:notes").count("a") == 1


def test_code_that_declares_a_cron_of_the_same_name_takes_it_over(free: TestApp) -> None:
    free.mutation("main:again", name="a", seconds=100)
    free.deploy(source('every("a", 50, put, {"text": "declared"})'))
    assert (listed(free), "undeclared" in row(free, "a")) == (["a"], False)
    with pytest.raises(FunctionFailed, match="the code declares the cron 'a'"):
        free.mutation("main:no_more", name="a")
    free.deploy(source())
    assert listed(free) == []


@pytest.mark.parametrize(
    ("path", "args", "problem"),
    [
        ("again", {"name": "tick", "seconds": 60}, "there is a cron named 'tick' already: every 60 s, main:put"),
        ("again", {"name": "", "seconds": 60}, "cannot name a cron"),
        ("again", {"name": "a", "seconds": 0.5}, "an interval is from 1 s"),
        ("at_times", {"expression": "61 * * * *"}, "cannot be read"),
        ("at_times", {"expression": "0 0 31 2 *"}, "cannot be read"),
        ("wrong", {"function": "main:nothing", "args": {}}, "main:nothing"),
        ("wrong", {"function": "main:notes", "args": {}}, "as Mutation or action"),
        ("wrong", {"function": "main:put", "args": {"more": "x"}}, "unknown field `more`"),
        ("wrong", {"function": "main:put", "args": {"text": "x" * 2_000_000}}, "bytes of arguments"),
        ("no_more", {"name": "nothing"}, "there is no cron named 'nothing'"),
        ("no_more", {"name": "tick"}, "the code declares the cron 'tick'"),
    ],
)
def test_what_cannot_be_a_cron_is_refused_and_nothing_is_added(
    free: TestApp, path: str, args: dict[str, Any], problem: str
) -> None:
    with pytest.raises(FunctionFailed) as failed:
        free.mutation(f"main:{path}", **args)
    assert problem in str(failed.value)
    assert listed(free) == ["tick"]


def test_a_cron_whose_function_a_deploy_has_removed_fails_and_says_so_until_it_is_removed(free: TestApp) -> None:
    free.mutation("main:again", name="a", seconds=100)
    free.deploy({"main": FUNCTIONS.replace("async def put(", "async def set(").replace(", put,", ", set,")})
    free.advance(101)
    free.run_scheduled()
    (job,) = [job for job in free.documents("_scheduled_functions") if job["state"]["kind"] == "failed"]
    assert "main:put" in job["state"]["error"]
    free.mutation("main:no_more", name="a")
    assert listed(free) == []


async def test_a_server_begins_crons_that_mutations_have_added() -> None:
    async with serve(loaded()) as running, running.client() as client:
        await client.connect()
        await client.answered(0, "main:again", name="a", seconds=1.0)
        await eventually(lambda: bool([*running.database.schedules.jobs.all()]))
        job = next(running.database.schedules.jobs.all())
        assert job.row.name == "main:put"


def test_who_adds_a_cron_has_read_that_its_name_is_free(free: TestApp) -> None:
    """So that of two who do so at once one runs again, and is refused."""
    free.mutation("main:again", name="a", seconds=60)
    entry = list(free._database.log.reader.entries(FIRST_LSN))[-1]
    assert [(read.index.table, read.index.index) for read in entry.reads] == [("_cron_jobs", "by_name")]
