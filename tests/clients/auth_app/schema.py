"""Notes, each of one person."""

from __future__ import annotations

from relive import Document, field, index


class Note(Document):
    owner: str = field()
    text: str
    by_owner = index(owner)
