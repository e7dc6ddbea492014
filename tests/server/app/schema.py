"""The tables of the app that the server tests talk to."""

from __future__ import annotations

from relive import Document, field, index


class Counter(Document):
    name: str = field()
    value: int = 0

    by_name = index(name)


class Message(Document):
    channel: str = field()
    body: str

    by_channel = index(channel)
