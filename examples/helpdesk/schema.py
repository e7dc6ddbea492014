"""The tables of the help desk: tickets, and what people write and attach to them.

Each index below is one that the page needs: for search, for "similar tickets", for the counts in the corner.
"""

from __future__ import annotations

from typing import Literal

from relive import Document, Id, ScheduledFunction, StoredFile, aggregate, field, index, text_index, vector_index

from .embedding import DIMENSIONS

State = Literal["open", "solved"]


class Ticket(Document):
    title: str = field()
    text: str = field()
    """Title and body, as they are searched."""
    body: str
    author: str
    state: State = field()
    urgency: int = field()
    """1 can wait, 3 cannot."""
    topic: str | None = None
    """What `tickets.classify` thinks that it is about; None while it has not looked."""
    embedding: list[float] | None = field(default=None)
    reminder: Id[ScheduledFunction] | None = None

    by_text = text_index(text, filters=(state,))
    by_embedding = vector_index(embedding, dimensions=DIMENSIONS, filters=(state,))
    counts = aggregate(by=(state, urgency), sum=urgency)


class Comment(Document):
    ticket: Id[Ticket] = field()
    author: str
    body: str

    by_ticket = index(ticket)


class Attachment(Document):
    ticket: Id[Ticket] = field()
    name: str
    file: Id[StoredFile]

    by_ticket = index(ticket)


class Report(Document):
    """What the durable action in `reports` puts together; `text` is None until it is done."""

    author: str = field()
    stage: str
    text: str | None = None

    by_author = index(author)


class Digest(Document):
    """The counts, as a cron writes them down every minute: at most `digests.KEPT` rows."""

    open: int
    solved: int
