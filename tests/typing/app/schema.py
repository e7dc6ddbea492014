"""Tables of the app whose types are checked."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from relive import UNSET, Document, Id, Int64, Record, Unset, field, index, nested, text_index, vector_index

T = TypeVar("T")


class Address(Record):
    city: str
    zip: int | None = None


class User(Document):
    name: str = field()
    address: Address = field()
    second: Address | None = None
    email: str | None = field(default=None)
    by_name = index(name)
    by_city = index(address.city, name)
    by_second = index(nested("second.city"))
    by_email = index(email, staged=True)
    by_words = text_index(name)
    by_email_words = text_index(email, filters=(address.city,))
    face: list[float] | None = field(default=None)
    by_face = vector_index(face, dimensions=3, filters=(address.city, name))


class Channel(Document):
    name: str = field(formerly="title")
    archived: bool | Unset = field(default=UNSET)
    by_name = index(name)
    by_archived = index(archived)


class Text(Record, tag="text"):
    text: str


class Picture(Record, tag="picture"):
    png: bytes


class Message(Document):
    channel: Id[Channel] = field()
    author: Id[User] = field()
    content: Text | Picture
    likes: int = field(default=0)
    amount: Int64 = field(default=Int64(0))
    state: Literal["sent", "deleted"] = field(default="sent")
    tags: list[str] = field(default_factory=list)
    by_channel = index(channel)
    by_author = index(author, likes)
    by_three = index(author, likes, amount)
    by_four = index(author, likes, amount, state)
    by_words = text_index(state, filters=(channel, likes))


class Event(Document):
    at: float = field()
    by_at = index(at)


class Click(Event, tag="click"):
    x: int = field()
    by_x = index(x)


class Scroll(Event, tag="scroll"):
    y: int


class Box(Record, Generic[T]):
    content: T
    more: list[T] = field(default_factory=list)
