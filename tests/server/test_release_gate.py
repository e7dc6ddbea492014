"""Nothing that a commit changed leaves the server before the commit is durable."""

from __future__ import annotations

import trio
from relive.engine.application.app import App
from relive.log.memory import MemoryStorage

from .harness import Client, Json, Running, add, eventually, serve

A_WHILE_S = 0.1
"""Long enough for anything that does not wait for the disk to arrive."""


async def silent(client: Client) -> bool:
    with trio.move_on_after(A_WHILE_S):
        await client.next()
        return False
    return True


async def test_neither_response_nor_transition_leaves_before_the_commit_is_durable(running: Running) -> None:
    async with running.client() as writer, running.client() as watcher:
        await watcher.watch(0, "counters:get", name="a")
        await watcher.transition()
        running.disk.close()
        await writer.connect()
        await writer.mutate(0, "counters:add", name="a")
        await eventually(lambda: running.disk.waiting == 1)
        assert running.database.runtime.tail.head == 2
        assert await silent(writer)
        assert await silent(watcher)
        running.disk.open()

        assert (await writer.response())["result"] == 1.0
        await writer.transition()
        await watcher.transition()
        assert watcher.value(0) == 1.0


async def test_a_query_result_that_shows_the_commit_waits_for_it(running: Running) -> None:
    async with running.client() as writer, running.client() as newcomer:
        running.disk.close()
        await writer.mutate(0, "counters:add", name="a")
        await eventually(lambda: running.disk.waiting == 1)
        await newcomer.watch(0, "counters:get", name="a")
        assert await silent(newcomer)
        running.disk.open()
        await newcomer.transition()

        assert newcomer.value(0) == 1.0


async def test_a_failure_that_may_tell_of_the_commit_waits_for_it(running: Running) -> None:
    async with running.client() as writer, running.client() as other:
        running.disk.close()
        await writer.mutate(0, "counters:add", name="a")
        await eventually(lambda: running.disk.waiting == 1)
        await other.mutate(0, "counters:add_and_fail", name="b")
        await other.mutate(1, "counters:touch")
        assert await silent(other)
        running.disk.open()

        assert [(await other.response())["success"]] == [False]


async def test_http_answers_wait_too(running: Running) -> None:
    answers: dict[str, Json] = {}
    calls: dict[str, Json] = {
        "/api/mutation": {"path": "counters:add", "args": {"name": "a"}},
        "/api/query": {"path": "counters:get", "args": {"name": "a"}},
        "/api/query_batch": {"queries": [{"path": "counters:get", "args": {"name": "a"}}]},
        "/api/query_ts": {},
        "/api/run/counters/get": {"args": {"name": "a"}},
    }

    async with running.http() as http, trio.open_nursery() as nursery:

        async def ask(route: str) -> None:
            answers[route] = (await http.post(route, json=calls[route])).json()

        running.disk.close()
        nursery.start_soon(ask, "/api/mutation")
        await eventually(lambda: running.disk.waiting == 1)
        for route in list(calls)[1:]:
            nursery.start_soon(ask, route)
        await trio.sleep(A_WHILE_S)
        assert answers == {}
        running.disk.open()

    one = {"status": "success", "value": 1}
    assert answers.pop("/api/query_ts").keys() == {"ts"}
    assert answers == {
        "/api/mutation": one,
        "/api/query": one,
        "/api/query_batch": {"results": [one]},
        "/api/run/counters/get": one,
    }


async def test_the_past_may_be_read_while_a_commit_waits(running: Running) -> None:
    async with running.http() as http, running.client() as writer:
        ts = (await http.post("/api/query_ts")).json()["ts"]
        running.disk.close()
        await writer.mutate(0, "counters:add", name="a")
        await eventually(lambda: running.disk.waiting == 1)
        body = {"path": "counters:get", "args": {"name": "a"}, "ts": ts}

        assert (await http.post("/api/query_at_ts", json=body)).json()["value"] == 0


async def test_many_mutations_share_a_few_writes_of_the_log(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running, running.client() as client:
        syncs = [operation.verb for operation in storage.trace].count("sync")
        running.disk.close()
        for request_id in range(50):
            await client.mutate(request_id, "counters:add", name="a")
        await eventually(lambda: running.database.runtime.tail.head == 51)
        running.disk.open()
        for _ in range(50):
            while (await client.next())["type"] != "MutationResponse":
                pass

        assert [operation.verb for operation in storage.trace].count("sync") - syncs <= 3


async def test_what_the_disk_refused_was_never_shown(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running, running.client() as watcher, running.client() as writer:
        await watcher.modify(add(0, "counters:get", name="a"))
        await watcher.transition()
        running.disk.close()
        await writer.mutate(0, "counters:add", name="a")
        await eventually(lambda: running.disk.waiting == 1)
        storage.space = 0
        running.disk.open()

        assert await writer.closed() == 1013
        # It was about to be told, so it has to come back and ask again.
        assert await watcher.closed() == 1013
        assert watcher.value(0) == 0.0
        assert running.database.runtime.tail.head == 1
