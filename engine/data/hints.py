"""Type hints as msgspec has to see them.

The class of a table whose documents are of several classes stands for any of them.  msgspec knows
it only as the class that it is, so in hints it is replaced by the union of the others.
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from .schema import Document


def expanded(hint: Any) -> Any:
    """The hint with each class of several kinds of documents replaced by the union of the kinds.

    The hint itself if there is none.
    """
    if isinstance(hint, type) and get_origin(hint) is None:
        return union_of(hint) if issubclass(hint, Document) and hint.__variants__ else hint
    args = get_args(hint)
    origin = get_origin(hint)
    if origin is Annotated:
        # Id[Event] is text: what it refers to is no part of the value.
        inner = expanded(args[0])
        return hint if inner is args[0] else Annotated[(inner, *args[1:])]
    new = tuple(expanded(arg) for arg in args)
    if all(a is b for a, b in zip(new, args, strict=True)):
        return hint
    if origin is Union or origin is types.UnionType:
        return Union[new]  # noqa: UP007
    return origin[new if len(new) > 1 else new[0]]


def union_of(cls: type[Document]) -> Any:
    """What the documents of a table are."""
    return Union[tuple(cls.__variants__.values())] if cls.__variants__ else cls  # noqa: UP007


def field_types(hint: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of a Document or Record, with their types resolved.

    Raises NameError, TypeError for hints that mean nothing.  The class is changed so that msgspec
    finds the expanded types; it must not have been used for a conversion before.
    """
    cls = get_origin(hint) or hint
    for info in msgspec.structs.fields(cls):
        if (type_ := expanded(info.type)) is not info.type:
            cls.__annotations__[info.name] = type_
    return msgspec.structs.fields(hint)
