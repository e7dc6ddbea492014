"""From Python objects to values and back: documents, records, arguments, results.

plain()      Structs become dictionaries with their stored names; UNSET fields are left out
to_value()   plain(), checked and in normal form
complete()   what a function returned, as its type says: checked, defaults filled in
convert()    a value becomes an instance of a type hint, checked against it
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

import msgspec

from ...protocol.errors import InvalidValue
from ...protocol.values import Int64, Value, normalize, step
from .error_paths import place_of
from .schema import UNSET, Document

INT_MAX = 2**53 - 1
"""Of a number that is no Int64."""
ATOMS = frozenset((str, int, float, bool, bytes, type(None), Int64))
"""Types with nothing inside; asked first, for most fields are of them."""


def plain(obj: object) -> object:
    """Structs as dictionaries with the names that are stored and sent."""
    if type(obj) in ATOMS:
        return obj
    if isinstance(obj, msgspec.Struct):
        fields = stored_fields(obj)
        for name, item in fields.items():
            if type(item) not in ATOMS:
                fields[name] = plain(item)
        return fields
    if isinstance(obj, (list, tuple)):
        return [plain(item) for item in obj]
    if isinstance(obj, dict):
        return {key: plain(item) for key, item in obj.items() if item is not UNSET}
    if obj is UNSET:
        raise InvalidValue("", "UNSET is a field that is missing, and no value of its own: use None")
    if isinstance(obj, (set, frozenset)):
        raise InvalidValue("", "a set has no order: use sorted(...)")
    return obj


def stored_fields(obj: msgspec.Struct) -> dict[str, object]:
    """By the names that are stored and sent, the tag included; what is inside stays as it is."""
    fields: dict[str, object] = {}
    config = obj.__struct_config__
    if config.tag is not None:
        fields[config.tag_field or "type"] = config.tag
    for name, stored in zip(obj.__struct_fields__, obj.__struct_encode_fields__, strict=True):
        item = getattr(obj, name)
        if item is not UNSET:
            fields[stored] = item
    return fields


def outline(obj: object) -> object:
    """As `plain`, but documents stay what they are: their class was checked when they were made.

    Raises InvalidValue, without a path, for what is no value.
    """
    if type(obj) in ATOMS:
        if type(obj) is int and abs(obj) > INT_MAX:
            raise InvalidValue("", "beyond 2**53-1")
        return obj
    if isinstance(obj, Document):
        return obj
    if isinstance(obj, msgspec.Struct):
        return {name: outline(item) for name, item in stored_fields(obj).items()}
    if isinstance(obj, (list, tuple)):
        return [outline(item) for item in obj]
    if isinstance(obj, dict):
        return {key: outline(item) for key, item in obj.items() if item is not UNSET}
    return plain(obj)


def to_value(obj: object, path: str = "$") -> Value:
    """Anything a handler may hand over, as a value.  Raises InvalidValue with the path."""
    try:
        return normalize(plain(obj), path)
    except InvalidValue as error:
        error.path = error.path or path  # `plain` does not know where it is.
        raise
    except RecursionError:
        raise InvalidValue(path, "nested too deep") from None


def strict_hook(hint: type, obj: object) -> object:
    """For arguments: a number is not an Int64."""
    if hint is object or (hint is Int64 and isinstance(obj, Int64)):
        return obj
    raise TypeError(f"Expected `{hint.__name__}`, got `{type(obj).__name__}`")


def lenient_hook(hint: type, obj: object) -> object:
    """For documents and results: Python's own int will do where an Int64 is declared."""
    if hint is Int64 and type(obj) is int:
        return Int64(obj)
    return strict_hook(hint, obj)


def convert(value: Value, hint: Any, *, strict: bool = False) -> Any:
    """An instance of ``hint`` made of ``value``.  Raises InvalidValue with the path."""
    hook = strict_hook if strict else lenient_hook
    try:
        # Bytes are a kind of their own: text is not taken for base64.
        made = msgspec.convert(value, hint, dec_hook=hook, builtin_types=(bytes,))
        if strict and holds_int64(value):
            # msgspec takes an Int64 for the int that it is in Python; it is another kind of value.
            check_int64(value, plain(made))
        return made
    except InvalidValue as error:
        error.path = "$" + error.path
        raise
    except msgspec.ValidationError as error:
        again = partial(msgspec.convert, type=hint, dec_hook=hook, builtin_types=(bytes,))
        problem, path = place_of(error, value, again)
        raise InvalidValue(path, problem) from None


def complete(result: object, hint: Any) -> Any:
    """What a function returned, with the defaults of records that it gave as dictionaries.

    Documents that it read are the same objects in there.  Raises InvalidValue with the path.
    """
    try:
        # Strictly: it is the handler's own value that is sent, so an Int64 has to be one.
        return convert(outline(result), hint, strict=True)  # type: ignore[arg-type]
    except (InvalidValue, RecursionError):
        # A number may want its normal form; an error, its place.
        return convert(to_value(result), hint, strict=True)


def complete_documents(result: object, hint: Any) -> Any:
    """As `complete`, if documents are all the objects that there can be: their class is enough."""
    return msgspec.convert(result, hint, dec_hook=strict_hook, builtin_types=(bytes,))


def holds_int64(value: Value) -> bool:
    if type(value) in ATOMS:
        return type(value) is Int64
    items: Collection[Value] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    kinds = set(map(type, items))
    return Int64 in kinds or (not kinds <= ATOMS and any(map(holds_int64, items)))


def check_int64(given: Value, made: object) -> None:
    """Raises InvalidValue, with the path from here, where an Int64 was given and a number was made of it."""
    key: str | int = 0
    try:
        if isinstance(given, dict) and isinstance(made, dict):
            for key, item in given.items():
                check_int64(item, made.get(key))
        elif isinstance(given, list) and isinstance(made, list):
            for key, item in enumerate(given):
                check_int64(item, made[key])
    except InvalidValue as error:
        error.path = step(key) + error.path
        raise
    if type(given) is Int64 and type(made) is not Int64:
        raise InvalidValue("", "expected a number, got an Int64 (bigint)")


def declare_int64(value: Value, made: object) -> None:
    """Put an Int64 wherever ``made``, the same value as its type has it, has one."""
    places: Iterable[tuple[Any, Any, Any]] = ()
    if isinstance(value, dict) and isinstance(made, dict):
        places = [(name, item, made.get(name)) for name, item in value.items()]
    elif isinstance(value, list) and isinstance(made, list):
        places = [(position, *both) for position, both in enumerate(zip(value, made, strict=True))]
    for key, item, other in places:
        if type(other) is Int64:
            value[key] = other  # type: ignore[index]
        else:
            declare_int64(item, other)


def in_order(value: Value) -> Value:
    """The same value with the fields of each object sorted."""
    if isinstance(value, dict):
        return {name: in_order(value[name]) for name in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list) else value
