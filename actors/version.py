"""One version of a document, and the change from one version to the next.

Documents are opaque here: the engine decodes them and says what their index keys are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from attrs import define, frozen

from ..log.entry import BEFORE_FIRST, LSN, IndexKey, IndexName


@define(eq=False)
class Version:
    """One version of one document, shared by everybody who reads it.

    ``lsn`` is set when the version is committed, ``json`` when it is first sent.  Nothing else about
    it ever changes: a deploy that reads documents in a new way makes new versions.
    """

    id: str
    document: object
    size: int
    """Size in bytes as limits count it."""
    lsn: LSN = BEFORE_FIRST
    """The entry that wrote it; `BEFORE_FIRST` until it is committed."""
    json: bytes | None = None
    """Canonical JSON of the document, made when it is first sent and shared from then on."""
    stored: object = None
    """The document as the log holds it, where the deployed code fills in defaults; None elsewhere."""
    body: bytes | None = None
    """What the log holds, of a document that nobody has read since the start; None from then on."""


class Unread(Version):
    """A version whose document is decoded when somebody first looks at it, and then a `Version` like any other.

    It is known to fit, as it was read before in the same way.  Its class changes with the first look, so that
    no later look costs more than with any other version.
    """

    __slots__ = ()
    decode: ClassVar[Callable[[bytes], Version]]

    def __getattr__(self, name: str) -> object:
        if name not in ("document", "size", "stored"):
            raise AttributeError(name)
        body = self.body
        assert body is not None
        made = type(self).decode(body)
        assert made.id == self.id, (made.id, self.id)
        self.document, self.size, self.stored = made.document, made.size, made.stored
        self.body = None
        self.__class__ = Version  # type: ignore[assignment]
        return getattr(self, name)


def unread(decode: Callable[[bytes], Version]) -> Callable[[str, bytes, LSN], Version]:
    """What makes versions of one table, by id, body and entry, that ``decode`` reads when they are looked at."""
    cls = type("Unread", (Unread,), {"__slots__": (), "decode": staticmethod(decode)})
    new = object.__new__

    def make(id: str, body: bytes, lsn: LSN) -> Version:
        version: Version = new(cls)
        version.id = id
        version.lsn = lsn
        version.json = None
        version.body = body
        return version

    return make


def looked_into(version: Version) -> object:
    """Its document, which is not kept if nobody has read it yet: who goes through all of them needs no room."""
    body = version.body
    if body is None or not isinstance(version, Unread):
        return version.document
    return type(version).decode(body).document


class KeyChange(NamedTuple):
    """What a change does to one index; a key is None where there is no document."""

    name: IndexName
    old: IndexKey | None
    new: IndexKey | None


@frozen(eq=False)
class Change:
    """A document goes from one version to another; None is "there is none"."""

    table: str
    id: str
    old: Version | None
    new: Version | None
    keys: tuple[KeyChange, ...]
    """One for each index of the table: old *and* new keys invalidate what was read.  Behind them any number
    for each text index, in which a document stands under many keys: each key that goes, stays or comes."""
    single: int | None = None
    """How many of ``keys``, the first, are of indexes with one key for each document; None if all are."""

    def __attrs_post_init__(self) -> None:
        assert self.old is not None or self.new is not None, "nothing became nothing"
