"""Whether each id in a value belongs to the table that its type says.

A check is made of a shape once; where a shape declares no id, there is no check.  Inside, an error's
path is relative: each level puts its own step in front while the error passes, so that a value
without errors costs no paths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import assert_never

from ...protocol import ids
from ...protocol.errors import InvalidId, InvalidValue
from ...protocol.values import Int64, Value, step
from .shapes import ArrayOf, Field, IdOf, LiteralOf, ObjectOf, RecordOf, Scalar, Shape, UnionOf, walk, whole

IdCheck = Callable[[Value], None]
"""Raises InvalidValue, with the path, if an id inside the value belongs to another table."""

NumberOf = Callable[[str], int]
"""The number of a table.  Asked at each check, for a deploy gives numbers to its new tables last."""

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


Known = dict[object, IdCheck]
"""Checks of objects that are being made, by their hints: an object may hold itself."""


def id_check(shape: Shape, number_of: NumberOf) -> IdCheck | None:
    """A check of the ids that ``shape`` declares; None if it declares none."""
    check = check_of(shape, number_of, {})
    return partial(check_whole, check) if check is not None else None


def check_of(shape: Shape, number_of: NumberOf, known: Known) -> IdCheck | None:
    """As `id_check`, for a part of a value: the path begins there."""
    match shape:
        case IdOf(table):
            return partial(check_id, table, number_of)
        case ArrayOf(item):
            check = check_of(item, number_of, known)
            return partial(check_items, check) if check is not None else None
        case RecordOf(item):
            check = check_of(item, number_of, known)
            return partial(check_values, check) if check is not None else None
        case ObjectOf():
            return check_of_object(shape, number_of, known)
        case UnionOf(variants):
            options = [(whole_variant(variant), check_of(variant, number_of, known)) for variant in variants]
            return partial(check_variants, options) if any(check for _, check in options) else None
        case Scalar() | LiteralOf():
            return None
        case _:
            assert_never(shape)


def check_of_object(shape: ObjectOf, number_of: NumberOf, known: Known) -> IdCheck | None:
    if shape.hint in known:
        # Inside itself: its check is complete once a value comes.
        return lambda value: known[shape.hint](value)
    if not any(isinstance(part, IdOf) or (isinstance(part, ObjectOf) and part.hint in known) for part in walk(shape)):
        return None
    checks: dict[str, IdCheck] = {}
    known[shape.hint] = partial(check_fields, checks)
    for field in shape.fields:
        if check := check_of(field.shape, number_of, known):
            checks[field.name] = check
    return known[shape.hint]


def whole_variant(shape: Shape) -> Shape:
    return whole(shape) if isinstance(shape, ObjectOf) else shape


def check_whole(check: IdCheck, value: Value) -> None:
    try:
        check(value)
    except InvalidValue as error:
        error.path = "$" + error.path
        raise


def check_id(table: str, number_of: NumberOf, value: Value) -> None:
    if not isinstance(value, str):
        return
    try:
        found = ids.table_number(value)
    except InvalidId as error:
        raise InvalidValue("", f"expected an id of table `{table}`: {error}") from None
    if found != number_of(table):
        raise InvalidValue("", f"expected an id of table `{table}`, got an id of another table")


def check_items(check: IdCheck, value: Value) -> None:
    if isinstance(value, list):
        for position, item in enumerate(value):
            check_part(check, item, position)


def check_values(check: IdCheck, value: Value) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            check_part(check, item, name)


def check_fields(checks: Mapping[str, IdCheck], value: Value) -> None:
    if not isinstance(value, dict):
        return
    name = ""
    try:
        for name, check in checks.items():
            if name in value:
                check(value[name])
    except InvalidValue as error:
        error.path = step(name) + error.path
        raise


def check_part(check: IdCheck, part: Value, key: str | int) -> None:
    try:
        check(part)
    except InvalidValue as error:
        error.path = step(key) + error.path
        raise


def check_variants(options: list[tuple[Shape, IdCheck | None]], value: Value) -> None:
    """One variant must hold; only those that the value could be are asked."""
    failure: InvalidValue | None = None
    for variant, check in options:
        if not could_be(value, variant):
            continue
        try:
            if check is not None:
                check(value)
            return
        except InvalidValue as error:
            failure = error
    if failure is not None:
        raise failure


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
            return isinstance(value, dict) and all(fits_field(value, field) for field in fields if not field.optional)
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
