"""What goes wrong in one connection stays there, unless it is an invariant of ours that broke."""

from __future__ import annotations

import socket
import struct

import pytest
import trio
import trio.testing
from relive.engine.application.app import App
from relive.engine.server import listener
from relive.engine.version import ENGINE_VERSION
from relive.log.memory import MemoryStorage
from relive.protocol.messages import ClientMessage
from relive.protocol.server_session import ServerSession

from .harness import Running, eventually, serve


async def library_assert(*arguments: object, **options: object) -> None:
    raise AssertionError("an assert of a library that a peer's bytes tripped")


async def test_an_assert_of_a_library_ends_that_connection_only(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(listener, "HttpConnection", library_assert)
        async with await running.raw() as stream:
            await stream.send_all(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n")
            with trio.fail_after(5):
                assert await stream.receive_some() == b""

    assert "a connection failed" in caplog.text
    async with running.http() as http:
        assert (await http.get("/version")).status_code == 200


async def test_a_broken_invariant_of_ours_ends_the_server(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(self: ServerSession, message: ClientMessage, received_ms: int) -> None:
        self.sent(1.0)
        self.auth_rejected("asserts that a token was waiting")

    monkeypatch.setattr(ServerSession, "receive", receive)

    with pytest.RaisesGroup(AssertionError, flatten_subgroups=True, allow_unwrapped=True):
        async with serve(app, MemoryStorage()) as running, running.client() as client:
            await client.send({"type": "Event", "eventType": "x", "event": 1})
            await running.ended.wait()


@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_ends_when_its_client_has_gone(running: Running, reset: bool) -> None:
    """Clients that close without a word would hold a descriptor each, for as long as one may wait to ask again."""
    async with await running.raw() as stream:
        await stream.send_all(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n")
        said = b""
        while not said.endswith(ENGINE_VERSION.encode()):
            said += await stream.receive_some()
        await trio.testing.wait_all_tasks_blocked(0.05)  # The server waits for the next request.
        assert len(running.server.streams) == 1
        if reset:
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    await eventually(lambda: not running.server.streams)
