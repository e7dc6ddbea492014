"""Who holds the admin key can follow what runs: every execution once, in full, as soon as it is durable."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from relive.engine import limits
from relive.engine.application.app import App
from relive.engine.execution.executions import NOTHING, Execution, Executions
from relive.engine.execution.failures import request_id
from relive.engine.server import log_routes
from relive.engine.server.syncer import TAKEN_BACK
from relive.log.entry import LSN
from relive.log.memory import MemoryStorage

from .harness import ADMIN_KEY, PATIENCE_S, SESSION, Json, Running, eventually, serve

ROUTE = "/api/stream_function_logs"


async def logs(
    running: Running, cursor: float = 0, client: str = "npm-1.48.0", **query: Any
) -> tuple[list[Json], float]:
    headers = {"authorization": f"Convex {ADMIN_KEY}", "convex-client": client}
    async with running.http(**headers) as http:
        answer = await http.get(ROUTE, params={"cursor": cursor, **query})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"entries", "newCursor"}
    return body["entries"], body["newCursor"]


async def call(running: Running, kind: str, path: str, **args: Any) -> Json:
    async with running.http() as http:
        answer: Json = (await http.post(f"/api/{kind}", json={"path": path, "args": args})).json()
        return answer


async def test_each_execution_is_told_with_what_tools_need(running: Running) -> None:
    before = time.time()
    await call(running, "mutation", "counters:add_and_print", name="a")
    await call(running, "query", "counters:get", name="a")
    await call(running, "mutation", "counters:add_and_fail", name="a")
    (add, get, fail), cursor = await logs(running)

    assert add["kind"] == "Completion"
    assert (add["udfType"], add["identifier"], add["logLines"]) == (
        "Mutation",
        "counters:add_and_print",
        ["[LOG] 'adding to a'"],
    )
    assert before - 1 <= add["executionTimestamp"] <= add["timestamp"] <= time.time() + 1
    assert add["executionTime"] == pytest.approx(add["timestamp"] - add["executionTimestamp"], abs=1e-5)
    assert (add["error"], add["success"], add["cachedResult"], add["caller"]) == (None, None, False, "HttpApi")
    assert add["usageStats"]["databaseWriteDocuments"] == 1
    assert add["lsn"] == running.database.runtime.tail.head
    assert (get["udfType"], get["lsn"], get["usageStats"]["databaseReadDocuments"]) == ("Query", None, 1)
    assert (fail["udfType"], fail["lsn"]) == ("Mutation", None)
    assert fail["error"].startswith("Uncaught ConvexError: ")
    assert len({entry["requestId"] for entry in (add, get, fail)}) == 3
    assert await logs(running, cursor, limit=10) == ([], cursor)
    assert (await logs(running, limit=1))[0] == [fail]


async def test_the_other_route_tells_the_same(running: Running) -> None:
    await call(running, "query", "counters:get", name="a")
    async with running.http(authorization=f"Convex {ADMIN_KEY}") as http:
        answer = await http.get("/api/stream_udf_execution", params={"cursor": 0})

    assert answer.json()["entries"] == (await logs(running))[0]


async def test_who_asks_waits_for_the_next_execution(running: Running) -> None:
    await call(running, "query", "counters:get", name="a")
    _, cursor = await logs(running)
    told: list[Json] = []

    async def follow() -> None:
        told.extend((await logs(running, cursor))[0])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        nursery.start_soon(follow)
        await eventually(lambda: running.database.executor.executions.waiting == 2)
        assert told == []
        await call(running, "query", "values:echo", value=1)

    assert [entry["identifier"] for entry in told] == ["values:echo"] * 2


async def test_nothing_within_a_minute_is_an_answer_too(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.LOG_POLL_S_MAX == 60
    monkeypatch.setattr(log_routes, "LOG_POLL_S_MAX", 0.05)

    assert await logs(running, 12.5) == ([], 12.5)


async def test_a_server_that_stops_lets_nobody_wait(app: App) -> None:
    async with serve(app) as running, trio.open_nursery() as nursery:
        nursery.start_soon(logs, running)
        await eventually(lambda: running.database.executor.executions.waiting == 1)
        with trio.fail_after(PATIENCE_S / 4):
            await running.stop()


async def test_one_request_can_be_followed(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        for request in range(3):
            await client.answered(request, "counters:add", name="a")
    entries, _ = await logs(running, sessionId=SESSION, clientRequestCounter=1)

    assert [entry["requestId"] for entry in entries] == [request_id(bytes.fromhex(SESSION.replace("-", "")), 1)]
    assert entries[0]["caller"] == "SyncWorker"


async def test_a_request_sent_again_is_told_once(running: Running) -> None:
    for _ in range(2):
        async with running.client() as client:
            await client.connect()
            await client.answered(0, "counters:add", name="a")
    (entry,), _ = await logs(running)

    assert entry["identifier"] == "counters:add"


async def test_a_shared_result_is_marked(running: Running) -> None:
    for _ in range(2):
        await call(running, "query", "counters:get", name="a")
    entries, _ = await logs(running)

    assert [entry["cachedResult"] for entry in entries] == [False, True]


@pytest.mark.parametrize("redact", [False, True])
async def test_a_failure_that_is_shared_is_told_in_full_under_the_id_that_its_clients_heard(
    running: Running, redact: bool
) -> None:
    running.database.executor.redact = redact
    answers = [await call(running, "query", "nothing:here") for _ in range(2)]
    entries, _ = await logs(running)

    assert [entry["cachedResult"] for entry in entries] == [False, True]
    assert {entry["error"] for entry in entries} == {"Could not find public function for 'nothing:here'."}
    for answer, entry in zip(answers, entries, strict=True):
        assert f"[Request ID: {entry['requestId']}]" in answer["errorMessage"]


async def test_what_never_ran_is_told_as_well(running: Running) -> None:
    await call(running, "query", "nothing:here")
    await call(running, "action", "counters:add", name="a")
    await call(running, "mutation", "counters:add", name=5)
    nothing, action, wrong = (await logs(running))[0]

    assert nothing["error"] == "Could not find public function for 'nothing:here'."
    assert action["udfType"] == "Action"
    assert wrong["error"].startswith("ArgumentValidationError: ")


async def test_tools_that_know_log_lines_in_parts_get_them_so(running: Running) -> None:
    await call(running, "mutation", "counters:add_and_print", name="it's\na\ttab")
    for client in ("npm-cli-1.48.0", "relive-1.0.0"):
        (entry,), _ = await logs(running, client=client)
        (line,) = entry["logLines"]

        assert line == {
            "messages": ["adding to it's\na\ttab"],
            "isTruncated": False,
            "timestamp": round(entry["timestamp"] * 1000),
            "level": "LOG",
        }


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"cursor": "x"},
        {"cursor": "-1"},
        {"cursor": "nan"},
        {"cursor": "inf"},
        {"cursor": "1e300"},
        {"cursor": 0, "limit": "-1"},
        {"cursor": 0, "limit": "\u00b2"},
        {"cursor": 0, "sessionId": "x", "clientRequestCounter": 0},
        {"cursor": 0, "sessionId": SESSION, "clientRequestCounter": "x"},
    ],
)
async def test_a_question_that_is_none_is_refused(running: Running, query: Json) -> None:
    async with running.http(authorization=f"Convex {ADMIN_KEY}") as http:
        answer = await http.get(ROUTE, params=query)

    assert (answer.status_code, answer.json()["code"]) == (400, "BadQueryArgs")


async def test_it_needs_the_admin_key(running: Running) -> None:
    async with running.http() as http:
        answer = await http.get(ROUTE, params={"cursor": 0})

    assert (answer.status_code, answer.json()["code"]) == (403, "BadDeployKey")


async def test_no_key_and_no_argument_is_told(running: Running) -> None:
    headers = {"authorization": f"Convex {ADMIN_KEY}"}
    async with running.http(**headers) as http:
        body = {"path": "counters:add", "args": {"name": "an argument"}}
        assert (await http.post("/api/function", json=body)).json()["status"] == "success"
        assert (await http.post("/api/query", json=body, headers={"authorization": "Convex wrong|key"})).is_error
        text = (await http.get(ROUTE, params={"cursor": 0})).text

    assert "counters:add" in text
    for secret in (ADMIN_KEY, ADMIN_KEY.partition("|")[2], "an argument", "wrong|key"):
        assert secret not in text


async def test_nothing_is_told_before_it_is_durable(running: Running) -> None:
    running.disk.close()
    told: list[Json] = []

    async def follow() -> None:
        told.extend((await logs(running))[0])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(call, running, "mutation", "counters:add", name="a"))
        nursery.start_soon(follow)
        await eventually(lambda: bool(running.database.executor.executions.kept))
        await trio.sleep(0.05)
        assert told == []
        running.disk.open()

    assert len(told) == 1


async def test_a_write_that_the_disk_refused_is_told_as_a_failure(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running:
        storage.space = sum(storage.size(name) for name in storage.names()) + 64
        for _ in range(2):  # The first is taken back, the second never becomes an entry.
            await call(running, "mutation", "counters:add", name="a")
        entries, _ = await logs(running)

    assert [entry["lsn"] for entry in entries] == [None, None]
    assert "was taken back" in entries[0]["error"]
    assert "writes are refused" in entries[1]["error"]


# The record itself.


def record(executions: Executions, path: str = "a:b", lines: tuple[str, ...] = (), lsn: LSN | None = None) -> None:
    executions.record(0, path, "query", "client", "id", log_lines=lines, lsn=lsn)


def test_the_oldest_are_forgotten() -> None:
    executions = Executions(lambda: 0)
    for number in range(limits.EXECUTIONS_MAX + 5):
        record(executions, str(number))

    assert (executions.kept[0].path, len(executions.kept)) == ("5", limits.EXECUTIONS_MAX)
    for _ in range(3):
        record(executions, "large", ("x" * (limits.EXECUTION_BYTES_MAX // 2),))
    assert [execution.path for execution in executions.kept] == ["large"]
    assert executions.bytes == sum(execution.size for execution in executions.kept)


def test_cursors_increase_though_the_clock_does_not() -> None:
    times = iter((10_000_000, 10_000_000, 5_000_000, 20_000_000))
    executions = Executions(lambda: next(times))
    for _ in range(4):
        record(executions)

    assert [execution.cursor for execution in executions.kept] == [10_000, 10_001, 10_002, 20_000]
    assert [execution.cursor for execution in executions.after(10_001)] == [10_002, 20_000]
    assert all(execution.duration_ns >= 0 and execution.used == NOTHING for execution in executions.kept)


async def test_who_comes_with_a_cursor_of_the_future_is_told_what_happens_next() -> None:
    executions = Executions(lambda: 1_000_000)
    told: list[Execution] = []

    async def follow() -> None:
        told.extend(await executions.wait_after(10**15))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        record(executions)

    assert len(told) == 1


def test_what_is_taken_back_has_failed() -> None:
    executions = Executions(lambda: 0)
    for lsn in (1, None, 2, 3):
        record(executions, lsn=LSN(lsn) if lsn is not None else None)
    executions.take_back(LSN(1), "lost")

    assert [execution.error for execution in executions.kept] == [None, None, "lost", "lost"]
    assert [execution.lsn for execution in executions.kept] == [1, None, None, None]
    assert executions.bytes == sum(execution.size for execution in executions.kept)


async def test_a_mutation_that_a_full_disk_took_back_is_told_as_failed(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running:
        storage.space = sum(map(storage.size, storage.names()))
        await call(running, "mutation", "counters:add", name="a")
        (told,), _ = await logs(running)
        assert (told["success"], told["error"], told.get("lsn")) == (None, TAKEN_BACK, None)


async def test_records_and_entries_say_through_which_door_a_call_came(running: Running) -> None:
    for client, cause in (("", "http"), ("relive-0.1.0", "cli")):
        async with running.http(**{"Convex-Client": client}) as http:
            for kind, path in (("query", "counters:get"), ("query", "counters:get"), ("mutation", "counters:add")):
                await http.post(f"/api/{kind}", json={"path": path, "args": {"name": client or "a"}})
        recorded = [execution.cause for execution in running.database.executor.executions.after(0)][-3:]
        assert recorded == [cause, cause, cause]
        assert running.database.executor.entry(running.database.runtime.tail.head).cause.kind == cause
