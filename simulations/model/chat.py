"""Messages in ranges of positions.  Sorting keeps those of one position in the order in which they were made."""

from __future__ import annotations

from typing import Any

from .rows import Row, Tables

MESSAGES = "messages"
EVERYWHERE = 2**40


def within(tables: Tables, channel: str, low: int, high: int) -> list[Row]:
    found = [row for row in tables.where(MESSAGES, channel=channel) if low <= row["position"] < high]
    return sorted(found, key=lambda row: row["position"])


def send(tables: Tables, channel: str, position: int, body: str) -> int:
    tables.insert(MESSAGES, channel=channel, position=position, body=body)
    return len(within(tables, channel, 0, position + 1))


def move(tables: Tables, body: str, channel: str, position: int) -> int:
    found = tables.where(MESSAGES, body=body)
    for row in found:
        tables.patch(MESSAGES, row, channel=channel, position=position)
    return len(found)


def clear(tables: Tables, channel: str, low: int, high: int) -> int:
    for row in within(tables, channel, low, high):
        tables.delete(MESSAGES, row)
    return len(within(tables, channel, 0, EVERYWHERE))


def range(tables: Tables, channel: str, low: int, high: int) -> list[str]:
    return [row["body"] for row in within(tables, channel, low, high)]


def count(tables: Tables, channel: str, low: int, high: int) -> int:
    return len(within(tables, channel, low, high))


def is_quiet(tables: Tables, channel: str, low: int, high: int) -> bool:
    return not within(tables, channel, low, high)


def last(tables: Tables, channel: str, number: int) -> list[str]:
    return [row["body"] for row in reversed(within(tables, channel, 0, EVERYWHERE))][:number]


def page(tables: Tables, channel: str, order: str, paginationOpts: Any = None) -> list[str]:
    """All pages together: where they end, the model does not know."""
    bodies = [row["body"] for row in within(tables, channel, 0, EVERYWHERE)]
    return bodies[::-1] if order == "desc" else bodies
