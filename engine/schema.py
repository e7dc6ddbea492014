"""What a developer writes to define data: `Document`, `Record`, `Id`, `field`, `index`.

    class Message(Document):
        channel: Id[Channel] = field()
        body: str
        likes: int = 0
        by_channel = index(channel)

Types come from hints, once: they validate, they type-check, and they generate the clients.
Documents and records are frozen msgspec Structs: the store and the handlers share them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar, overload

import msgspec
from typing_extensions import dataclass_transform

from ..protocol.values import Int64

D_co = TypeVar("D_co", covariant=True)
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

UNSET = msgspec.UNSET
"""A field that is not there; `None` is a value (null), and not the same."""
Unset = msgspec.UnsetType
"""Write ``X | Unset = UNSET`` for a field that may be missing."""

INDEX_FIELDS_MAX = 16
"""Fields of one index, ``_creationTime`` (always the last) included."""
INDEXES_PER_TABLE_MAX = 64
SYSTEM_FIELDS = {"id": "_id", "creation_time": "_creationTime"}
"""Names in Python, and on the wire."""

if TYPE_CHECKING:
    from typing import Self

    class Id(str, Generic[D_co]):
        """The id of a document of one table; a plain string at run time."""

    def field(*, default: Any = ..., default_factory: Any = ..., name: str | None = None, init: bool = True) -> Any:
        """A field that an index may name; ``name`` is what it is called in stored documents."""

else:

    class Id:
        """The id of a document of one table; a plain string at run time."""

        def __class_getitem__(cls, table):
            return Annotated[str, msgspec.Meta(extra={"id": table})]

    class FieldDeclaration:
        def __init__(self, default=msgspec.NODEFAULT, default_factory=msgspec.NODEFAULT, name=None):
            self.default, self.default_factory, self.stored_name = default, default_factory, name

    def field(**options):
        """A field that an index may name; ``name`` is what it is called in stored documents."""
        return FieldDeclaration(**options)


class Index1(Generic[A]):
    """An index over one field, then the creation time.  Made by `index`."""

    fields: tuple[str, ...] = ()
    """Names of the fields in Python, in order."""
    name = ""
    table: type[Document] | None = None

    def __repr__(self) -> str:
        owner = self.table.__name__ if self.table is not None else "?"
        return f"{owner}.{self.name}"


class Index2(Index1[A], Generic[A, B]):
    """An index over two fields, then the creation time."""


class Index3(Index2[A, B], Generic[A, B, C]):
    """An index over three fields, then the creation time."""


class Index4(Index3[A, B, C], Generic[A, B, C, D]):
    """An index over four fields or more, then the creation time."""


@overload
def index(a: A, /) -> Index1[A]: ...
@overload
def index(a: A, b: B, /) -> Index2[A, B]: ...
@overload
def index(a: A, b: B, c: C, /) -> Index3[A, B, C]: ...
@overload
def index(a: A, b: B, c: C, d: D, /, *more: Any) -> Index4[A, B, C, D]: ...
def index(*keys: Any) -> Any:
    """An index over fields of the table being defined: ``by_author = index(author, likes)``.

    The creation time is added as the last field.  Raises TypeError for anything that was not
    declared with `field`.
    """
    made: Index4[Any, Any, Any, Any] = Index4()
    if not keys or len(keys) >= INDEX_FIELDS_MAX:
        raise TypeError(f"an index takes 1 to {INDEX_FIELDS_MAX - 1} fields, not {len(keys)}")
    if any(not hasattr(key, "stored_name") for key in keys):
        raise TypeError("index() takes fields declared with field(), as `likes: int = field(default=0)`")
    made.fields = keys  # Replaced by their names when the class is complete.
    return made


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
        **options: Any,
    ) -> Any:
        for key in SYSTEM_FIELDS:
            if key in namespace.get("__annotations__", {}) and namespace.get("__module__") != __name__:
                raise TypeError(f"`{key}` is given by the database: choose another name")
        declared = declare_fields(namespace)
        indexes = {key: value for key, value in namespace.items() if isinstance(value, Index1)}
        # msgspec does not hand this down, and type checkers are told that it holds for every class.
        cls: Any = super().__new__(mcls, name, bases, namespace, **{"kw_only": True, **options})
        if namespace.get("__module__") == __name__:
            return cls
        cls.__table__ = table or table_name(name)
        cls.__indexes__ = {**getattr(cls, "__indexes__", {}), **indexes}
        for key, made in indexes.items():
            if not all(id(declaration) in declared for declaration in made.fields):
                raise TypeError(f"{name}.{key}: index() takes fields that the same class declares")
            made.fields = tuple(declared[id(declaration)] for declaration in made.fields)
            made.name, made.table = key, cls
        return cls


def declare_fields(namespace: dict[str, Any]) -> dict[int, str]:
    """Replace declarations by what msgspec understands; their names, by identity."""
    names: dict[int, str] = {}
    hints = namespace.get("__annotations__", {})
    for key, value in namespace.items():
        if hasattr(value, "stored_name") and key not in hints:
            raise TypeError(f"`{key} = field(...)` needs a type, as `{key}: str = field()`")
    for key in hints:
        declaration: Any = namespace.get(key)
        if not hasattr(declaration, "stored_name"):
            continue
        names[id(declaration)] = key
        options: dict[str, Any] = {"name": declaration.stored_name}
        if declaration.default is not msgspec.NODEFAULT:
            options["default"] = declaration.default
        elif declaration.default_factory is not msgspec.NODEFAULT:
            options["default_factory"] = declaration.default_factory
        namespace[key] = msgspec.field(**options)
        # The declaration must outlive the class body, or its identity could be used again.
        namespace.setdefault("__declared__", []).append(declaration)
    return names


if TYPE_CHECKING:

    class Document(metaclass=DocumentMeta):
        """Base of table classes.  Documents are read-only: change them with ``ctx.db.patch()``.

        The table is named by the plural of the class (``Message``: ``messages``) or ``table=``.
        """

        id: Id[Self] = field(init=False)
        """Given by the database on insert; ``_id`` on the wire."""
        creation_time: float = field(init=False)
        """Milliseconds since the Unix epoch, with fraction; ``_creationTime`` on the wire."""

        __table__: ClassVar[str]
        __indexes__: ClassVar[dict[str, Index1[Any]]]
        __struct_fields__: ClassVar[tuple[str, ...]]
        __struct_encode_fields__: ClassVar[tuple[str, ...]]

        def __init_subclass__(cls, *, table: str | None = None) -> None: ...

    @dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
    class Record:
        """A nested object, or the shape of an argument or result that is not a table."""

        def __init_subclass__(cls, *, tag: str | None = None) -> None: ...

else:

    class Document(msgspec.Struct, metaclass=DocumentMeta, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Base of table classes.  Documents are read-only: change them with ``ctx.db.patch()``.

        The table is named by the plural of the class (``Message``: ``messages``) or ``table=``.
        """

        id: str | msgspec.UnsetType = msgspec.field(default=UNSET, name="_id")
        creation_time: float | msgspec.UnsetType = msgspec.field(default=UNSET, name="_creationTime")

    class RecordMeta(msgspec.StructMeta):
        def __new__(mcls, name, bases, namespace, **options):
            declare_fields(namespace)
            return super().__new__(mcls, name, bases, namespace, **{"kw_only": True, **options})

    class Record(msgspec.Struct, metaclass=RecordMeta, frozen=True, forbid_unknown_fields=True):
        """A nested object, or the shape of an argument or result that is not a table."""


__all__ = ["UNSET", "Document", "Id", "Int64", "Record", "Unset", "field", "index"]
