"""Books, and who has borrowed them; what has happened to them."""

from __future__ import annotations

from relive import UNSET, Document, Id, Unset, field, index


class Book(Document):
    title: str = field()
    due: float | None = None
    borrowed_by: str | Unset = UNSET

    by_title = index(title)


class Event(Document):
    book: Id[Book]


class Borrowed(Event, tag="borrowed"):
    by: str


class Returned(Event, tag="returned"):
    late: bool
