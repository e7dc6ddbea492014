"""The tables of the chat: channels, and the messages in them.

A class is a table.  relive names the tables `channels` and `messages`, gives every document an
`id` and a `creation_time`, and checks each document against these types when it is written.
"""

from __future__ import annotations

from relive import Document, Id, field, index


class Channel(Document):
    """A room with a name.  Names are unique because `channels.get_or_create` is the only way in."""

    name: str = field()

    by_name = index(name)


class Message(Document):
    """One line that somebody wrote in a channel."""

    channel: Id[Channel] = field()
    author: str
    body: str
    likes: int = 0
    """A default also fills in for documents that are older than the field."""

    # Every index ends with the creation time, so the messages of a channel come out in the order
    # in which they were sent.
    by_channel = index(channel)
