"""How the documents of one table are read, checked, ordered and written.

Invariant: a version made here fits its class, has its system fields, and is read-only all through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from ..actors.definition import BY_CREATION_TIME, BY_ID, TableDefinition
from ..actors.version import Version
from ..log.entry import IndexKey, IndexName
from ..protocol import cbor, limits
from ..protocol.errors import InvalidValue
from ..protocol.order import UNDEFINED_KEY, sort_key
from ..protocol.values import Int64, Value, depth, size
from .documents import convert, to_value
from .errors import DocumentInvalid
from .id_checks import IdCheck
from .read_only import freeze, holds_containers
from .schema import UNSET, Document
from .shapes import ObjectOf, Scalar, Shape, walk

SCALARS = (str, int, float, bool, bytes, type(None))


@define(eq=False)
class TableCodec:
    """One table as the deployed code sees it; ``cls`` None for a table without a class."""

    name: str
    cls: type[Document] | None
    shape: ObjectOf | None
    check_ids: IdCheck | None
    definition: TableDefinition = field(init=False)
    containers: bool = field(init=False)
    stored_names: dict[str, str] = field(init=False)
    """Field names in Python to those stored."""
    defaulted: frozenset[str] = field(init=False)
    """Stored names of fields that the class fills in."""
    defaulted_inside: bool = field(init=False)
    """Records inside the documents may be filled in, too."""
    int64_fields: frozenset[str] = field(init=False)
    """Stored names of fields that hold an Int64 and no other number."""

    def __attrs_post_init__(self) -> None:
        indexes = self.cls.__indexes__ if self.cls is not None else {}
        names = (BY_ID, BY_CREATION_TIME, *indexes)
        prefixes = [prefix_of(made.fields) for made in indexes.values()]
        self.definition = TableDefinition(
            self.name,
            tuple(IndexName(self.name, name) for name in names),
            self.decode,
            keys_of_struct(prefixes) if self.cls is not None else keys_of_mapping,
        )
        self.containers = self.shape is None or holds_containers(self.shape)
        self.stored_names = (
            {}
            if self.cls is None
            else dict(zip(self.cls.__struct_fields__, self.cls.__struct_encode_fields__, strict=True))
        )
        own = self.shape.fields if self.shape is not None else ()
        self.int64_fields = frozenset(f.name for f in own if holds_only_int64(f.shape))
        self.defaulted = frozenset(f.name for f in own if f.optional and not f.missing)
        self.defaulted_inside = any(
            f.optional
            for own_field in own
            for part in walk(own_field.shape)
            if isinstance(part, ObjectOf)
            for f in part.fields
        )

    def make(self, fields: dict[str, Value]) -> Version:
        """A version of normalized fields, ``_id`` and ``_creationTime`` included.

        Raises DocumentInvalid, with the path of what does not fit.
        """
        try:
            bytes_ = size(fields)
            if bytes_ > limits.DOCUMENT_BYTES_MAX:
                raise InvalidValue("$", f"{bytes_:,} bytes; a document has at most {limits.DOCUMENT_BYTES_MAX:,}")
            if self.containers and depth(fields) > limits.DOCUMENT_DEPTH_MAX:
                raise InvalidValue("$", f"nested more than {limits.DOCUMENT_DEPTH_MAX} deep")
            if self.check_ids is not None:
                self.check_ids(fields)
            version = Version(str(fields["_id"]), self.typed(fields), bytes_)
            if not self.defaulted <= fields.keys() or (self.defaulted_inside and self.fields(version) != fields):
                version.stored = fields
            return version
        except InvalidValue as error:
            raise DocumentInvalid(self.name, str(error)) from None

    def typed(self, fields: dict[str, Value]) -> object:
        """The document as handlers get it.  Raises InvalidValue."""
        if self.cls is None:
            return freeze(fields)
        document = convert(fields, self.cls)
        return freeze(document) if self.containers else document

    def decode(self, body: bytes) -> Version:
        """The version that the log holds as ``body``.  Raises DocumentInvalid."""
        fields = cbor.decode(body)
        assert isinstance(fields, dict), "a document is an object"
        return self.make(fields)

    def comparable(self, name: str, value: object) -> object:
        """A value to look for in a field, as the field would hold it: Python's own int will do for
        an Int64, as it does on writing."""
        if type(value) is int and self.stored_names.get(name) in self.int64_fields:
            return Int64(value)
        return value

    def fields(self, version: Version) -> dict[str, Value]:
        """The stored fields of a version, as values that may be changed."""
        fields = to_value(version.document)
        assert isinstance(fields, dict)
        return fields


def holds_only_int64(shape: Shape) -> bool:
    kinds = {part.name for part in walk(shape) if isinstance(part, Scalar)}
    return "int64" in kinds and not kinds & {"int", "float", "any"}


def key_of(item: Any) -> IndexKey:
    if item is UNSET:
        return UNDEFINED_KEY
    return sort_key(item if isinstance(item, SCALARS) else to_value(item))


def prefix_of(names: tuple[str, ...]) -> Callable[[Any], IndexKey]:
    """The part of an index key that its fields make."""
    if len(names) == 1:
        (only,) = names
        return lambda document: key_of(getattr(document, only))
    return lambda document: b"".join([key_of(getattr(document, name)) for name in names])


def keys_of_struct(prefixes: list[Callable[[Any], IndexKey]]) -> Callable[[Any], tuple[IndexKey, ...]]:
    def keys(document: Any) -> tuple[IndexKey, ...]:
        # Ties are broken by creation time, then id: every index key ends with both.
        suffix = sort_key(document.creation_time) + sort_key(document.id)
        return (document.id.encode(), suffix, *[prefix(document) + suffix for prefix in prefixes])

    return keys


def keys_of_mapping(document: Any) -> tuple[IndexKey, ...]:
    suffix = sort_key(document["_creationTime"]) + sort_key(document["_id"])
    return (document["_id"].encode(), suffix)


def untyped(name: str) -> TableCodec:
    """A table without a class: plain read-only mappings, system indexes only."""
    return TableCodec(name, None, None, None)
