"""The tables of the app that the client tests talk to."""

from __future__ import annotations

from typing import Any

from relive import Document, field, index


class Counter(Document):
    name: str = field()
    value: int = 0

    by_name = index(name)


class Message(Document):
    author: str
    body: str


class Box(Document):
    """Holds one value of any kind."""

    content: Any


class Post(Document):
    """A row of a list that is read page by page."""

    board: str = field()
    rank: int = field()
    hidden: bool = field(default=False)

    by_rank = index(board, rank)
