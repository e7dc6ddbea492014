"""Where the fields of an index are in the documents of a table, and the keys that they make.

Invariant: a field that a document does not have, or that lies in a record that it does not have,
has the key of a missing field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from attrs import frozen

from ...actors.sums import Totals
from ...log.entry import IndexKey
from ...protocol.order import UNDEFINED_KEY, sort_key
from ...protocol.values import Int64
from ..errors import AppInvalid
from ..limits import INDEXES_PER_TABLE_MAX
from .documents import to_value
from .indexes import Index1, Path
from .schema import UNSET, Document
from .shapes import ObjectOf, Scalar, Shape, simplest, variants_of, walk, whole

SCALARS = (str, int, float, bool, bytes, type(None))


@frozen(eq=False)
class IndexField:
    stored: Path
    """The path by the names under which fields are stored."""
    get: Callable[[Any], object]
    """What a document holds there; UNSET if it has no such field."""
    holds_only_int64: bool

    def comparable(self, value: object) -> object:
        """A value to look for, as the field would hold it: Python's own int will do for an Int64,
        as it does on writing."""
        return Int64(value) if self.holds_only_int64 and type(value) is int else value


@frozen(eq=False)
class SummedField:
    """A field whose numbers an index adds up."""

    stored: Path
    number_of: Callable[[Any], int | float | None]
    """What a document adds; None if it holds no number there."""
    number: Callable[[Totals], int | float]
    """The sum as the field would hold it: a float, an int, or an Int64."""


@frozen(eq=False)
class TableIndex:
    """An index as the deployed code declares it."""

    made: Index1[Any]
    fields: tuple[IndexField, ...]
    summed: SummedField | None = None

    @property
    def name(self) -> str:
        return self.made.name

    def prefix(self) -> Callable[[Any], IndexKey]:
        """The part of an index key that its fields make."""
        getters = [field.get for field in self.fields]
        if len(getters) == 1:
            (only,) = getters
            return lambda document: key_of(only(document))
        return lambda document: b"".join([key_of(get(document)) for get in getters])


def key_of_bound(value: object) -> IndexKey:
    """Of a value to look for: as it would be once stored, where there is one NaN only."""
    return key_of(value if value is UNSET else to_value(value))


def key_of(item: Any) -> IndexKey:
    if item is UNSET:
        return UNDEFINED_KEY
    return sort_key(item if isinstance(item, SCALARS) else to_value(item))


def declared_indexes(cls: type[Document]) -> dict[str, Index1[Any]]:
    """Every index that a table declares, by name, those of its variants included.  Raises AppInvalid."""
    declared: dict[str, Index1[Any]] = {}
    for owner in (cls, *cls.__variants__.values()):
        for name, made in owner.__indexes__.items():
            if declared.setdefault(name, made) is not made:
                raise AppInvalid(class_name(owner), f"two indexes of table `{cls.__table__}` are called `{name}`")
    if len(declared) > INDEXES_PER_TABLE_MAX:
        raise AppInvalid(class_name(cls), f"a table has at most {INDEXES_PER_TABLE_MAX} indexes")
    return declared


def table_indexes(cls: type[Document], shape: Shape) -> dict[str, TableIndex]:
    """The same, with where their fields are found.  Raises AppInvalid."""
    return {
        name: TableIndex(
            made,
            tuple(index_field(shape, path, where_of(made))[0] for path in made.fields),
            summed_field(shape, made.summed, where_of(made)) if made.summed is not None else None,
        )
        for name, made in declared_indexes(cls).items()
    }


def where_of(made: Index1[Any]) -> str:
    assert made.table is not None, made
    return f"{class_name(made.table)}.{made.name}"


def class_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__name__}"


def index_field(shape: Shape, path: Path, where: str) -> tuple[IndexField, Shape]:
    """With the shape of what is there.  Raises AppInvalid if no document of that shape can have a field there."""
    stored: list[str] = []
    steps: list[tuple[str, frozenset[type] | None]] = []
    for position, name in enumerate(path):
        records = list(records_of(shape))
        if not records:
            raise AppInvalid(where, f"`{'.'.join(path)}`: `{'.'.join(path[:position])}` is no Record")
        having = [record for record in records if name in record.cls.__struct_fields__]
        if not having:
            names = " or ".join(f"`{record.cls.__name__}`" for record in records)
            raise AppInvalid(where, f"`{'.'.join(path)}`: {names} has no field `{name}`")
        names_stored = {stored_name(record, name) for record in having}
        if len(names_stored) > 1:
            names = ", ".join(sorted(names_stored))
            raise AppInvalid(where, f"`{'.'.join(path)}`: `{name}` is stored under different names: {names}")
        stored += names_stored
        # A document of a table of one class has all fields of that class.
        certain = position == 0 and len(having) == len(records)
        steps.append((name, None if certain else frozenset(record.cls for record in having)))
        shape = simplest([field_shape(record, name) for record in having])
    return IndexField(tuple(stored), getter(steps), holds_only_int64(shape)), shape


def summed_field(shape: Shape, path: Path, where: str) -> SummedField:
    """Raises AppInvalid if no document of that shape can have a number there."""
    field, found = index_field(shape, path, where)
    kinds = {part.name for part in variants_of(found) if isinstance(part, Scalar)}
    if not kinds & {"int", "float", "int64", "any"}:
        raise AppInvalid(where, f"`{'.'.join(path)}` holds no numbers, and cannot be added up")
    get = field.get

    def number_of(document: Any) -> int | float | None:
        item = get(document)
        return item if isinstance(item, (int, float)) and not isinstance(item, bool) else None

    if field.holds_only_int64:
        return SummedField(field.stored, number_of, lambda totals: Int64(totals.exactly()))
    return SummedField(field.stored, number_of, Totals.rounded if kinds & {"float", "any"} else Totals.exactly)


def records_of(shape: Shape) -> Iterator[ObjectOf]:
    return (whole(part) for part in variants_of(shape) if isinstance(part, ObjectOf))


def stored_name(record: ObjectOf, name: str) -> str:
    return dict(zip(record.cls.__struct_fields__, record.cls.__struct_encode_fields__, strict=True))[name]


def field_shape(record: ObjectOf, name: str) -> Shape:
    stored = stored_name(record, name)
    return next(field.shape for field in record.fields if field.name == stored)


def getter(steps: list[tuple[str, frozenset[type] | None]]) -> Callable[[Any], object]:
    """Follows attributes; at each step, only of objects of the classes that have the field."""
    if len(steps) == 1 and steps[0][1] is None:
        return attrgetter(steps[0][0])

    def get(document: object) -> object:
        found = document
        for name, classes in steps:
            if classes is not None and type(found) not in classes:
                return UNSET
            found = getattr(found, name)
        return found

    return get


def holds_only_int64(shape: Shape) -> bool:
    kinds = {part.name for part in walk(shape) if isinstance(part, Scalar)}
    return "int64" in kinds and not kinds & {"int", "float", "any"}
