"""Noise at both doors: whatever arrives, the next client is served."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed

from .harness import ADMIN_KEY, Running, masked, shake_hands

ROUNDS = 40
WORDS: list[Any] = [
    *["Connect", "ModifyQuerySet", "Mutation", "Action", "Authenticate", "Event", "Add", "Remove", "None", "User"],
    *["Admin", "", "x", "counters:add", "counters:get", "values:echo", "values:fail", "a", ADMIN_KEY, "\ud83d\ude00"],
    *["7f5ba1a8-35a4-4c9d-9c1b-0123456789ab", "AAAAAAAAAAA=", "//////////8="],
    *[None, True, 0, 1, 2, -1, 1.5, -0.0, 2**32, 2**53, 2**63, 2**64, 10**30, 1e308],
    *[[], {}, [{}], [{"name": "a"}], {"value": 1}, {"$integer": "AQAAAAAAAAA="}, {"$float": "x"}, {"$bytes": 5}],
]
FIELDS = [
    *["type", "sessionId", "connectionCount", "lastCloseReason", "maxObservedTimestamp", "clientTs", "baseVersion"],
    *["newVersion", "modifications", "queryId", "udfPath", "args", "journal", "componentPath", "requestId"],
    *["tokenType", "value", "impersonating", "eventType", "event", "path", "format", "ts", "queries"],
]
SHAPES: list[dict[str, Any]] = [
    {"type": "Connect", "sessionId": "7f5ba1a8-35a4-4c9d-9c1b-0123456789ab", "connectionCount": 0},
    {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": []},
    {"type": "Mutation", "requestId": 0, "udfPath": "counters:add", "args": [{"name": "a"}]},
    {"type": "Action", "requestId": 0, "udfPath": "counters:add", "args": [{"name": "a"}]},
    {"type": "Authenticate", "baseVersion": 0, "tokenType": "None"},
    {"type": "Event", "eventType": "x", "event": None},
]


TARGETS = [
    *["/api/query", "/api/mutation", "/api/action", "/api/function", "/api/run/counters/add", "/api/query_ts"],
    *["/api/query_at_ts", "/api/query_batch", "/", "*", "//", "/%zz", "/api/sync", "/\xff"],
]


def noise(random: Random) -> Any:
    if random.random() < 0.2:
        return [noise(random) for _ in range(random.randrange(3))]
    if random.random() < 0.2:
        return {random.choice(FIELDS): noise(random) for _ in range(random.randrange(4))}
    return random.choice(WORDS)


def modification(random: Random) -> dict[str, Any]:
    query_id = random.randrange(3)
    if random.random() < 0.3:
        return {"type": "Remove", "queryId": query_id}
    args = noise(random) if random.random() < 0.3 else [{"value": noise(random)}]
    path = random.choice(["values:echo", "counters:get", "values:fail", "no:such"])
    return {"type": "Add", "queryId": query_id, "udfPath": path, "args": args}


def message(random: Random, number: int) -> str:
    """Nearly a message: often legal, often not quite."""
    shape = dict(random.choice(SHAPES))
    if shape["type"] == "ModifyQuerySet":
        shape |= {"baseVersion": number, "newVersion": number + 1, "modifications": [modification(random)]}
    if random.random() < 0.3:
        shape[random.choice(FIELDS)] = noise(random)
    if random.random() < 0.1:
        del shape[random.choice(list(shape))]
    text = json.dumps(shape)
    if random.random() < 0.05:
        cut = random.randrange(len(text))
        text = text[:cut] + random.choice(["\x00", "{", "]", '"', "\\", "\ufeff", "\\ud800"]) + text[cut:]
    return text


async def speak(running: Running, random: Random) -> None:
    """One client of almost legal messages, until it is thrown out."""
    async with running.client() as client:
        versions = 0
        try:
            for _ in range(random.randrange(1, 12)):
                text = message(random, versions)
                versions += '"ModifyQuerySet"' in text
                await client.websocket.send_message(text)
            with trio.move_on_after(0.005):
                while True:
                    await client.next()
        except ConnectionClosed:
            pass


async def babble(running: Running, random: Random) -> None:
    """One client that shakes hands and then sends frames as no client would."""
    async with await running.raw() as stream:
        await shake_hands(stream)
        for _ in range(random.randrange(1, 6)):
            first = random.choice([0x81, 0x01, 0x80, 0x82, 0x88, 0x89, 0x8A, 0xC1, 0x83, 0x8F, random.randrange(256)])
            frame = masked(random.randbytes(random.randrange(130)), first)
            if random.random() < 0.3:
                frame = frame[: random.randrange(len(frame))] + random.randbytes(random.randrange(20))
            await send(stream, frame)
        with trio.move_on_after(0.005):
            await receive(stream)


def request(random: Random) -> bytes:
    """Nearly an HTTP request."""
    method = random.choice(["GET", "POST", "POST", "POST", "OPTIONS", "HEAD", "PUT", "PRI", "CONNECT", "\x01"])
    routes = ["/api/query", "/api/mutation", "/api/action", "/api/function", "/api/run/counters/add", "/api/query_ts"]
    target = random.choice(
        [*routes, "/api/query_at_ts", "/api/query_batch", "/", "*", "//", "/%zz", "/api/sync", "/\xff"]
    )
    target += random.choice(["", "", "?path=counters:get&args={}", "?args=%", "?adminKey=%00", "/" * 50])
    body = json.dumps(
        noise(random) if random.random() < 0.5 else {"path": "counters:add", "args": noise(random)}
    ).encode()
    headers = [b"host: x", b"content-type: application/json", b"content-length: %d" % len(body)]
    headers += random.sample(
        [
            *[b"content-length: 5", b"transfer-encoding: chunked", b"connection: upgrade", b"upgrade: websocket"],
            *[b"upgrade: h2c", b"http2-settings: AAMAAABkAAQAAP__", b"expect: 100-continue", b"connection: close"],
            *[b"authorization: Convex \xff", b"authorization: Bearer x", b"convex-client: \xb2-\xb2", b"origin: \xff"],
            *[b"sec-websocket-key: x", b"sec-websocket-version: 13", b"convex-client: npm-1", b"x: " + b"y" * 9000],
        ],
        random.randrange(4),
    )
    head = f"{method} {target} HTTP/{random.choice(['1.1', '1.1', '1.0', '2.0'])}\r\n".encode("latin-1")
    sent = head + b"\r\n".join(headers) + b"\r\n\r\n" + body
    return sent[: random.randrange(len(sent))] if random.random() < 0.2 else sent


async def knock(running: Running, random: Random) -> None:
    async with await running.raw() as stream:
        for _ in range(random.randrange(1, 3)):
            await send(stream, random.randbytes(200) if random.random() < 0.1 else request(random))
        with trio.move_on_after(0.01):
            while await receive(stream):
                pass


async def send(stream: trio.SocketStream, data: bytes) -> None:
    # We may have been thrown out already.
    with suppress(trio.BrokenResourceError):
        await stream.send_all(data)


async def receive(stream: trio.SocketStream) -> bytes:
    try:
        return bytes(await stream.receive_some())
    except trio.BrokenResourceError:
        return b""


@pytest.mark.parametrize("visit", [speak, babble, knock])
async def test_noise_does_not_keep_the_next_client_from_being_served(
    running: Running, caplog: pytest.LogCaptureFixture, visit: Callable[[Running, Random], Any]
) -> None:
    async with running.client() as bystander:
        await bystander.watch(0, "counters:get", name="quiet")
        with trio.move_on_after(3):
            for seed in range(ROUNDS):
                random = Random(seed)
                async with trio.open_nursery() as nursery:
                    for _ in range(5):
                        nursery.start_soon(visit, running, Random(random.random()))

        await bystander.answered(0, "counters:add", name="quiet")
        await bystander.until(lambda: bystander.value(0) == 1.0)
        async with running.client() as client, running.http() as http:
            assert (await client.answered(0, "counters:add", name="quiet"))["result"] == 2.0
            answer = await http.post("/api/query", json={"path": "counters:get", "args": {"name": "quiet"}})
            assert answer.json() == {"status": "success", "value": 2}
    assert "Traceback" not in caplog.text
