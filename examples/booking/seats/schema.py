"""Shows, seats that somebody holds for a while, and seats that are booked."""

from __future__ import annotations

from relive import Document, Id, field, index


class Show(Document):
    name: str = field()
    by_name = index(name)


class Hold(Document):
    show: Id[Show]
    seat: int
    guest: str


class Booking(Document):
    show: Id[Show] = field()
    seat: int = field()
    guest: str
    by_seat = index(show, seat)
