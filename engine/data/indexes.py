"""What a developer writes to define an index: `index`, `nested`.

    class Person(Document):
        address: Address = field()
        age: int = field(default=0)
        by_city = index(address.city, age)

Inside a class body a declared field stands for itself, and its attributes for what lies below it.
What the paths lead to is looked up when the app is loaded: hints may name classes that come later.
"""

from __future__ import annotations

import re
from typing import Any, Generic, TypeVar, overload

import msgspec

from ..limits import INDEX_FIELDS_MAX

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

INDEX_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,63}")
SYSTEM_INDEXES = frozenset({"by_id", "by_creation_time"})
"""Every table has them; no other index may be called so."""
SYSTEM_FIELDS = {"id": "_id", "creation_time": "_creationTime"}
"""Names in Python, and on the wire."""

Path = tuple[str, ...]
"""From a document to a field, by names in Python: ``("address", "city")``."""


class FieldDeclaration:
    """What `field` gives at run time, until the class is complete."""

    # Every other attribute is the name of a field below this one.
    __slots__ = ("__former__", "__options__")

    def __init__(
        self,
        default: Any = msgspec.NODEFAULT,
        default_factory: Any = msgspec.NODEFAULT,
        name: str | None = None,
        formerly: str | tuple[str, ...] = (),
    ) -> None:
        self.__options__: dict[str, Any] = {"name": name}
        if default is not msgspec.NODEFAULT:
            self.__options__["default"] = default
        elif default_factory is not msgspec.NODEFAULT:
            self.__options__["default_factory"] = default_factory
        self.__former__: tuple[str, ...] = (formerly,) if isinstance(formerly, str) else tuple(formerly)

    def __getattr__(self, name: str) -> FieldPath:
        return FieldPath(self, (refuse_special(name),))


class FieldPath:
    """``address.city`` inside a class body."""

    __slots__ = ("__field__", "__names__")

    def __init__(self, field: FieldDeclaration, names: Path) -> None:
        self.__field__ = field
        self.__names__ = names

    def __getattr__(self, name: str) -> FieldPath:
        return FieldPath(self.__field__, (*self.__names__, refuse_special(name)))


def refuse_special(name: str) -> str:
    """Python itself asks for ``__names__`` like this; no field is called so."""
    if name.startswith("__"):
        raise AttributeError(name)
    return name


def nested(path: str, /) -> Any:
    """A field for `index` by its path, as text: ``index(nested("address.city"))``.

    For paths that a type checker cannot follow: through a record that may be None, through a union
    of records, or to a field of a base class.
    """
    names = tuple(path.split("."))
    if not all(name.isidentifier() for name in names):
        raise TypeError(f"nested({path!r}): a path is names of fields with dots between, as `address.city`")
    return NestedPath(names)


class NestedPath:
    def __init__(self, names: Path) -> None:
        self.names = names


class SystemIndex(Generic[A]):
    """An index that every table has: ``Message.by_creation_time``, ``Message.by_id``."""

    fields: tuple[Path, ...] = ()
    staged = False

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Document.{self.name}"


class Index1(Generic[A]):
    """An index over one field, then the creation time.  Made by `index`."""

    fields: tuple[Path, ...] = ()
    """Paths to the fields, in order."""
    name = ""
    table: type | None = None
    summed: Any = None
    """The path to the field that it adds up, if it does: see `aggregate`."""
    staged = False
    """True while the index is filled and kept up to date, and not to be read yet."""

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
def index(a: A, /, *, staged: bool = ...) -> Index1[A]: ...
@overload
def index(a: A, b: B, /, *, staged: bool = ...) -> Index2[A, B]: ...
@overload
def index(a: A, b: B, c: C, /, *, staged: bool = ...) -> Index3[A, B, C]: ...
@overload
def index(a: A, b: B, c: C, d: D, /, *more: Any, staged: bool = ...) -> Index4[A, B, C, D]: ...
def index(*keys: Any, staged: bool = False) -> Any:
    """An index over fields of the table being defined: ``by_author = index(author, likes)``.

    A field of a nested record is named by its path, ``index(address.city)``; where there is no such
    record the field counts as missing.  The creation time is added as the last field.  ``staged``:
    filled and kept up to date, but not to be read before a deploy without it; for an index over
    many documents.  Raises TypeError for anything that was not declared with `field`.
    """
    made: Index4[Any, Any, Any, Any] = Index4()
    if not keys or len(keys) >= INDEX_FIELDS_MAX:
        raise TypeError(f"an index takes 1 to {INDEX_FIELDS_MAX - 1} fields, not {len(keys)}")
    if not all(isinstance(key, (FieldDeclaration, FieldPath, NestedPath)) for key in keys):
        raise TypeError("index() takes fields declared with field(), as `likes: int = field(default=0)`")
    made.fields = keys  # Replaced by their paths when the class is complete.
    made.staged = staged
    return made


def name_indexes(cls: type, indexes: dict[str, Index1[Any]], declared: dict[int, str]) -> None:
    """Tell each index its name, its table and the paths of its fields.

    ``declared``: names of the fields of the class, by the identity of their declarations.
    Raises TypeError.
    """
    for name, made in indexes.items():
        where = f"{cls.__name__}.{name}"
        if name in SYSTEM_INDEXES:
            raise TypeError(f"{where}: every table has an index of that name already: choose another")
        if INDEX_NAME.fullmatch(name) is None:
            raise TypeError(f"{where}: an index is named with up to 64 letters, digits and _, a letter first")
        made.fields = tuple(path_of(key, declared, where) for key in made.fields)
        if made.summed is not None:
            made.summed = path_of(made.summed, declared, where)
        made.name, made.table = name, cls
        if any(path[0] in (*SYSTEM_FIELDS, *SYSTEM_FIELDS.values()) for path in made.fields):
            raise TypeError(f"{where}: creation time and id are the last fields of every index already")
        if len(set(made.fields)) < len(made.fields):
            raise TypeError(f"{where}: index() takes each field once")


def path_of(key: Any, declared: dict[int, str], where: str) -> Path:
    if isinstance(key, NestedPath):
        return key.names
    field, names = (key.__field__, key.__names__) if isinstance(key, FieldPath) else (key, ())
    if id(field) not in declared:
        raise TypeError(f'{where}: index() takes fields that the same class declares; nested("...") takes others')
    return (declared[id(field)], *names)
