"""The tables of the measured app: channels, and the messages in them."""

from __future__ import annotations

from relive import Document, Id, field, index


class Channel(Document):
    name: str = field()

    by_name = index(name)


class Message(Document):
    channel: Id[Channel] = field()
    author: str
    body: str
    likes: int = 0

    by_channel = index(channel)
