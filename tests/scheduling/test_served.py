"""Scheduled functions of a server that runs."""

from __future__ import annotations

import trio
from relive.engine.application.app import App
from relive.engine.data.system_tables import ScheduledFunction
from relive.engine.database import Database
from relive.engine.env import real_env
from relive.engine.execution.pause import pause, resume
from relive.engine.history.reexecution import verify_again
from relive.engine.scheduling.jobs import INTERRUPTED
from relive.log.entry import FIRST_LSN
from relive.log.memory import MemoryStorage
from trio.testing import wait_all_tasks_blocked

from ..server.harness import ADMIN_KEY, Running, eventually, serve

KEY = {"authorization": f"Convex {ADMIN_KEY}"}


def rows(running: Running) -> list[ScheduledFunction]:
    return sorted((job.row for job in running.database.schedules.jobs.all()), key=lambda row: row.creation_time)


def states(running: Running) -> list[str]:
    return [row.state.kind for row in rows(running)]


def notes(running: Running) -> list[str]:
    versions = running.database.runtime.tables.table("notes").versions.values()
    documents = sorted((version.document for version in versions), key=lambda note: note.creation_time)  # type: ignore[attr-defined]
    return [note.text for note in documents]  # type: ignore[attr-defined]


async def test_a_scheduled_function_runs_and_those_who_watch_see_it(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        await client.watch(0, "main:states")
        await client.watch(1, "main:notes")
        await client.answered(0, "main:later", text="a", seconds=0.05)
        await client.until(lambda: client.value(0) == ["pending"])
        await client.until(lambda: client.value(0) == ["success"] and client.value(1) == ["a"])
    (row,) = rows(running)
    assert isinstance(row.completed_time, float)
    assert row.completed_time >= row.scheduled_time


async def test_what_is_scheduled_for_now_still_waits_for_its_commit_to_be_durable(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        await client.answered(0, "main:many", count=0)
        running.disk.close()
        await client.mutate(1, "main:later", text="a")
        await eventually(lambda: len(rows(running)) == 1)
        for _ in range(5):
            running.database.schedules.wake()
            await eventually(lambda: True)
        assert states(running) == ["pending"]
        running.disk.open()
        await eventually(lambda: notes(running) == ["a"])


async def test_the_effects_of_a_job_and_its_completion_are_one_entry_whose_parent_scheduled_it(
    running: Running,
) -> None:
    async with running.client() as client:
        await client.connect()
        response = await client.answered(0, "main:later", text="a")
        await eventually(lambda: states(running) == ["success"])
        await running.database.runtime.wait_durable(running.database.runtime.tail.head)
    entries = list(running.database.log.reader.entries(FIRST_LSN))
    (scheduling,) = [entry for entry in entries if entry.function == "main:later"]
    (job,) = [entry for entry in entries if entry.function == "main:put"]
    assert {write.table for write in job.writes} == {"notes", "_scheduled_functions"}
    assert (job.cause.kind, job.cause.id, job.cause.parent) == ("schedule", response["result"], scheduling.lsn)


async def test_an_action_is_noted_as_in_progress_before_it_begins(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        await client.answered(0, "main:call", function="main:fetch", text="a")
        await eventually(lambda: states(running) == ["success"])
        await running.database.runtime.wait_durable(running.database.runtime.tail.head)
    functions = [(each.function, each.cause.kind) for each in running.database.log.reader.entries(FIRST_LSN)][-4:]
    assert functions == [
        ("main:call", "client"),
        ("main:fetch", "schedule"),
        ("main:put", "action"),
        ("main:fetch", "schedule"),
    ]


async def test_an_action_that_a_stop_interrupts_is_failed_and_never_run_again(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running, running.client() as client:
        running.database.actions.limits = type(running.database.actions.limits)(stop_s=0.05, cancel_s=0.05)
        await client.connect()
        await client.answered(0, "main:call", function="main:wait")
        await eventually(lambda: notes(running) == ["waiting"])
    async with serve(app, storage) as running:
        await eventually(lambda: states(running) == ["failed"])
        assert "the server is stopping" in str(rows(running)[0].state.error)
        assert notes(running) == ["waiting"]


async def test_an_action_that_a_crash_interrupts_is_failed_and_never_run_again(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running, running.client() as client:
        await client.connect()
        await client.answered(0, "main:call", function="main:wait")
        await eventually(lambda: notes(running) == ["waiting"])
        await running.database.runtime.wait_durable(running.database.runtime.tail.head)
        survived = storage.copy()
        survived.crash()
        running.database.actions.limits = type(running.database.actions.limits)(stop_s=0.05, cancel_s=0.05)
    async with serve(app, survived) as running:
        await eventually(lambda: states(running) == ["failed"])
        assert rows(running)[0].state.error == INTERRUPTED
        assert notes(running) == ["waiting"]


async def test_a_scheduled_durable_action_goes_on_after_a_stop(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running, running.client() as client:
        await client.connect()
        await client.answered(0, "main:call", function="main:steps", text="a")
        await eventually(lambda: notes(running) == ["a first"])
    async with serve(app, storage) as running:
        assert states(running) == ["inProgress"]
        await eventually(lambda: states(running) == ["success"])
        assert notes(running) == ["a first", "a second"]


async def test_a_paused_deployment_runs_no_jobs_and_queues_them(running: Running) -> None:
    database = running.database
    async with running.client() as client:
        await client.connect()
        await client.answered(0, "main:call", function="main:fetch", text="b")
        await eventually(lambda: states(running) == ["success"])
        database.schedules.stopping = True  # It may be due before the pause is there.
        await client.answered(1, "main:later", text="a", seconds=0.05)
        database.executor.write("pause", "test", pause)
        database.schedules.stopping = False
        database.runtime.rewind()
        await eventually(lambda: rows(running)[1].scheduled_time < database.executor.env.clock_ns() / 1e6)
        for _ in range(5):
            database.schedules.wake()
            await eventually(lambda: True)
        assert states(running) == ["success", "pending"]
        database.executor.write("resume", "test", resume)
        database.runtime.rewind()
        await eventually(lambda: states(running) == ["success", "success"])


async def test_a_fork_that_is_sealed_runs_no_jobs(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running, running.client() as client:
        await client.connect()
        running.database.schedules.stopping = True
        await client.answered(0, "main:later", text="a")
    database = Database.open(storage, app, real_env(), b"a secret of the tests")
    database.schedules.sealed = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(database.run)
        nursery.start_soon(database.schedules.run)
        await wait_all_tasks_blocked()
        assert [job.row.state.kind for job in database.schedules.jobs.all()] == ["pending"]
        nursery.cancel_scope.cancel()
    database.log.close()
    async with serve(app, storage) as running:
        await eventually(lambda: notes(running) == ["a"])


async def test_a_backlog_runs_a_little_at_a_time_and_clients_are_answered_meanwhile(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        for request in range(3):
            await client.answered(request, "main:many", count=1000)
        await client.answered(3, "main:call", function="main:put", text="mine")
        done = states(running).count("success")
        assert done < 3000, "a client is answered before the backlog is done"
        await eventually(lambda: states(running).count("success") == 3001)
    assert len(notes(running)) == 3001


async def test_actions_run_at_the_same_time_but_no_more_than_there_is_room_for(running: Running) -> None:
    running.database.schedules.queue.lanes["action"].room = 2
    async with running.client() as client:
        await client.connect()
        for request in range(6):
            await client.answered(request, "main:call", function="main:wait_a_little", text=str(request))
        await eventually(lambda: states(running) == ["success"] * 6)
    under_way = most = 0
    for note in notes(running):
        under_way += 1 if note.startswith("begin") else -1
        most = max(most, under_way)
    assert most == 2


async def test_jobs_are_listed_and_cancelled_by_holders_of_the_admin_key(running: Running) -> None:
    async with running.client() as client, running.http() as http:
        await client.connect()
        response = await client.answered(0, "main:later", text="a", seconds=3600)
        assert (await http.get("/api/relive/jobs")).status_code == 403
        listed = (await http.get("/api/relive/jobs", headers=KEY)).json()
        assert [(job["_id"], job["name"], job["state"]) for job in listed["jobs"]] == [
            (response["result"], "main:put", {"kind": "pending"})
        ]
        route = f"/api/relive/jobs/{response['result']}/cancel"
        assert (await http.post(route, headers=KEY)).json()["state"] == {"kind": "canceled"}
        assert (await http.post("/api/relive/jobs/nothing/cancel", headers=KEY)).status_code == 400
    assert states(running) == ["canceled"]


async def test_every_entry_that_jobs_made_comes_out_the_same_when_it_is_run_again(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        await client.answered(0, "main:later", text="a")
        await client.answered(1, "main:call", function="main:fetch", text="b")
        await client.answered(2, "main:call", function="main:refuse")
        await client.answered(3, "main:call", function="main:chain")
        await client.answered(4, "main:call", function="main:cancels_itself")
        await eventually(lambda: len(states(running)) == 7 and not {"pending", "inProgress"} & set(states(running)))
        await running.database.runtime.wait_durable(running.database.runtime.tail.head)
    reader = running.database.log.reader
    result = verify_again(reader, b"a secret of the tests", last=running.database.runtime.tail.head)
    assert result.first is None
    assert result.checked >= 10
    assert sorted(states(running)) == ["canceled"] * 2 + ["failed"] + ["success"] * 4
