"""From Python objects to values and back: documents, records, arguments, results.

plain()      Structs become dictionaries with their stored names; UNSET fields are left out
to_value()   plain(), checked and in normal form
convert()    a value becomes an instance of a type hint, checked against it
freeze()     lists and dictionaries inside a document become read-only
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn, TypeVar, assert_never

import msgspec

from ..protocol import ids
from ..protocol.errors import InvalidId, InvalidValue
from ..protocol.values import Int64, Value, normalize, step
from .schema import UNSET
from .shapes import ANY, ArrayOf, Field, IdOf, LiteralOf, ObjectOf, RecordOf, Scalar, Shape, UnionOf, walk

T = TypeVar("T")

KINDS: Mapping[str, type | tuple[type, ...]] = {
    "null": type(None),
    "int": int,
    "float": (int, float),
    "int64": Int64,
    "boolean": bool,
    "string": str,
    "bytes": bytes,
}
"""What a value of each kind is in Python, as far as variants of a union have to be told apart."""

READ_ONLY = "documents are read-only; use ctx.db.patch(), or copy it first"


def read_only(self: object, *arguments: object, **options: object) -> NoReturn:
    raise TypeError(READ_ONLY)


class FrozenList(list[Any]):
    """A list inside a document: shared by all who read it, so nobody may change it."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = read_only
    append = extend = insert = pop = remove = clear = sort = reverse = read_only

    def __reduce__(self) -> tuple[type, tuple[list[Any]]]:
        return list, (list(self),)  # What `copy` makes may be changed.


class FrozenDict(dict[str, Any]):
    """An object inside a document, or a document of a table without a class."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = read_only
    update = pop = popitem = clear = setdefault = read_only

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (dict(self),)


ATOMS = frozenset((str, int, float, bool, bytes, type(None), Int64))
"""Types with nothing inside; asked first, for most fields are of them."""


def plain(obj: object) -> object:
    """Structs as dictionaries with the names that are stored and sent."""
    if type(obj) in ATOMS:
        return obj
    if isinstance(obj, msgspec.Struct):
        fields: dict[str, object] = {}
        config = obj.__struct_config__
        if config.tag is not None:
            fields[config.tag_field or "type"] = config.tag
        for name, stored in zip(obj.__struct_fields__, obj.__struct_encode_fields__, strict=True):
            item = getattr(obj, name)
            if item is not UNSET:
                fields[stored] = item if type(item) in ATOMS else plain(item)
        return fields
    if isinstance(obj, (list, tuple)):
        return [plain(item) for item in obj]
    if isinstance(obj, dict):
        return {key: plain(item) for key, item in obj.items() if item is not UNSET}
    if isinstance(obj, (set, frozenset)):
        raise InvalidValue("", "a set has no order: use sorted(...)")
    return obj


def to_value(obj: object, path: str = "$") -> Value:
    """Anything a handler may hand over, as a value.  Raises InvalidValue with the path."""
    try:
        return normalize(plain(obj), path)
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
    try:
        hook = strict_hook if strict else lenient_hook
        # Bytes are a kind of their own: text is not taken for base64.
        made = msgspec.convert(value, hint, dec_hook=hook, builtin_types=(bytes,))
        if strict and holds_int64(value):
            # msgspec takes an Int64 for the int that it is in Python; it is another kind of value.
            check_int64(value, plain(made), "$")
        return made
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `")
        raise InvalidValue(path.rstrip("`") or "$", problem) from None


def holds_int64(value: Value) -> bool:
    if isinstance(value, dict):
        return any(holds_int64(item) for item in value.values())
    if isinstance(value, list):
        return any(holds_int64(item) for item in value)
    return type(value) is Int64


def check_int64(given: Value, made: object, path: str) -> None:
    """Raises InvalidValue where an Int64 was given and a number was made of it."""
    if isinstance(given, dict) and isinstance(made, dict):
        for name, item in given.items():
            check_int64(item, made.get(name), path + step(name))
    elif isinstance(given, list) and isinstance(made, list):
        for position, item in enumerate(given):
            check_int64(item, made[position], path + step(position))
    elif type(given) is Int64 and type(made) is not Int64:
        raise InvalidValue(path, "expected a number, got an Int64 (bigint)")


def freeze(obj: T) -> T:
    """Make lists and dictionaries inside a document or record read-only."""
    if isinstance(obj, msgspec.Struct):
        for name in obj.__struct_fields__:
            item = getattr(obj, name)
            if isinstance(item, (list, dict, tuple, msgspec.Struct)):
                msgspec.structs.force_setattr(obj, name, freeze(item))
        return obj
    if isinstance(obj, list):
        return FrozenList([freeze(item) for item in obj])  # type: ignore[return-value]
    if isinstance(obj, tuple):
        return tuple(freeze(item) for item in obj)  # type: ignore[return-value]
    if isinstance(obj, dict):
        # In one order, whether it was just written or read from the log: handlers may iterate over it.
        return FrozenDict({key: freeze(obj[key]) for key in sorted(obj)})  # type: ignore[return-value]
    return obj


def holds_containers(shape: ObjectOf) -> bool:
    """False if `freeze` would find nothing to do in a document of this shape."""
    return any(
        (part != shape and isinstance(part, (ArrayOf, RecordOf, ObjectOf))) or part == ANY for part in walk(shape)
    )


def in_order(value: Value) -> Value:
    """The same value with the fields of each object sorted."""
    if isinstance(value, dict):
        return {name: in_order(value[name]) for name in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list) else value


IdCheck = Callable[[Value, str], None]
"""Raises InvalidValue if an id inside the value belongs to another table."""


def id_check(shape: Shape, number_of: Callable[[str], int]) -> IdCheck | None:
    """A check of the ids that ``shape`` declares; None if it declares none."""
    if not any(isinstance(part, IdOf) for part in walk(shape)):
        return None
    match shape:
        case IdOf(table):
            return lambda value, path: check_id(value, table, number_of(table), path)
        case ArrayOf(item):
            return partial(check_items, id_check(item, number_of))
        case RecordOf(inner):
            return partial(check_values, id_check(inner, number_of))
        case ObjectOf(_, fields):
            checks = {f.name: c for f in fields if (c := id_check(f.shape, number_of)) is not None}
            return lambda value, path: check_fields(value, checks, path)
        case UnionOf(variants):
            return union_check(variants, number_of)
        case _:
            raise AssertionError(shape)


def union_check(variants: tuple[Shape, ...], number_of: Callable[[str], int]) -> IdCheck:
    """One variant must hold; only those that the value could be are asked."""
    checks = [(variant, id_check(variant, number_of)) for variant in variants]

    def check(value: Value, path: str) -> None:
        failure: InvalidValue | None = None
        for variant, inner in checks:
            if not could_be(value, variant):
                continue
            try:
                if inner is not None:
                    inner(value, path)
                return
            except InvalidValue as error:
                failure = error
        if failure is not None:
            raise failure

    return check


def could_be(value: Value, shape: Shape) -> bool:
    match shape:
        case IdOf():
            return isinstance(value, str)
        case Scalar(name):
            return name == "any" or isinstance(value, KINDS[name])
        case LiteralOf(literal):
            return type(value) is type(literal) and value == literal
        case ArrayOf():
            return isinstance(value, list)
        case ObjectOf(_, fields):
            return isinstance(value, dict) and all(fits_field(value, f) for f in fields if not f.optional)
        case RecordOf():
            return isinstance(value, dict)
        case UnionOf(variants):
            return any(could_be(value, variant) for variant in variants)
        case _:
            assert_never(shape)


def fits_field(value: Mapping[str, Value], field: Field) -> bool:
    """The field is there, and says what it must if it tells variants apart."""
    if field.name not in value:
        return False
    return not isinstance(field.shape, LiteralOf) or could_be(value[field.name], field.shape)


def check_id(value: Value, table: str, number: int, path: str) -> None:
    if not isinstance(value, str):
        return
    try:
        found = ids.table_number(value)
    except InvalidId as error:
        raise InvalidValue(path, f"expected an id of table `{table}`: {error}") from None
    if found != number:
        raise InvalidValue(path, f"expected an id of table `{table}`, got an id of another table")


def check_items(check: IdCheck | None, value: Value, path: str) -> None:
    if isinstance(value, list) and check is not None:
        for position, item in enumerate(value):
            check(item, path + step(position))


def check_values(check: IdCheck | None, value: Value, path: str) -> None:
    if isinstance(value, dict) and check is not None:
        for key, item in value.items():
            check(item, path + step(key))


def check_fields(value: Value, checks: Mapping[str, IdCheck], path: str) -> None:
    if isinstance(value, dict):
        for name, check in checks.items():
            if name in value:
                check(value[name], path + step(name))
