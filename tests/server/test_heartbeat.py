"""Pings, and the end of clients that fell silent; with a clock of our own."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from attrs import define
from relive.engine import env as env_module
from relive.engine.server.frames import ping_frame
from relive.engine.server.listener import Server
from relive.engine.server.socket import PING, Socket

from .harness import Running, masked, shake_hands

PONG = 0x8A
SECOND_NS = 1_000_000_000


@define(eq=False)
class Clock:
    now_ns: int = 1_000 * SECOND_NS

    def __call__(self) -> int:
        return self.now_ns

    def pass_seconds(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The monotonic clock of sockets; their heart beats only when a test says so."""
    clock = Clock()
    monkeypatch.setattr(env_module, "real_monotonic_ns", clock)
    monkeypatch.setattr(Server, "heartbeat", no_heartbeat)
    return clock


async def no_heartbeat(server: Server, shells: trio.Nursery) -> None:
    """Beats never."""


@define(eq=False)
class Pulse:
    """One socket of the server, and the raw stream of its client."""

    socket: Socket
    stream: trio.SocketStream
    clock: Clock

    async def beat_after(self, seconds: float) -> bytes:
        """What the client receives when so much time has passed."""
        self.clock.pass_seconds(seconds)
        self.socket.beat()
        received = b""
        with trio.move_on_after(0.05):
            while True:
                data = await self.stream.receive_some()
                received += data
                if not data:
                    break
        return received

    async def say(self, data: bytes) -> None:
        await self.stream.send_all(data)
        await trio.sleep(0.02)


async def pulse(running: Running, stream: trio.SocketStream, clock: Clock) -> Pulse:
    await shake_hands(stream)
    await trio.testing.wait_all_tasks_blocked(0.01)
    (socket,) = running.server.sockets
    # It was opened by the real clock.
    socket.pinged_ns = socket.stream.heard_ns = clock.now_ns
    return Pulse(socket, stream, clock)


def text(message: bytes) -> bytes:
    return b"\x81" + bytes([len(message)]) + message


async def test_a_websocket_ping_goes_out_every_five_seconds(clock: Clock, running: Running) -> None:
    async with await running.raw() as stream:
        client = await pulse(running, stream, clock)

        assert await client.beat_after(4.9) == b""
        assert await client.beat_after(0.1) == ping_frame()
        assert await client.beat_after(1) == b""
        assert await client.beat_after(4) == ping_frame()


async def test_an_application_ping_goes_out_after_fifteen_seconds_without_a_message(
    clock: Clock, running: Running
) -> None:
    async with await running.raw() as stream:
        client = await pulse(running, stream, clock)
        await client.beat_after(10)

        assert await client.beat_after(4.9) == b""
        assert await client.beat_after(0.1) == ping_frame() + text(PING)
        assert text(PING) not in await client.beat_after(14.9)
        assert text(PING) in await client.beat_after(0.1)


async def test_any_message_puts_the_application_ping_off(clock: Clock, running: Running) -> None:
    async with await running.raw() as stream:
        client = await pulse(running, stream, clock)
        await client.beat_after(10)
        await client.say(masked(b'{"type":"Authenticate","baseVersion":0,"tokenType":"None"}'))
        assert b"Transition" in await client.beat_after(0)

        assert text(PING) not in await client.beat_after(14.9)
        assert text(PING) in await client.beat_after(0.1)


async def test_a_client_that_answers_pings_stays(clock: Clock, running: Running) -> None:
    async with await running.raw() as stream:
        client = await pulse(running, stream, clock)
        for _ in range(6):
            assert ping_frame() in await client.beat_after(60)
            await client.say(masked(b"", PONG))

        assert running.server.sockets


async def test_a_client_of_whom_nothing_was_heard_for_two_minutes_is_dropped(clock: Clock, running: Running) -> None:
    async with await running.raw() as stream:
        client = await pulse(running, stream, clock)
        await client.beat_after(119)
        assert running.server.sockets
        received = await client.beat_after(2)

        assert b"\x88" in received
        assert received.endswith((1000).to_bytes(2, "big") + b"ClientSilent")
