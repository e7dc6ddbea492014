"""A graceful stop: what was asked is answered and durable, clients are told, and it ends in time."""

from __future__ import annotations

import errno

import httpx
import pytest
import trio
from relive.actors.errors import CommitterFailed
from relive.engine.application.app import App
from relive.engine.env import Env, real_env
from relive.engine.server import listener
from relive.log.entry import FIRST_LSN
from relive.log.memory import MemoryStorage
from relive.protocol.close import TRY_AGAIN_LATER

from .harness import Json, Running, eventually, masked, serve, shake_hands

GOING_AWAY = 1001


async def test_serve_returns_after_stop_and_the_port_is_free(app: App) -> None:
    async with serve(app) as running:
        await running.stop()

        with pytest.raises(OSError, match="all attempts to connect"):
            await running.raw()


async def test_mutations_under_way_are_answered_and_durable_before_the_close(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        await client.answered(0, "counters:add", name="a")
        running.disk.close()
        for request_id in range(1, 4):
            await client.mutate(request_id, "counters:add", name="a")
        await eventually(lambda: running.database.runtime.tail.head == 5)
        running.server.stop()
        await trio.sleep(0.05)
        assert not running.ended.is_set()
        running.disk.open()

        answered: list[tuple[int, float]] = []
        while len(answered) < 3:
            message = await client.next()
            if message["type"] == "MutationResponse":
                answered.append((message["requestId"], message["result"]))
        assert answered == [(1, 2.0), (2, 3.0), (3, 4.0)]
        assert await client.closed() == GOING_AWAY
    await running.stop()
    entries = [*running.database.log.reader.entries(FIRST_LSN)]
    assert [entry.function for entry in entries[1:]] == ["counters:add"] * 4


async def test_http_requests_under_way_are_answered(running: Running) -> None:
    async with running.http() as http, trio.open_nursery() as nursery:
        answers: list[Json] = []

        async def ask() -> None:
            body = {"path": "counters:add", "args": {"name": "a"}}
            answers.append((await http.post("/api/mutation", json=body)).json())

        running.disk.close()
        nursery.start_soon(ask)
        await eventually(lambda: running.database.runtime.tail.head == 2)
        running.server.stop()
        await trio.sleep(0.05)
        assert not running.ended.is_set()
        running.disk.open()
        await running.ended.wait()

    assert answers == [{"status": "success", "value": 1}]


async def test_nobody_is_let_in_while_the_server_stops(running: Running) -> None:
    async with running.client() as client:
        running.disk.close()
        await client.mutate(0, "counters:add", name="a")
        await eventually(lambda: running.database.runtime.tail.head == 2)
        running.server.stop()
        await trio.sleep(0.02)

        with pytest.raises(OSError, match="all attempts to connect"):
            await running.raw()
        await client.mutate(1, "counters:add", name="a")
        running.disk.open()
        assert (await client.response())["requestId"] == 0
        assert (await client.transition())["modifications"] == []
        assert await client.closed() == GOING_AWAY


async def test_idle_connections_do_not_hold_up_the_stop(running: Running) -> None:
    async with running.http() as http, await running.raw() as silent, await running.raw() as half:
        await http.get("/version")
        await half.send_all(b"GET /ver")
        await trio.sleep(0.02)
        started = trio.current_time()
        await running.stop()

        assert trio.current_time() - started < listener.DRAIN_S_MAX / 4
        assert await silent.receive_some() == b""


async def test_clients_that_never_read_hold_up_the_stop_only_so_long(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "DRAIN_S_MAX", 0.3)
    async with running.client() as reader, await running.raw() as websocket, await running.raw() as http:
        query = b"/api/query?path=values:text&args=%7B%22characters%22:8000000%7D"
        await http.send_all(b"GET " + query + b" HTTP/1.1\r\nhost: x\r\n\r\n")
        await shake_hands(websocket)
        await websocket.send_all(
            masked(
                b'{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Add","queryId":0,'
                b'"udfPath":"values:text","args":[{"characters":8000000}]}]}'
            )
        )
        await reader.watch(0, "values:text", characters=8_000_000)
        await reader.transition()
        await trio.sleep(0.2)
        await running.stop()

        assert await reader.closed() == GOING_AWAY


async def test_a_client_that_leaves_during_the_stop_is_not_waited_for(running: Running) -> None:
    async with running.client() as client:
        running.disk.close()
        await client.mutate(0, "counters:add", name="a")
        await eventually(lambda: running.database.runtime.tail.head == 2)
        running.server.stop()
        await trio.sleep(0.02)
    started = trio.current_time()
    running.disk.open()
    await running.stop()

    assert trio.current_time() - started < listener.DRAIN_S_MAX / 4


async def test_a_failed_fsync_ends_serve_with_the_committers_failure(app: App) -> None:
    storage = MemoryStorage()

    with pytest.RaisesGroup(pytest.RaisesExc(CommitterFailed, match="input/output error")):
        async with serve(app, storage) as running, running.client() as client:
            storage.failing_syncs = 1
            await client.mutate(0, "counters:add", name="a")
            await running.ended.wait()


async def test_a_port_that_is_taken_is_an_os_error(app: App, running: Running) -> None:
    with pytest.RaisesGroup(OSError) as caught:
        async with serve(app, port=running.port):
            raise AssertionError("it serves")
    error = caught.value.exceptions[0]
    assert isinstance(error, OSError)
    assert error.errno == errno.EADDRINUSE


async def test_a_full_disk_closes_with_try_again_later_and_reads_go_on(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running, running.client() as reader, running.client() as writer:
        await reader.watch(0, "counters:get", name="a")
        await reader.transition()
        running.disk.close()
        storage.space = sum(storage.size(name) for name in storage.names()) + 64
        await writer.connect()
        await writer.mutate(0, "counters:add", name="a")
        await eventually(lambda: running.disk.waiting == 1)
        running.disk.open()

        assert await writer.closed() == TRY_AGAIN_LATER
        async with running.http() as http, running.client() as again:
            body = {"path": "counters:get", "args": {"name": "a"}}
            assert (await http.post("/api/query", json=body)).json()["value"] == 0
            storage.space = None
            await again.connect()
            response = await again.answered(0, "counters:add", name="a")
            while not response["success"]:
                assert "writes are refused" in response["result"]
                await trio.sleep(0.1)
                response = await again.answered(0, "counters:add", name="a")
            assert response["result"] == 1.0
            assert (await http.post("/api/query", json=body)).json()["value"] == 1


async def test_who_saw_the_time_of_a_refused_write_is_served_after_a_restart(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running, running.client() as writer, running.client() as other:
        used = sum(storage.size(name) for name in storage.names())
        storage.space = used + 64
        await writer.mutate(0, "counters:add", name="a")
        assert await writer.closed() == TRY_AGAIN_LATER
        await other.modify()
        await other.transition()
        storage.space = None
    async with serve(app, storage) as running, running.client() as client:
        await client.connect(maxObservedTimestamp=other.version["ts"])
        await client.watch(0, "counters:get", name="a")
        await client.transition()

        assert client.value(0) == 0.0


async def test_who_came_while_the_clock_was_ahead_is_served_after_it_is_set_right_and_the_server_restarted(
    app: App,
) -> None:
    storage, right = MemoryStorage(), real_env()
    ahead = Env(lambda: right.clock_ns() + 3_600 * 10**9, right.entropy)
    async with serve(app, storage, right):
        pass
    async with serve(app, storage, ahead) as running, running.client() as early:
        await early.modify()
        await early.transition()
    async with serve(app, storage, right) as running, running.client() as client:
        await client.connect(maxObservedTimestamp=early.version["ts"])
        await client.watch(0, "counters:get", name="a")
        await client.transition()

        assert client.value(0) == 0.0


async def test_who_saw_another_log_here_before_is_served(app: App) -> None:
    env = real_env()
    storage = MemoryStorage()
    async with serve(app, storage, env):
        pass
    async with serve(app, None, env) as running, running.client() as other:
        await other.modify()
        await other.transition()
    async with serve(app, storage, env) as running, running.client() as client:
        await client.connect(maxObservedTimestamp=other.version["ts"])
        await client.watch(0, "counters:get", name="a")
        await client.transition()

        assert client.value(0) == 0.0


async def test_an_http_write_that_the_disk_refused_is_answered_503(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running, running.http() as http:
        storage.space = sum(storage.size(name) for name in storage.names()) + 64
        answer: httpx.Response = await http.post("/api/mutation", json={"path": "counters:add", "args": {"name": "a"}})

        again: httpx.Response = await http.post("/api/mutation", json={"path": "counters:add", "args": {"name": "a"}})

        assert answer.status_code == 503
        assert answer.json()["code"] == "DiskFull"
        assert (again.status_code, again.json()["code"]) == (503, "DiskFull")
