"""One version of a document, and the change from one version to the next.

Documents are opaque here: the engine decodes them and says what their index keys are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from attrs import define, field, frozen

from ..log.entry import LSN, IndexKey, IndexName

BY_ID = "by_id"
BY_CREATION_TIME = "by_creation_time"


@define(eq=False)
class Version:
    """One version of one document.  Shared by everybody who reads it; never changed.

    ``lsn`` is set when the version is committed, ``json`` when it is first sent: both once.
    """

    id: str
    document: object
    size: int
    """Size in bytes as limits count it."""
    lsn: LSN = LSN(0)
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


@frozen
class TableDefinition:
    """What the engine knows of a table: how to read its documents and order them."""

    name: str
    indexes: tuple[IndexName, ...]
    """``by_id`` and ``by_creation_time`` first."""
    decode: Callable[[bytes], Version] = field(eq=False)
    """From the CBOR of the log to a version; raises if the document does not fit."""
    keys: Callable[[object], tuple[IndexKey, ...]] = field(eq=False)
    """Keys of a document, one for each of ``indexes``."""

    no_keys: tuple[None, ...] = field(init=False, eq=False)
    """The keys of no document."""

    @no_keys.default
    def _no_keys(self) -> tuple[None, ...]:
        return (None,) * len(self.indexes)

    def __attrs_post_init__(self) -> None:
        assert [name.index for name in self.indexes[:2]] == [BY_ID, BY_CREATION_TIME]


def change_of(definition: TableDefinition, id: str, old: Version | None, new: Version | None) -> Change:
    """The change from ``old`` to ``new``, with the keys that it moves in every index."""
    nothing = definition.no_keys
    old_keys = definition.keys(old.document) if old is not None else nothing
    new_keys = definition.keys(new.document) if new is not None else nothing
    keys = tuple(map(KeyChange, definition.indexes, old_keys, new_keys))
    return Change(definition.name, id, old, new, keys)
