"""The shared stream: whoever writes, and however little the socket takes, frames stay whole."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing
from relive.engine.env import real_env
from relive.engine.server import stream as stream_module
from relive.engine.server.stream import SharedStream


def pair() -> tuple[SharedStream, trio.SocketStream]:
    one, other = trio.socket.socketpair()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return SharedStream(trio.SocketStream(one), real_env()), trio.SocketStream(other)


async def received(stream: trio.SocketStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += await stream.receive_some()
    return data


async def test_what_the_socket_takes_at_once_is_sent_at_once() -> None:
    shared, other = pair()
    async with shared, other:
        assert shared.send_now(b"abc")

        assert await other.receive_some() == b"abc"


async def test_nothing_comes_between_what_was_sent_at_once_and_its_rest() -> None:
    shared, other = pair()
    long = bytes(range(256)) * 4096
    async with shared, other, trio.open_nursery() as nursery:
        assert not shared.send_now(long)
        assert not shared.send_now(b"second")
        nursery.start_soon(shared.send_all, b"pong")

        assert await received(other, len(long) + 10) == long + b"secondpong"
        assert shared.send_now(b"third")


async def test_what_is_sent_at_once_waits_for_a_writer_who_has_the_turn() -> None:
    shared, other = pair()
    long = bytes(range(256)) * 4096
    async with shared, other, trio.open_nursery() as nursery:
        nursery.start_soon(shared.send_all, long)
        await trio.testing.wait_all_tasks_blocked()
        assert not shared.send_now(b"second")
        nursery.start_soon(shared.send_all, b"")

        assert await received(other, len(long) + 6) == long + b"second"


async def test_a_peer_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "SEND_S_MAX", 0.05)
    shared, other = pair()
    async with shared, other:
        with pytest.raises(trio.BrokenResourceError):
            await shared.send_all(bytes(10_000_000))
        with pytest.raises(trio.ClosedResourceError):
            await shared.send_all(b"more")


async def test_a_gone_peer_is_noticed_by_the_next_send_all() -> None:
    shared, other = pair()
    async with shared:
        await other.aclose()
        assert not shared.send_now(b"abc")

        with pytest.raises(trio.BrokenResourceError):
            await shared.send_all(b"")
