"""The tables of the app: a class is a table, and every document is checked against it."""

from __future__ import annotations

from relive import Document, field, index


class Task(Document):
    """Something to do."""

    title: str
    done: bool = field(default=False)

    by_done = index(done)
