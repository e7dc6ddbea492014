"""What the engine knows of a table: which indexes it has, how to read its documents and order them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

from attrs import field, frozen

from ..log.entry import IndexKey, IndexName
from .sums import Number, Sums
from .version import Change, KeyChange, Version

BY_ID = "by_id"
BY_CREATION_TIME = "by_creation_time"


def no_text_keys(document: object) -> tuple[tuple[IndexKey, ...], ...]:
    return ()


@frozen(eq=False)
class VectorDefinition:
    """What the engine knows of an index of vectors; those it holds are found in `vectors`."""

    dimensions: int
    filters: int
    """How many filter fields there are."""
    vector_of: Callable[[Any], Sequence[float] | None]
    """None of a document that is not in the index."""
    filters_of: Callable[[Any], tuple[IndexKey, ...]]
    """The keys of what the filter fields hold."""
    keys: Callable[[Any], tuple[IndexKey, ...]]
    """They change if, and only if, the vector or a filter field does; only read sets know them."""


@frozen
class TableDefinition:
    name: str
    indexes: tuple[IndexName, ...]
    """``by_id`` and ``by_creation_time`` first."""
    decode: Callable[[bytes], Version] = field(eq=False)
    """From the CBOR of the log to a version; raises if the document does not fit."""
    keys: Callable[[object], tuple[IndexKey, ...]] = field(eq=False)
    """Keys of a document, one for each of ``indexes``."""
    fingerprint: bytes = b""
    """Of all that documents and their keys depend on but the bytes: with the same one, the same bytes are the
    same document under the same keys.  Empty if nobody can tell."""
    numbers: Mapping[str, Callable[[object], Number | None]] = field(factory=dict, eq=False)
    """By name of an index that adds up numbers: the one that a document adds, None if it has none."""
    text_indexes: tuple[IndexName, ...] = ()
    """Indexes in which a document stands under any number of keys, one for each of its words or more."""
    text_keys: Callable[[Any], tuple[tuple[IndexKey, ...], ...]] = field(default=no_text_keys, eq=False)
    """Keys of a document in each of ``text_indexes``, each key once."""
    vectors: Mapping[str, VectorDefinition] = field(factory=dict, eq=False)
    """By name of an index of vectors."""

    def __attrs_post_init__(self) -> None:
        assert [name.index for name in self.indexes[:2]] == [BY_ID, BY_CREATION_TIME]

    def sums(self, index: str) -> Sums | None:
        """Of an index that is empty; None if it adds nothing up."""
        number_of = self.numbers.get(index)
        return Sums(number_of) if number_of is not None else None

    def change(self, id: str, old: Version | None, new: Version | None) -> Change:
        """The change from ``old`` to ``new``, with the keys that it moves in every index."""
        old_keys = self.keys(old.document) if old is not None else repeat(None)
        new_keys = self.keys(new.document) if new is not None else repeat(None)
        keys = tuple(map(KeyChange, self.indexes, old_keys, new_keys))
        assert len(keys) == len(self.indexes), (self.name, len(keys))
        if self.text_indexes or self.vectors:
            moves = (*keys, *self.text_changes(old, new), *self.vector_changes(old, new))
            return Change(self.name, id, old, new, moves, len(keys))
        return Change(self.name, id, old, new, keys)

    def text_changes(self, old: Version | None, new: Version | None) -> Iterator[KeyChange]:
        """In the text indexes: a key that stays is its own old and new one."""
        nowhere = ((),) * len(self.text_indexes)
        old_keys = self.text_keys(old.document) if old is not None else nowhere
        new_keys = self.text_keys(new.document) if new is not None else nowhere
        for name, were, are in zip(self.text_indexes, old_keys, new_keys, strict=True):
            yield from moved(name, were, are)

    def vector_changes(self, old: Version | None, new: Version | None) -> Iterator[KeyChange]:
        for name, vectors in self.vectors.items():
            were = vectors.keys(old.document) if old is not None else ()
            are = vectors.keys(new.document) if new is not None else ()
            yield from moved(IndexName(self.name, name), were, are)


def moved(name: IndexName, were: Iterable[IndexKey], are: Iterable[IndexKey]) -> Iterator[KeyChange]:
    """From one set of keys to another, in an order that follows from the two."""
    before, after = dict.fromkeys(were), dict.fromkeys(are)
    for key in before:
        yield KeyChange(name, key, key if key in after else None)
    for key in after:
        if key not in before:
            yield KeyChange(name, None, key)
