"""What a developer writes to define data: `Document`, `Record`, `Id`, `field`, `index`, `text_index`.

    class Message(Document):
        channel: Id[Channel] = field()
        body: str
        likes: int = 0
        by_channel = index(channel)

A table may hold documents of several classes, told apart by a tag:

    class Event(Document):
        at: float = field()
        by_at = index(at)

    class Click(Event, tag="click"):
        x: int

A table keeps every version of its documents, unless it says for how long:

    class Visit(Document, history_days=30):
        page: str

Types come from hints, once: they validate, they type-check, and they generate the clients.
Documents and records are frozen msgspec Structs: the store and the handlers share them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from typing_extensions import dataclass_transform

from ...protocol.values import Int64
from .indexes import SYSTEM_FIELDS, FieldDeclaration, Index1, SystemIndex, index, name_indexes, nested
from .text_indexes import TextIndex, name_text_indexes, text_index
from .vector_indexes import VectorIndex, name_vector_indexes, vector_index

D_co = TypeVar("D_co", covariant=True)

UNSET = msgspec.UNSET
"""A field that is not there; `None` is a value (null), and not the same."""
Unset = msgspec.UnsetType
"""Write ``X | Unset = UNSET`` for a field that may be missing."""

HISTORY_DAYS_MAX = 36_500
TAG_FIELD = "type"
"""Where a document of a table of several classes says which it is, unless ``tag_field`` says otherwise."""

if TYPE_CHECKING:
    from typing import Self

    class Id(str, Generic[D_co]):
        """The id of a document of one table; a plain string at run time."""

    def field(
        *,
        default: Any = ...,
        default_factory: Any = ...,
        name: str | None = None,
        formerly: str | tuple[str, ...] = (),
        init: bool = True,
    ) -> Any:
        """A field that an index may name; ``name`` is what it is called in stored documents.

        ``formerly``: what it was called there before.  A stored document that has the old name and
        not the new one is read as if it had the new one, and gets it when it is written next.
        """

else:

    class Id:
        """The id of a document of one table; a plain string at run time."""

        def __class_getitem__(cls, table):
            return Annotated[str, msgspec.Meta(extra={"id": table})]

    def field(**options):
        """A field that an index may name; ``name`` is what it is called in stored documents."""
        return FieldDeclaration(**options)


def table_name(class_name: str) -> str:
    """The plural of a class name, first letter small: ``BlogEntry`` is ``blogEntries``."""
    word = class_name[0].lower() + class_name[1:]
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(s|x|z|ch|sh)$", word) else "s")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class DocumentMeta(msgspec.StructMeta):
    """Turns `field` and `index` declarations into Struct fields and named indexes."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        table: str | None = None,
        tag: str | None = None,
        tag_field: str | None = None,
        history_days: float | None = None,
        **options: Any,
    ) -> Any:
        # msgspec does not hand this down, and type checkers are told that it holds for every class.
        options = {"kw_only": True, **options}
        if namespace.get("__module__") == __name__:
            return super().__new__(mcls, name, bases, namespace, **options)
        for key in SYSTEM_FIELDS:
            if key in namespace.get("__annotations__", {}):
                raise TypeError(f"`{key}` is given by the database: choose another name")
        parent: Any = next((base for base in bases if isinstance(base, DocumentMeta)), None)
        root = root_of(parent, name, tag, tag_field, table)
        if root is not None:
            check_tag(root, tag, namespace)
        if tag is not None:
            options |= {"tag": tag, "tag_field": tag_field or (root.__tag_field__ if root is not None else TAG_FIELD)}
        indexes = {key: value for key, value in namespace.items() if isinstance(value, Index1)}
        text_indexes = {key: value for key, value in namespace.items() if isinstance(value, TextIndex)}
        vector_indexes = {key: value for key, value in namespace.items() if isinstance(value, VectorIndex)}
        names, former = declare_fields(namespace)
        cls: Any = super().__new__(mcls, name, bases, namespace, **options)
        cls.__table__ = root.__table__ if root is not None else table or table_name(name)
        cls.__history_days__ = checked_history(name, root, history_days)
        cls.__tag_field__ = tag_field or getattr(root, "__tag_field__", TAG_FIELD)
        cls.__variants__ = {}
        cls.__root__ = root or cls
        cls.__former__ = former_names(cls, former)
        cls.__indexes__ = {**getattr(cls, "__indexes__", {}), **indexes}
        cls.__text_indexes__ = {**getattr(cls, "__text_indexes__", {}), **text_indexes}
        name_indexes(cls, indexes, names)
        cls.__vector_indexes__ = {**getattr(cls, "__vector_indexes__", {}), **vector_indexes}
        name_text_indexes(cls, text_indexes, names)
        name_vector_indexes(cls, vector_indexes, names)
        if root is not None:
            root.__variants__[tag] = cls
        return cls


def root_of(parent: Any, name: str, tag: str | None, tag_field: str | None, table: str | None) -> Any:
    """The class of the table that a tagged class belongs to; None for a class with a table of its own."""
    root = getattr(parent, "__root__", None)
    if root is None:
        return None
    if tag is None and root is parent:
        return None
    if tag is None:
        raise TypeError(f'`{name}` is one more kind of `{root.__name__}`: say which, as `class {name}(..., tag="...")`')
    if root.__struct_config__.tag is not None:
        raise TypeError(f"`{name}`: `{root.__name__}` has a tag; what several classes have in common has none")
    if table is not None:
        raise TypeError(f"`{name}` belongs to the table of `{root.__name__}`: leave out table=")
    if tag_field is not None and tag_field != root.__tag_field__:
        raise TypeError(f"`{name}`: tag_field= belongs to the first class of the table, `{root.__name__}`")
    return root


def checked_history(name: str, root: Any, days: float | None) -> float | None:
    """How many days a version is kept after it was written over or deleted; None is for ever."""
    if days is None:
        return getattr(root, "__history_days__", None)
    if root is not None:
        raise TypeError(f"`{name}` belongs to the table of `{root.__name__}`: say history_days= there")
    if isinstance(days, bool) or not isinstance(days, (int, float)) or not 0 <= days <= HISTORY_DAYS_MAX:
        raise TypeError(f"`{name}`: history_days= is a number of days from 0 to {HISTORY_DAYS_MAX:,}, not {days!r}")
    return days


def check_tag(root: Any, tag: str | None, namespace: dict[str, Any]) -> None:
    other = root.__variants__.get(tag)
    # A module may be imported again: what it defines then takes the place of what it defined before.
    if other is not None and (other.__module__, other.__qualname__) != (
        namespace.get("__module__"),
        namespace.get("__qualname__"),
    ):
        raise TypeError(f"`{namespace.get('__qualname__')}`: {other.__name__} is tagged {tag!r} already")


def declare_fields(namespace: dict[str, Any]) -> tuple[dict[int, str], dict[str, tuple[str, ...]]]:
    """Replace declarations by what msgspec understands.

    Their names, by identity; and by name in Python, what they were called in stored documents.
    """
    names: dict[int, str] = {}
    former: dict[str, tuple[str, ...]] = {}
    hints = namespace.get("__annotations__", {})
    for key, value in namespace.items():
        if isinstance(value, FieldDeclaration) and key not in hints:
            raise TypeError(f"`{key} = field(...)` needs a type, as `{key}: str = field()`")
    for key in hints:
        declaration = namespace.get(key)
        if not isinstance(declaration, FieldDeclaration):
            continue
        names[id(declaration)] = key
        if declaration.__former__:
            former[key] = declaration.__former__
        namespace[key] = msgspec.field(**declaration.__options__)
        # The declaration must outlive the class body, or its identity could be used again.
        namespace.setdefault("__declared__", []).append(declaration)
    return names, former


def former_names(cls: Any, own: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """By stored name, inherited ones included.  Raises TypeError if a former name is in use."""
    stored = dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
    former = {**getattr(cls, "__former__", {}), **{stored[name]: names for name, names in own.items()}}
    taken = [name for names in former.values() for name in names]
    for name in taken:
        if name in stored.values() or taken.count(name) > 1:
            raise TypeError(f"{cls.__name__}: formerly={name!r} is the name of another field too")
    return former


if TYPE_CHECKING:

    class Document(metaclass=DocumentMeta):
        """Base of table classes.  Documents are read-only: change them with ``ctx.db.patch()``.

        The table is named by the plural of the class (``Message``: ``messages``) or ``table=``.
        """

        id: Id[Self] = field(init=False)
        """Given by the database on insert; ``_id`` on the wire."""
        creation_time: float = field(init=False)
        """Milliseconds since the Unix epoch, with fraction; ``_creationTime`` on the wire."""

        by_id: ClassVar[SystemIndex[str]]
        by_creation_time: ClassVar[SystemIndex[float]]

        __table__: ClassVar[str]
        __indexes__: ClassVar[dict[str, Index1[Any]]]
        __text_indexes__: ClassVar[dict[str, TextIndex]]
        __vector_indexes__: ClassVar[dict[str, VectorIndex]]
        __variants__: ClassVar[dict[str, type[Document]]]
        """By tag; empty if all documents of the table are of this class."""
        __root__: ClassVar[type[Document]]
        """The class of the table, for a variant of it; else the class itself."""
        __tag_field__: ClassVar[str]
        __history_days__: ClassVar[float | None]
        """For how long versions are kept that were written over or deleted; None is for ever."""
        __former__: ClassVar[Mapping[str, tuple[str, ...]]]
        """What fields were called before, by the name under which they are stored."""
        __struct_fields__: ClassVar[tuple[str, ...]]
        __struct_encode_fields__: ClassVar[tuple[str, ...]]

        def __init_subclass__(
            cls,
            *,
            table: str | None = None,
            tag: str | None = None,
            tag_field: str | None = None,
            history_days: float | None = None,
        ) -> None: ...

    @dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
    class Record:
        """A nested object, or the shape of an argument or result that is not a table."""

        def __init_subclass__(cls, *, tag: str | None = None, tag_field: str | None = None) -> None: ...

else:

    class Document(msgspec.Struct, metaclass=DocumentMeta, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Base of table classes.  Documents are read-only: change them with ``ctx.db.patch()``.

        The table is named by the plural of the class (``Message``: ``messages``) or ``table=``.
        """

        id: str | msgspec.UnsetType = msgspec.field(default=UNSET, name="_id")
        creation_time: float | msgspec.UnsetType = msgspec.field(default=UNSET, name="_creationTime")

        by_id = SystemIndex("by_id")
        by_creation_time = SystemIndex("by_creation_time")

    class RecordMeta(msgspec.StructMeta):
        def __new__(mcls, name, bases, namespace, **options):
            _, former = declare_fields(namespace)
            cls = super().__new__(mcls, name, bases, namespace, **{"kw_only": True, **options})
            cls.__former__ = former_names(cls, former)
            return cls

    class Record(msgspec.Struct, metaclass=RecordMeta, frozen=True, forbid_unknown_fields=True):
        """A nested object, or the shape of an argument or result that is not a table."""


__all__ = [
    "UNSET",
    "Document",
    "Id",
    "Int64",
    "Record",
    "Unset",
    "field",
    "index",
    "nested",
    "text_index",
    "vector_index",
]
