"""What the load says and reads of the Convex sync protocol, as templates and byte searches."""

from __future__ import annotations

import json
import os
import uuid
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from attrs import Factory, define

from .websocket import Link, frame

SYNC_PATH = "/api/sync"
AUTHOR = "ada"
BODY_CHARACTERS = 100
LISTED = 50
"""Messages in a result of ``messages:list``."""
NUMBER_DIGITS = 7
NUMBER_AT = b'"body":"'
"""Stands before a message's number; for the first time before the newest one's."""
PING_BYTES = len(b'{"type":"Ping"}')
FIRST_REQUEST = 1_000_000
"""Request ids have as many digits from here on, so that all frames of a template are equally long."""
FILL_MESSAGES_MAX = 500
ANY_CHANNEL = "j" * 32
"""Where a frame is only echoed."""


class WrongAnswer(Exception):
    """The server answered what it must not; nothing that was measured counts."""


def body(number: int) -> str:
    """A message's text: its number, then padding."""
    return f"{number:0{NUMBER_DIGITS}d} ".ljust(BODY_CHARACTERS, ".")


@define(eq=False)
class Channel:
    """One channel: what was written into it, and what has arrived of that."""

    id: str
    number: int
    """Of the newest message."""
    seen: int = Factory(lambda self: self.number, takes_self=True)
    """The newest message that the subscriber has shown."""
    pending: deque[float] = Factory(deque[float])
    """When each message after ``seen`` was written."""
    took: list[float] = Factory(list[float])
    """Seconds from write to arrival."""
    template: bytes = Factory(lambda self: template(self.id), takes_self=True)

    def write(self, request: int) -> bytes:
        """The frame of a mutation that sends the next message."""
        self.number += 1
        return self.template % (FIRST_REQUEST + request, self.number)

    def arrived(self, number: int) -> None:
        now = perf_counter()
        while self.seen < number:
            self.seen += 1
            self.took.append(now - self.pending.popleft())


def template(channel: str) -> bytes:
    """A frame with two gaps: request id and message number, of always the same length."""
    args = json.dumps({"author": AUTHOR, "body": body(0), "channel": channel}, separators=(",", ":"))
    request = f'{{"type":"Mutation","requestId":{FIRST_REQUEST},"udfPath":"messages:send","args":[{args}]}}'
    whole = frame(request.encode()).replace(b"%", b"%%")
    whole = whole.replace(b'"requestId":%d' % FIRST_REQUEST, b'"requestId":%07d')
    return whole.replace(NUMBER_AT + body(0)[:NUMBER_DIGITS].encode(), NUMBER_AT + b"%07d")


def newest(message: bytes) -> int:
    """The number of the first message in an update.  Raises WrongAnswer."""
    at = message.find(NUMBER_AT) + len(NUMBER_AT)
    try:
        return int(message[at : at + NUMBER_DIGITS])
    except ValueError:
        raise WrongAnswer(message[:300].decode()) from None


def require_exact(message: bytes, channel: Channel) -> None:
    """An update lists the newest messages of its channel, all of them, in order.  Raises WrongAnswer."""
    (modification,) = json.loads(message)["modifications"]
    shown = [document["body"] for document in modification["value"]]
    oldest = max(channel.number - LISTED, -1)
    expected = [body(number) for number in range(channel.number, oldest, -1)]
    if shown != expected:
        raise WrongAnswer(f"channel {channel.id} at {channel.number} shows {[text[:7] for text in shown]}")


def connected(port: int, watched: str | None = None) -> tuple[Link, bytes]:
    """A client as the official ones begin, watching a channel or nothing; and its first Transition."""
    link = Link.open(port, SYNC_PATH)
    session = uuid.UUID(bytes=os.urandom(16))
    add = {"type": "Add", "queryId": 0, "udfPath": "messages:list", "args": [{"channel": watched}]}
    send(
        link, {"type": "Connect", "sessionId": str(session), "connectionCount": 0, "lastCloseReason": "InitialConnect"}
    )
    modifications = [] if watched is None else [add]
    send(link, {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": modifications})
    (first,) = link.wait()
    return link, first


def send(link: Link, message: dict[str, object]) -> None:
    link.send(frame(json.dumps(message).encode()))


def call(link: Link, request: int, path: str, args: dict[str, object]) -> Any:
    """Run one mutation and wait until it is visible.  Its result; raises WrongAnswer if it failed."""
    send(link, {"type": "Mutation", "requestId": request, "udfPath": path, "args": [args]})
    answers: list[dict[str, Any]] = []
    while len(answers) < 2:
        answers += [json.loads(message) for message in link.wait() if len(message) != PING_BYTES]
    if not answers[0]["success"]:
        raise WrongAnswer(answers[0]["result"])
    return answers[0]["result"]


def fill(port: int, channels: int, messages: int) -> Sequence[str]:
    """Make channels with so many messages each, numbered from 0; their ids."""
    link, _ = connected(port)
    ids: list[str] = []
    request = 0
    for index in range(channels):
        ids.append(call(link, request, "channels:get_or_create", {"name": f"channel {index}"}))
        request += 1
        for start in range(0, messages, FILL_MESSAGES_MAX):
            bodies = [body(number) for number in range(start, min(start + FILL_MESSAGES_MAX, messages))]
            call(link, request, "messages:fill", {"channel": ids[-1], "author": AUTHOR, "bodies": bodies})
            request += 1
    link.close()
    return ids
