"""How the documents of one table are read, checked, ordered and written.

Invariant: a version made here fits its class, has its system fields, and is read-only all through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, field, frozen

from ...actors.definition import BY_CREATION_TIME, BY_ID, TableDefinition
from ...actors.version import Version
from ...log.entry import IndexKey, IndexName
from ...protocol import cbor, limits
from ...protocol.errors import InvalidValue
from ...protocol.order import sort_key
from ...protocol.values import Value, equal, size, too_deep
from ..errors import DocumentInvalid
from ..limits import FIELD_NAME_CHARS_MAX
from .documents import convert, declare_int64, plain, to_value
from .fingerprint import fingerprint
from .hints import union_of
from .id_checks import IdCheck
from .index_fields import TableIndex, table_indexes
from .indexes import SYSTEM_FIELDS
from .read_only import freeze, holds_containers
from .renames import Rename, renaming
from .schema import Document
from .shapes import ObjectOf, Scalar, Shape, variants_of, walk
from .text_fields import TableTextIndex, table_text_indexes
from .vector_fields import TableVectorIndex, table_vector_indexes


@frozen(eq=False)
class Stored:
    """How documents of one class differ from what is stored of them."""

    names: Mapping[str, str]
    """Field names in Python to those stored."""
    former: Mapping[str, str]
    """What fields were called before, to what they are called now."""
    defaulted: frozenset[str]
    """Stored names of fields that the class fills in."""
    defaulted_inside: bool
    """Records inside the documents may be filled in, too."""

    @classmethod
    def of(cls, shape: ObjectOf) -> Stored:
        inside = [part for own in shape.fields for part in walk(own.shape) if isinstance(part, ObjectOf)]
        return cls(
            dict(zip(shape.cls.__struct_fields__, shape.cls.__struct_encode_fields__, strict=True)),
            {old: own.name for own in shape.fields for old in own.former},
            frozenset(own.name for own in shape.fields if own.optional and not own.missing),
            any(inner.optional for part in inside for inner in part.fields),
        )


NOTHING = Stored({}, {}, frozenset(), False)
"""For documents without a class."""


@define(eq=False)
class TableCodec:
    """One table as the deployed code sees it; ``cls`` None for a table without a class."""

    name: str
    cls: type[Document] | None
    shape: Shape | None
    check_ids: IdCheck | None
    definition: TableDefinition = field(init=False)
    indexes: dict[str, TableIndex] = field(init=False)
    """By name, without those that every table has."""
    text_indexes: dict[str, TableTextIndex] = field(init=False)
    vector_indexes: dict[str, TableVectorIndex] = field(init=False)
    hint: Any = field(init=False)
    """The class of its documents, or a union of them."""
    containers: bool = field(init=False)
    int64: bool = field(init=False)
    """Whether a document can hold one."""
    stored: dict[type, Stored] = field(init=False)
    """By class of document."""
    rename: Rename | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Raises AppInvalid for an index of fields that are not there."""
        typed = self.cls is not None and self.shape is not None
        self.indexes = table_indexes(self.cls, self.shape) if self.cls is not None and self.shape is not None else {}
        self.text_indexes = (
            table_text_indexes(self.cls, self.shape) if self.cls is not None and self.shape is not None else {}
        )
        self.vector_indexes = (
            table_vector_indexes(self.cls, self.shape) if self.cls is not None and self.shape is not None else {}
        )
        names = (BY_ID, BY_CREATION_TIME, *self.indexes)
        prefixes = [index.prefix() for index in self.indexes.values()]
        self.definition = TableDefinition(
            self.name,
            tuple(IndexName(self.name, name) for name in names),
            self.decode,
            keys_of_struct(prefixes) if typed else keys_of_mapping,
            fingerprint(self.shape, self.indexes, self.text_indexes, self.vector_indexes),
            {name: index.summed.number_of for name, index in self.indexes.items() if index.summed is not None},
            tuple(IndexName(self.name, name) for name in self.text_indexes),
            keys_of_texts([*self.text_indexes.values()]),
            {name: index.definition for name, index in self.vector_indexes.items()},
        )
        self.hint = union_of(self.cls) if self.cls is not None else None
        documents = variants_of(self.shape) if self.shape is not None else ()
        self.int64 = self.shape is not None and any(
            isinstance(part, Scalar) and part.name == "int64" for part in walk(self.shape)
        )
        self.containers = self.shape is None or holds_containers(self.shape)
        self.stored = {document.cls: Stored.of(document) for document in documents if isinstance(document, ObjectOf)}
        self.rename = renaming(self.shape) if self.shape is not None else None

    def make(self, fields: dict[str, Value]) -> Version:
        """A version of normalized fields, ``_id`` and ``_creationTime`` included.

        Numbers that the class declares to be Int64 become so in ``fields``, which is what the log gets:
        there they say what they are without the class.
        Raises DocumentInvalid, with the path of what does not fit.
        """
        try:
            bytes_ = size(fields)
            if bytes_ > limits.DOCUMENT_BYTES_MAX:
                raise InvalidValue("$", f"{bytes_:,} bytes; a document has at most {limits.DOCUMENT_BYTES_MAX:,}")
            if self.containers and (place := too_deep(fields, limits.DOCUMENT_DEPTH_MAX)) is not None:
                raise InvalidValue(f"${place}", f"nested more than {limits.DOCUMENT_DEPTH_MAX} deep")
            named = self.rename(fields) if self.rename is not None else fields
            assert isinstance(named, dict)
            if self.check_ids is not None:
                self.check_ids(named)
            version = Version(str(fields["_id"]), self.typed(named), bytes_)
            for vectors in self.vector_indexes.values():
                vectors.check(version.document)
            if self.int64:
                declare_int64(fields, plain(version.document))
            stored = self.stored_of(version.document)
            if (
                named is not fields
                or not stored.defaulted <= fields.keys()
                or (stored.defaulted_inside and self.fields(version) != fields)
            ):
                version.stored = fields
            return version
        except InvalidValue as error:
            raise DocumentInvalid(self.name, str(error)) from None

    def make_whole(self, fields: dict[str, Value]) -> Version:
        """As `make`, of what somebody writes: defaults that are left out become part of ``fields``.

        So a document keeps them, whatever the code of a later deploy says; and writing one of them is no change.
        """
        version = self.make(fields)
        if version.stored is None:
            return version
        whole = self.fields(version)
        fields.clear()
        fields.update(whole)
        version = self.make(fields)
        assert equal(self.fields(version), fields), "what was read is whole"
        version.stored = None
        return version

    def typed(self, fields: dict[str, Value]) -> object:
        """The document as handlers get it.  Raises InvalidValue."""
        if self.cls is None:
            return freeze(fields)
        document = convert(fields, self.hint)
        return freeze(document) if self.containers else document

    def check_names(self, names: Iterable[str]) -> None:
        """Of fields that are to be written.  Raises DocumentInvalid."""
        if self.cls is not None:
            return  # Those of a class were checked when it was loaded.
        for name in names:
            if len(name) > FIELD_NAME_CHARS_MAX:
                problem = f"a field's name has {len(name)} characters; {FIELD_NAME_CHARS_MAX} are allowed"
                raise DocumentInvalid(self.name, problem)
            if name[:1] == "_" and name not in SYSTEM_FIELDS.values():
                raise DocumentInvalid(self.name, f"`{name}`: names that begin with _ belong to the system")

    def decode(self, body: bytes) -> Version:
        """The version that the log holds as ``body``.  Raises DocumentInvalid."""
        fields = cbor.decode(body)
        assert isinstance(fields, dict), "a document is an object"
        return self.make(fields)

    def fields(self, version: Version) -> dict[str, Value]:
        """The stored fields of a version, as values that may be changed."""
        fields = to_value(version.document)
        assert isinstance(fields, dict)
        return fields

    def stored_of(self, document: object) -> Stored:
        return self.stored.get(type(document), NOTHING)

    def stored_name(self, document: object, name: str) -> str:
        """What a field of ``document`` is called where it is stored; ``name`` itself if it is called so."""
        return self.stored_of(document).names.get(name, name)

    def with_stored_names(self, fields: Mapping[str, Value]) -> dict[str, Value]:
        """Fields that a handler wrote as a mapping; names in Python and former names will do."""
        cls = self.cls
        if cls is not None and cls.__variants__:
            cls = cls.__variants__.get(str(fields.get(cls.__tag_field__)))
        known = self.stored.get(cls, NOTHING) if cls is not None else NOTHING
        named = {known.names.get(name, name): item for name, item in fields.items()}
        for old, new in known.former.items():
            if old in named and new not in named:
                named[new] = named.pop(old)
        return named


def keys_of_struct(prefixes: list[Callable[[Any], IndexKey]]) -> Callable[[Any], tuple[IndexKey, ...]]:
    def keys(document: Any) -> tuple[IndexKey, ...]:
        # Ties are broken by creation time, then id: every index key ends with both.
        suffix = sort_key(document.creation_time) + sort_key(document.id)
        return (document.id.encode(), suffix, *[prefix(document) + suffix for prefix in prefixes])

    return keys


def keys_of_texts(indexes: list[TableTextIndex]) -> Callable[[Any], tuple[tuple[IndexKey, ...], ...]]:
    def keys(document: Any) -> tuple[tuple[IndexKey, ...], ...]:
        suffix = sort_key(document.creation_time) + sort_key(document.id)
        return tuple([index.keys(document, suffix) for index in indexes])

    return keys


def keys_of_mapping(document: Any) -> tuple[IndexKey, ...]:
    suffix = sort_key(document["_creationTime"]) + sort_key(document["_id"])
    return (document["_id"].encode(), suffix)


def untyped(name: str) -> TableCodec:
    """A table without a class: plain read-only mappings, system indexes only."""
    return TableCodec(name, None, None, None)
