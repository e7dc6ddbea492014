"""The tables of the app that simulations run."""

from __future__ import annotations

from relive.engine.data.schema import Document, Id, field, index
from relive.protocol.values import Int64


class Account(Document):
    name: str = field()
    amount: int

    by_name = index(name)


class Counter(Document):
    name: str = field()
    count: int = field()

    by_name = index(name)
    by_count = index(count)


class Meter(Document):
    name: str = field()
    counter: Id[Counter]

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


class Job(Document):
    number: int
    state: str = field()
    worker: str = field()

    by_state = index(state)
    by_worker = index(worker, state)


class ListOfKey(Document, table="lists"):
    key: str = field()
    items: list[int]

    by_key = index(key)


class Register(Document):
    key: str = field()
    value: int

    by_key = index(key)


class Pin(Document):
    name: str = field()
    message: Id[Message]

    by_name = index(name)


class Part(Document):
    name: str = field()
    size: int

    by_name = index(name)


class Note(Document):
    body: str = field()
    at: Int64 = field()

    by_body = index(body)
    by_at = index(at)


class Timer(Document):
    number: int = field()
    times: int

    by_number = index(number)


class Mark(Document):
    number: int
    position: int


class Beat(Document):
    name: str = field()
    times: int

    by_name = index(name)
