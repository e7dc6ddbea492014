"""The tables of the app that simulations run."""

from __future__ import annotations

from relive.engine.data.schema import Document, field, index


class Account(Document):
    name: str = field()
    amount: int

    by_name = index(name)


class Counter(Document):
    name: str = field()
    count: int

    by_name = index(name)


class Owned(Document):
    name: str = field()
    owner: str = field()

    by_name = index(name)
    by_owner = index(owner)


class Message(Document):
    channel: str = field()
    position: int = field()
    body: str = field()

    by_position = index(channel, position)
    by_body = index(body)
