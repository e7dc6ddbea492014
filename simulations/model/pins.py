"""Pins name a message by its id, and the message names a channel."""

from __future__ import annotations

from .chat import MESSAGES, within
from .rows import NUMBER, Ref, Tables

PINS = "pins"


def pin(tables: Tables, name: str, body: str) -> bool:
    message, found = tables.first(MESSAGES, body=body), tables.first(PINS, name=name)
    if message is None:
        return False
    ref = Ref(message[NUMBER])
    if found is None:
        tables.insert(PINS, name=name, message=ref)
    else:
        tables.patch(PINS, found, message=ref)
    return True


def show(tables: Tables, name: str) -> str | None:
    found = tables.first(PINS, name=name)
    message = tables.of(MESSAGES, found["message"]) if found is not None else None
    return None if message is None else message["body"]


def around(tables: Tables, name: str) -> list[str]:
    found = tables.first(PINS, name=name)
    message = tables.of(MESSAGES, found["message"]) if found is not None else None
    if message is None:
        return []
    return [row["body"] for row in within(tables, message["channel"], 0, message["position"] + 1)]


def drop(tables: Tables, name: str) -> int:
    found = tables.first(PINS, name=name)
    message = tables.of(MESSAGES, found["message"]) if found is not None else None
    if message is None:
        return 0
    tables.delete(MESSAGES, message)
    return len(tables.where(MESSAGES, channel=message["channel"]))
