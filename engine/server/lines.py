"""An answer of several lines of JSON, sent while the work goes on that they tell of.

A client that goes away cancels the work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ...protocol import json
from .groups import single_error

Tell = Callable[[object], Awaitable[None]]
"""Sends one line."""


class Lines(Response):
    """Runs ``work`` with a way to tell lines; the answer ends when it returns."""

    media_type = "application/jsonl"

    def __init__(self, work: Callable[[Tell], Awaitable[None]]) -> None:
        self.work = work
        self.status_code = 200
        self.background = None
        self.init_headers({"cache-control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(tree: object) -> None:
            line = json.dump(tree) + b"\n"
            await send({"type": "http.response.body", "body": line, "more_body": True})

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with single_error():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_when_gone, receive, nursery.cancel_scope)
                await self.work(tell)
                nursery.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def cancel_when_gone(receive: Receive, work: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    work.cancel()
