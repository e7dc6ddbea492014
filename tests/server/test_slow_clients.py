"""Clients that do not read, do not answer, or ask for more than they take."""

from __future__ import annotations

import pytest
import trio
from relive.engine.application.app import App
from relive.engine.server import listener
from relive.engine.server import socket as socket_module
from relive.engine.server import stream as stream_module
from relive.protocol.limits import TRANSITIONS_QUEUED_MAX

from .harness import Running, eventually, masked, serve, shake_hands

BIG = 2_000_000


async def test_a_client_that_does_not_read_has_two_transitions_waiting_and_gets_the_newest_state(
    running: Running,
) -> None:
    async with running.client() as slow, running.client() as quick:
        await slow.watch(0, "values:text", characters=BIG)
        await slow.transition()
        await quick.watch(0, "counters:get", name="text")
        connection = next(iter(running.server.sockets)).connection
        for request_id in range(30):
            await quick.answered(request_id, "counters:add", name="text")
            assert connection.transitions_queued <= TRANSITIONS_QUEUED_MAX
            assert connection.unsent_bytes <= TRANSITIONS_QUEUED_MAX * 3 * BIG
        assert quick.value(0) == 30.0
        transitions = 0
        while slow.value(0)[0] != "0" or transitions < 2:
            await slow.transition()
            transitions += 1

        # The client's own check was that each transition began where the one before it ended.
        assert transitions < 10
        assert slow.version["ts"] == quick.version["ts"]


async def test_a_client_that_asks_and_never_reads_is_not_listened_to_any_more(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_module, "UNSENT_BYTES_MAX", 100_000)
    async with await running.raw() as stream, running.client() as other:
        await shake_hands(stream)
        connection = next(iter(running.server.sockets)).connection
        message = masked(b'{"type":"Mutation","requestId":1,"udfPath":"values:crash_writing","args":[{}]}')
        most = 0
        with trio.move_on_after(1):
            while True:
                with trio.move_on_after(0.1) as patience:
                    await stream.send_all(message * 200)
                most = max(most, connection.unsent_bytes)
                if patience.cancelled_caught:
                    break

        assert most < 110_000
        assert (await other.answered(0, "counters:add", name="a"))["result"] == 1.0


async def test_a_client_that_reads_again_is_answered_to_the_last(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_module, "UNSENT_BYTES_MAX", 2_000)
    async with running.client() as client, trio.open_nursery() as nursery:

        async def ask() -> None:
            for request_id in range(300):
                await client.mutate(request_id, "counters:add", name="a" * 500)

        running.disk.close()
        nursery.start_soon(ask)
        await trio.sleep(0.1)
        assert running.database.runtime.tail.head < 300
        running.disk.open()
        answered: list[float] = []
        while len(answered) < 300:
            message = await client.next()
            if message["type"] == "MutationResponse":
                answered.append(message["result"])

        assert answered == [number + 1.0 for number in range(300)]


async def test_a_client_that_broke_the_protocol_and_never_reads_is_cut_off(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_module, "END_S_MAX", 0.2)
    monkeypatch.setattr("relive.engine.server.listener.BEAT_S", 0.05)
    async with await running.raw() as stream:
        await shake_hands(stream, "/api/1.48.0/sync")
        await stream.send_all(
            masked(
                b'{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Add","queryId":0,'
                b'"udfPath":"values:text","args":[{"characters":8000000}]}]}'
            )
        )
        await eventually(lambda: next(iter(running.server.sockets)).connection.transitions_queued == 1)
        await stream.send_all(masked(b"rubbish"))

        await eventually(lambda: not running.server.sockets)


async def test_an_http_client_that_never_reads_is_given_up(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "SEND_S_MAX", 0.1)
    monkeypatch.setattr(listener, "KEEP_ALIVE_S", 0.1)
    async with serve(app) as running, await running.raw() as stream:
        query = b"/api/query?path=values:text&args=%7B%22characters%22:8000000%7D"
        await stream.send_all(b"GET " + query + b" HTTP/1.1\r\nhost: x\r\n\r\n")
        await eventually(lambda: len(running.server.streams) == 1)

        await eventually(lambda: not running.server.streams)


async def test_an_http_client_that_never_ends_its_request_is_given_up(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "REQUEST_S_MAX", 1)
    async with serve(app) as running, await running.raw() as stream:
        await stream.send_all(b"POST /api/query HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        await eventually(lambda: len(running.server.streams) == 1)

        await eventually(lambda: not running.server.streams)


@pytest.mark.parametrize("begun", [b"", b"GET / HT"])
async def test_a_client_that_never_says_what_it_wants_is_given_up(
    running: Running, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(listener, "HEAD_S_MAX", 0.1)
    async with await running.raw() as stream:
        await stream.send_all(begun)
        answer = await stream.receive_some()

        assert answer.startswith(b"HTTP/1.1 400") if begun else answer == b""


async def test_a_client_that_vanishes_is_forgotten(running: Running) -> None:
    async with running.client() as client:
        await client.watch(0, "counters:get", name="a")
        await client.transition()
        assert len(running.database.live.subscriptions.queries) == 1

    await eventually(lambda: not running.server.sockets)
    live = running.database.live  # What is left is kept for whoever asks next, and watched by nobody else.
    assert live.subscriptions.queries.keys() == live.kept.keys()
    assert all(len(query.watchers) == 1 for query in live.subscriptions.queries.values())
