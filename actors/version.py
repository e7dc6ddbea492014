"""One version of a document, and the change from one version to the next.

Documents are opaque here: the engine decodes them and says what their index keys are.
"""

from __future__ import annotations

from typing import NamedTuple

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
    """One for each index of the table: old *and* new keys invalidate what was read."""

    def __attrs_post_init__(self) -> None:
        assert self.old is not None or self.new is not None, "nothing became nothing"
