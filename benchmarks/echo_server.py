"""What trio-websocket can do by itself, as a process of its own: ``python -m benchmarks.echo_server PORT``.

/echo        sends back what it gets
/watch       listens
/push/BYTES  for each message: one of so many bytes to everybody who listens, then the message back
"""

from __future__ import annotations

import sys
from typing import Any

import trio
from trio_websocket import ConnectionClosed, serve_websocket

from .websocket import HOST

watching: dict[Any, None] = {}


async def handle(request: Any) -> None:
    websocket = await request.accept()
    _, verb, *rest = request.path.split("/")
    try:
        if verb == "push":
            await push(websocket, "x" * int(rest[0]))
        elif verb == "watch":
            watching[websocket] = None
            await websocket.get_message()
        else:
            while True:
                await websocket.send_message(await websocket.get_message())
    except ConnectionClosed:
        pass
    finally:
        watching.pop(websocket, None)


async def push(websocket: Any, update: str) -> None:
    while True:
        message = await websocket.get_message()
        for watcher in list(watching):
            await watcher.send_message(update)
        await websocket.send_message(message)


if __name__ == "__main__":
    trio.run(serve_websocket, handle, HOST, int(sys.argv[1]), None)
