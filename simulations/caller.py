"""A client without a session: calls functions over HTTP, one request after another, as scripts do.

    POST /api/query, /api/mutation ──> the server's own listener and routes ──> status and JSON

What is lost on the way is not called again: nobody could tell whether it had been done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import trio
from attrs import define

from ..protocol import json
from .network import Link
from .plan import MUTATE, SUBSCRIBE, Operation
from .trace import Called, Replied, Trace
from .wire import END_OF_HEAD

CALLER_PAUSE_S = 0.005
CALLED = ("bank:", "counters:")
"""What may be done twice: other workloads know each value by who wrote it."""
LENGTH = b"content-length:"


@define(eq=False)
class Caller:
    dial: Callable[[], Link | None]
    trace: Trace
    numbers: Iterator[int]
    """Of calls; all callers count together."""

    async def run(self, operations: tuple[Operation, ...]) -> None:
        for operation in operations:
            await trio.sleep(CALLER_PAUSE_S)
            if operation.verb in (MUTATE, SUBSCRIBE) and operation.path.startswith(CALLED):
                await self.call(operation)

    async def call(self, operation: Operation) -> None:
        link = self.dial()
        if link is None:
            return
        number = next(self.numbers)
        self.trace.add(Called(number, operation.verb == MUTATE, operation.path, operation.args))
        self.trace.probe("a function is called over HTTP")
        link.to_server.send(request(operation))
        answer = await answered(link)
        link.cut()
        if answer is not None:
            status, tree = answer
            problem = "" if tree.get("status") == "success" else f"{status} {tree.get('errorMessage', tree)}"
            self.trace.add(Replied(number, json.encode(tree["value"]) if not problem else b"", problem))


def request(operation: Operation) -> bytes:
    kind = "mutation" if operation.verb == MUTATE else "query"
    tree: Any = {"path": operation.path, "args": operation.args, "format": "json"}
    body = json.encode(tree)
    head = f"POST /api/{kind} HTTP/1.1\r\nHost: simulation\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


async def answered(link: Link) -> tuple[int, dict[str, Any]] | None:
    """Status and JSON; None if the connection ends before."""
    data = b""
    while True:
        head, found, body = data.partition(END_OF_HEAD)
        if found:
            lengths = [line[len(LENGTH) :] for line in head.lower().split(b"\r\n") if line.startswith(LENGTH)]
            if lengths and len(body) >= int(lengths[0]):
                tree: Any = json.decode(body[: int(lengths[0])])
                return int(head.split(b" ", 2)[1]), tree
        piece = await link.to_client.receive()
        if piece is None:
            return None
        data += piece
