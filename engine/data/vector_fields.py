"""What a vector has to be, what a search asks for, and the keys by which read sets know both.

    [0] [hash of the vector] [id]
    [number of a filter field] [what it holds] [hash of the vector] [id]

No index holds these keys: `actors.vectors` finds the vectors.  But a change says of each whether it goes,
stays or comes, so that a search which has read a range of them is invalidated like any other reader.

Invariants
    * The keys of a document change if, and only if, its vector or a filter field does.
    * Every document that can be among the results of a search has a key in one of its ranges.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import isfinite
from typing import Any

from attrs import frozen

from ...actors.definition import VectorDefinition
from ...log.entry import IndexKey, IndexName, KeyRange
from ...protocol.errors import InvalidValue
from ...protocol.order import sort_key
from ...protocol.values import Int64
from ..errors import AppInvalid, VectorInvalid
from ..limits import (
    INDEXES_PER_TABLE_MAX,
    VECTOR_FILTER_TERMS_MAX,
    VECTOR_INDEXES_PER_TABLE_MAX,
    VECTOR_RESULTS_MAX,
)
from .index_fields import IndexField, class_name, declared_indexes, index_field, key_of, key_of_bound
from .schema import Document
from .shapes import ArrayOf, Scalar, Shape, variants_of
from .text_fields import declared_text_indexes
from .vector_indexes import VectorIndexOf

HASH_BYTES = 16
BEYOND = b"\xff"
"""What comes behind the key of a value is the tag of the next one, which is smaller than this."""

Term = tuple[int, IndexKey]
"""A filter field by position, and the key of what it has to hold."""
VectorFilter = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""Fields and what they have to hold, all of them; of several such, one is enough."""


@frozen(eq=False)
class Asked:
    """A search, checked."""

    vector: tuple[float, ...]
    limit: int
    alternatives: tuple[tuple[Term, ...], ...]
    """A document has to fit one; all do if there is none."""


def number_key(number: int) -> IndexKey:
    return sort_key(Int64(number))


def problem_of(vector: Sequence[float], dimensions: int) -> str:
    """Why it cannot be compared; empty if it can."""
    if len(vector) != dimensions:
        return f"{len(vector):,} numbers; the vectors of this index have {dimensions:,}"
    if not all(map(isfinite, vector)):
        place = next(place for place, number in enumerate(vector) if not isfinite(number))
        return f"[{place}] is {vector[place]}; vectors are made of finite numbers"
    if not any(vector):
        return "all of it is 0: it has no direction, so that nothing can be said to be near"
    return ""


@frozen(eq=False)
class TableVectorIndex:
    """A vector index as the deployed code declares it."""

    made: VectorIndexOf[Any]
    vector: IndexField
    filters: tuple[IndexField, ...]

    @property
    def name(self) -> str:
        return self.made.name

    @property
    def definition(self) -> VectorDefinition:
        return VectorDefinition(self.made.dimensions, len(self.filters), self.vector_of, self.filters_of, self.keys)

    def vector_of(self, document: Any) -> Sequence[float] | None:
        found = self.vector.get(document)
        return found if isinstance(found, (list, tuple)) else None

    def filters_of(self, document: Any) -> tuple[IndexKey, ...]:
        return tuple([key_of(filtered.get(document)) for filtered in self.filters])

    def keys(self, document: Any) -> tuple[IndexKey, ...]:
        vector = self.vector_of(document)
        if vector is None:
            return ()
        packed = struct.pack(f"<{len(vector)}d", *vector)
        end = sort_key(blake2b(packed, digest_size=HASH_BYTES).digest()) + sort_key(document.id)
        held = enumerate(self.filters_of(document), 1)
        return (number_key(0) + end, *[number_key(place) + key + end for place, key in held])

    def check(self, document: Any) -> None:
        """Raises InvalidValue for a vector that cannot be compared."""
        vector = self.vector_of(document)
        problem = problem_of(vector, self.made.dimensions) if vector is not None else ""
        if problem:
            raise InvalidValue(f"$.{'.'.join(self.vector.stored)}", problem)

    def ranges(self, table: str, asked: Asked) -> list[KeyRange]:
        """What a search depends on: of each field that has to hold something, who holds that."""
        terms = [term for alternative in asked.alternatives for term in alternative]
        starts = [number_key(place + 1) + key for place, key in terms] or [number_key(0)]
        index = IndexName(table, self.name)
        return [KeyRange(index, start, start + BEYOND, keys_only=True) for start in dict.fromkeys(starts)]

    def asked(self, vector: object, limit: object, filter: object) -> Asked:
        """Raises VectorInvalid for a vector that cannot be compared; TypeError, ValueError for the rest."""
        if type(limit) is not int or not 1 <= limit <= VECTOR_RESULTS_MAX:
            raise ValueError(f"vector_search() gives 1 to {VECTOR_RESULTS_MAX} documents, not limit={limit!r}")
        return Asked(self.comparable(vector), limit, self.alternatives(filter))

    def comparable(self, vector: object) -> tuple[float, ...]:
        if isinstance(vector, (str, bytes)) or not isinstance(vector, Sequence):
            raise VectorInvalid(repr(self.made), f"a {type(vector).__name__} is no list of numbers")
        for place, item in enumerate(vector):
            if not isinstance(item, (int, float)) or isinstance(item, bool):
                raise VectorInvalid(repr(self.made), f"[{place}] is no number but a {type(item).__name__}")
        try:
            numbers = tuple(map(float, vector))
        except OverflowError:
            raise VectorInvalid(repr(self.made), "it has an int that no float can hold") from None
        problem = problem_of(numbers, self.made.dimensions)
        if problem:
            raise VectorInvalid(repr(self.made), problem)
        return numbers

    def alternatives(self, filter: object) -> tuple[tuple[Term, ...], ...]:
        if filter is None:
            return ()
        given = [filter] if isinstance(filter, Mapping) else filter
        if isinstance(given, (str, bytes)) or not isinstance(given, Sequence) or not given:
            raise TypeError('vector_search(): filter= is {"field": value}, or a list of such, of which one has to fit')
        if not all(isinstance(terms, Mapping) and terms for terms in given):
            raise TypeError("vector_search(): each filter names one field or more, and what it holds")
        if sum(map(len, given)) > VECTOR_FILTER_TERMS_MAX:
            count = sum(map(len, given))
            raise ValueError(f"vector_search(): {count} filters; {VECTOR_FILTER_TERMS_MAX} are allowed")
        return tuple(tuple(self.term(name, value) for name, value in terms.items()) for terms in given)

    def term(self, name: object, value: object) -> Term:
        names = [".".join(path) for path in self.made.filters]
        if name not in names:
            known = ", ".join(names) or "none"
            raise ValueError(f"vector_search(): {name!r} is no filter field of {self.made!r}; it has {known}")
        place = names.index(str(name))
        return place, key_of_bound(self.filters[place].comparable(value))


def table_vector_indexes(cls: type[Document], shape: Shape) -> dict[str, TableVectorIndex]:
    """Every vector index of a table, by name, those of its variants included.  Raises AppInvalid."""
    declared: dict[str, VectorIndexOf[Any]] = {}
    others = {**declared_indexes(cls), **declared_text_indexes(cls)}
    for owner in (cls, *cls.__variants__.values()):
        for name, made in owner.__vector_indexes__.items():
            if declared.setdefault(name, made) is not made or name in others:
                raise AppInvalid(class_name(owner), f"two indexes of table `{cls.__table__}` are called `{name}`")
    if len(declared) > VECTOR_INDEXES_PER_TABLE_MAX:
        raise AppInvalid(class_name(cls), f"a table has at most {VECTOR_INDEXES_PER_TABLE_MAX} indexes of vectors")
    if len(declared) + len(others) > INDEXES_PER_TABLE_MAX:
        raise AppInvalid(class_name(cls), f"a table has at most {INDEXES_PER_TABLE_MAX} indexes")
    return {name: table_vector_index(made, shape) for name, made in declared.items()}


def table_vector_index(made: VectorIndexOf[Any], shape: Shape) -> TableVectorIndex:
    assert made.table is not None, made
    where = f"{class_name(made.table)}.{made.name}"
    vector, held = index_field(shape, made.vector, where)
    kinds = [part for part in variants_of(held) if part != Scalar("null")]
    if kinds != [ArrayOf(Scalar("float"))]:
        raise AppInvalid(where, f"`{'.'.join(made.vector)}` has to be a list[float], or that or None")
    return TableVectorIndex(made, vector, tuple(index_field(shape, path, where)[0] for path in made.filters))
