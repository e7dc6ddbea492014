"""Lists and dictionaries inside documents: shared by all who read them, so nobody may change them."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar, cast

import msgspec

from ...protocol.values import NUMBERS
from .shapes import ANY, ArrayOf, ObjectOf, RecordOf, Shape, variants_of, walk

T = TypeVar("T")

READ_ONLY = "documents are read-only; use ctx.db.patch(), or copy it first"


def refuse_change(self: object, *arguments: object, **options: object) -> NoReturn:
    raise TypeError(READ_ONLY)


class FrozenList(list[Any]):
    """A list inside a document."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = refuse_change
    append = extend = insert = pop = remove = clear = sort = reverse = refuse_change

    def __reduce__(self) -> tuple[type, tuple[list[Any]]]:
        return list, (list(self),)  # What `copy` makes may be changed.


class FrozenDict(dict[str, Any]):
    """An object inside a document, or a document of a table without a class."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = refuse_change
    update = pop = popitem = clear = setdefault = refuse_change

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (dict(self),)


def freeze(obj: T) -> T:
    """The same document or record, with lists and dictionaries inside made read-only."""
    return cast(T, frozen(obj))


def frozen(obj: object) -> object:
    if isinstance(obj, msgspec.Struct):
        for name in obj.__struct_fields__:
            item = getattr(obj, name)
            if isinstance(item, (list, dict, tuple, msgspec.Struct)):
                msgspec.structs.force_setattr(obj, name, frozen(item))
        return obj
    if isinstance(obj, list):
        # Vectors are long lists of numbers: spare them the calls.
        return FrozenList(obj if NUMBERS.issuperset(map(type, obj)) else [frozen(item) for item in obj])
    if isinstance(obj, tuple):
        return tuple([frozen(item) for item in obj])
    if isinstance(obj, dict):
        # In one order, whether it was just written or read from the log: handlers may iterate over it.
        return FrozenDict({key: frozen(obj[key]) for key in sorted(obj)})
    return obj


def holds_containers(shape: Shape) -> bool:
    """False if `freeze` would find nothing to do in a document of this shape."""
    documents = variants_of(shape)
    return any(
        (part not in documents and isinstance(part, (ArrayOf, RecordOf, ObjectOf))) or part == ANY
        for document in documents
        for part in walk(document)
    )
