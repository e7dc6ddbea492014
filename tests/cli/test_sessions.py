"""Sessions of clients through kill -9, with the server as a process of its own."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from uuid import UUID

import trio
from trio_websocket import ConnectionClosed, wrap_client_stream

from .conftest import Relive, Serve

SOURCE = """
from relive import Document, MutationCtx, QueryCtx, field, on_connect, on_disconnect, query

class Told(Document):
    session: str = field()
    what: str

@on_connect
async def came(ctx: MutationCtx, session: str) -> None:
    await ctx.db.insert(Told(session=session, what="came"))

@on_disconnect
async def left(ctx: MutationCtx, session: str) -> None:
    await ctx.db.insert(Told(session=session, what="left"))

@query
async def told(ctx: QueryCtx) -> list[list[str]]:
    return [[each.session, each.what] async for each in ctx.db.query(Told)]
"""
ROUNDS = 3
CLIENTS = 5
EMPTY_SET = {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": []}


async def connected(port: int, first: int, then: Callable[[], object]) -> None:
    """Connect some clients, hear that all were served, and do something while they are there."""

    async def client(number: int, task_status: trio.TaskStatus[None]) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as nursery:
            path = "/api/1.48.0/sync"
            socket = await wrap_client_stream(nursery, stream, f"127.0.0.1:{port}", path)
            connect = {"type": "Connect", "sessionId": str(UUID(int=number)), "connectionCount": 0}
            await socket.send_message(json.dumps(connect | {"lastCloseReason": None}))
            await socket.send_message(json.dumps(EMPTY_SET))
            await socket.get_message()
            task_status.started()
            with suppress(ConnectionClosed):
                await socket.get_message()
            nursery.cancel_scope.cancel()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for number in range(first, first + CLIENTS):
                await nursery.start(client, number)
            await trio.to_thread.run_sync(then)


def test_after_kill_9_each_session_that_began_ends_exactly_once(
    app: Path, serve: Serve, relive: Relive, relive_process: Relive, port: int
) -> None:
    (app / "house.py").write_text(SOURCE)
    running = serve(app)
    for number in range(ROUNDS):
        trio.run(connected, port, 1 + number * CLIENTS, partial(running.end, signal.SIGKILL))
        running = serve(app)
    told = json.loads(relive("run", "house:told").stdout)

    for client in range(1, 1 + ROUNDS * CLIENTS):
        assert [what for session, what in told if session == str(UUID(int=client))] == ["came", "left"]
    running.end()
    verified = relive_process("log", "verify", "--replay")
    assert verified.returncode == 0, verified.stdout + verified.stderr
