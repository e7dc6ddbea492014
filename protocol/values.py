"""The value model: what documents hold, functions take and return, and clients see.

    null  boolean  Float64     Int64  string  bytes  array  object
    None  bool     int, float  Int64  str     bytes  list   dict

``int`` and ``float`` are one kind, the float64 ("number").  Each number has one *normal form*:
``int`` when it is integral, at most 2**53-1 in magnitude and not -0.0; otherwise ``float``.
There is one NaN: which bits an operation leaves in a NaN depends on the processor, and what is
stored must not.  ``Int64`` is the 64-bit integer (``bigint`` in JavaScript), a kind of its own.

A ``Value`` is what ``normalize`` or a decoder returned: nested at most ``VALUE_DEPTH_MAX`` deep,
names and strings checked.  Encoders check once more, so that what is written can be read.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping
from math import copysign
from typing import Final, NoReturn, TypeAlias

from .errors import InvalidValue
from .limits import (
    ARRAY_ITEMS_MAX,
    FIELD_NAME_CHARS_MAX,
    INT64_MAX,
    INT64_MIN,
    INT_MAX,
    OBJECT_FIELDS_MAX,
    VALUE_DEPTH_MAX,
)

Value: TypeAlias = "bool | int | float | str | bytes | list[Value] | dict[str, Value] | None"
"""``Int64`` is among them, being an ``int``."""

FLOAT_BITS: Final = struct.Struct("<d")
NAN: Final[float] = FLOAT_BITS.unpack(bytes.fromhex("000000000000f87f"))[0]
"""The one NaN of normal form."""


class Int64(int):
    """A 64-bit integer, ``bigint`` in JavaScript; never equal to a number in the value model."""

    __slots__ = ()

    def __new__(cls, value: int = 0) -> Int64:
        """Raise ``InvalidValue`` for what does not fit into 64 bits."""
        if not isinstance(value, int) or not INT64_MIN <= value <= INT64_MAX:
            raise InvalidValue("$", "an Int64 is a whole number from -2**63 to 2**63-1")
        return super().__new__(cls, value)

    def __repr__(self) -> str:
        return f"Int64({int(self)})"


NUMBERS: Final[frozenset[type]] = frozenset((int, float, Int64))
NUMBER_BYTES: Final = 9
NESTED: Final[frozenset[type]] = frozenset((list, dict))


def normalize(value: object, path: str = "$") -> Value:
    """Check a value and copy it into normal form, so that nobody else can change it.

    Tuples become lists, and subclasses (a ``StrEnum``, a read-only mapping) what they stand for.
    Raise ``InvalidValue`` with the place inside the value, which is at ``path``.
    """
    try:
        return _normalize(value, 0)
    except InvalidValue as error:
        error.path = path + error.path
        raise


def number(value: int | float) -> int | float:
    """The normal form of a number.  Raise ``InvalidValue`` for an int that float64 cannot hold."""
    if type(value) is float:
        if value.is_integer():
            if -INT_MAX <= value <= INT_MAX and (value or copysign(1.0, value) > 0):
                return int(value)
        elif value != value:
            return NAN
        return value
    if -INT_MAX <= value <= INT_MAX:
        return value
    raise InvalidValue("", f"{_shown(int(value))} is beyond 2**53-1: pass an Int64 or a float")


def size(value: Value) -> int:
    """Convex size in bytes: what the limits on documents, arguments and results are stated in."""
    if type(value) is str:
        return 2 + (len(value) if value.isascii() else len(value.encode()))
    if value is None or value is True or value is False:
        return 1
    if type(value) is dict:
        total = 2 + len(value) + sum(map(len, value))
        for item in value.values():
            # Most of what documents hold: spare them the call.
            kind = type(item)
            if kind is str:
                total += 2 + (len(item) if item.isascii() else len(item.encode()))  # type: ignore[union-attr, arg-type]
            elif kind is int or kind is float:
                total += NUMBER_BYTES
            else:
                total += size(item)
        return total
    if type(value) is list:
        # Vectors are long lists of numbers: spare them the calls.
        return 2 + (NUMBER_BYTES * len(value) if NUMBERS.issuperset(map(type, value)) else sum(map(size, value)))
    if type(value) is bytes:
        return 2 + len(value)
    return NUMBER_BYTES


def depth(value: Value) -> int:
    """How many arrays and objects are inside one another: 0 for a scalar, 1 for ``[]``."""
    deepest = 0
    items: Iterable[Value]
    if type(value) is dict:
        items = value.values()
    elif type(value) is list:
        items = value
    else:
        return 0
    for item in items:
        if type(item) is dict or type(item) is list:
            deepest = max(deepest, depth(item))
    return deepest + 1


def too_deep(value: Value, allowed: int) -> str | None:
    """Where the first array or object is that is inside ``allowed`` others, as steps; None if none is."""
    items: Iterable[tuple[str | int, Value]]
    if type(value) is dict:
        items = value.items()
    elif type(value) is list:
        items = enumerate(value)
    else:
        return None
    if not allowed:
        return ""
    if type(value) is list and NESTED.isdisjoint(map(type, value)):
        return None
    for key, item in items:
        if type(item) is dict or type(item) is list:
            inside = too_deep(item, allowed - 1)
            if inside is not None:
                return step(key) + inside
    return None


def equal(a: Value, b: Value) -> bool:
    """Whether two values are the same value, whichever form their numbers have.

    Unlike ``==``: True is not 1, Int64(1) is not 1, -0.0 is not 0, and NaN is NaN if the bits are.
    """
    if type(a) is dict:
        return (
            type(b) is dict and len(a) == len(b) and all(name in b and equal(item, b[name]) for name, item in a.items())
        )
    if type(a) is list:
        return type(b) is list and len(a) == len(b) and all(map(equal, a, b))
    if type(a) is float:
        return (type(b) is float or type(b) is int) and _same_number(a, b)
    if type(b) is float:
        return type(a) is int and _same_number(a, b)
    return type(a) is type(b) and a == b


def _same_number(a: int | float, b: int | float) -> bool:
    if a != a or b != b or a == b == 0:
        return FLOAT_BITS.pack(a) == FLOAT_BITS.pack(b)
    return a == b


def check_text(text: str) -> None:
    """Raise ``InvalidValue`` if a string holds half of a surrogate pair, which no codec can write."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidValue("", f"a string holds a lone surrogate at character {error.start}") from None


def check_fields(fields: Collection[str]) -> None:
    """Raise ``InvalidValue`` if an object has too many fields or a name that is not allowed."""
    if len(fields) > OBJECT_FIELDS_MAX:
        raise InvalidValue("", f"{len(fields)} fields; an object has at most {OBJECT_FIELDS_MAX}")
    # All names at once: this runs for each object that comes or goes.
    try:
        names = "".join(fields)
    except TypeError:
        names = "$"
    if "$" in names or not names.isascii() or not names.isprintable() or len(names) > FIELD_NAME_CHARS_MAX:
        for name in fields:
            check_name(name)


def check_name(name: object) -> None:
    """Raise ``InvalidValue`` if this cannot be the name of a field."""
    if not isinstance(name, str):
        raise InvalidValue("", f"a field name is a string, not {type(name).__name__}")
    if len(name) > FIELD_NAME_CHARS_MAX:
        raise InvalidValue("", f"a field name has at most {FIELD_NAME_CHARS_MAX} characters, not {len(name)}")
    if not name.isascii() or not name.isprintable():
        raise InvalidValue("", f"field name {name!a} has a character that is not printable ASCII")
    if name.startswith("$"):
        raise InvalidValue("", f"field name {name!r} starts with $, which is reserved")


def check_array(items: list[object] | list[Value]) -> None:
    """Raise ``InvalidValue`` if an array is too long."""
    if len(items) > ARRAY_ITEMS_MAX:
        raise InvalidValue("", f"{len(items)} items; an array has at most {ARRAY_ITEMS_MAX}")


def check_depth(around: int) -> None:
    """Raise ``InvalidValue`` if one more array or object inside ``around`` others is too many."""
    if around >= VALUE_DEPTH_MAX:
        raise InvalidValue("", f"nested more than {VALUE_DEPTH_MAX} deep")


def step(key: str | int) -> str:
    """One step of a path into a value: ``[3]``, ``.name`` or ``["odd name"]``."""
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if key.isidentifier() and key.isascii() else f"[{key!a}]"


# Inside, an error's path is relative.  Each level puts its own step in front while the error
# passes, so that a value without errors costs no bookkeeping.


def _normalize(value: object, around: int) -> Value:
    if type(value) is str:
        if not value.isascii():
            check_text(value)
        return value
    if type(value) is int or type(value) is float:
        return number(value)
    if value is None or value is True or value is False or type(value) is Int64 or type(value) is bytes:
        return value
    if type(value) is dict:
        return _normalize_fields(value, around)
    if type(value) is list or type(value) is tuple:
        return _normalize_items(value, around)
    return _normalize_subclass(value, around)


def _normalize_fields(fields: Mapping[str, object], around: int) -> Value:
    check_depth(around)
    check_fields(fields)
    result: dict[str, Value] = {}
    name = ""
    try:
        for name, item in fields.items():
            if type(name) is not str:
                name = str.__str__(name)
            # Strings are most of what documents hold: spare them the call.
            if type(item) is str and item.isascii():
                result[name] = item
            else:
                result[name] = _normalize(item, around + 1)
    except InvalidValue as error:
        error.path = step(name) + error.path
        raise
    return result


def _normalize_items(items: list[object] | tuple[object, ...], around: int) -> Value:
    check_depth(around)
    if len(items) > ARRAY_ITEMS_MAX:
        check_array(list(items))
    result: list[Value] = []
    try:
        for item in items:
            result.append(_normalize(item, around + 1))
    except InvalidValue as error:
        error.path = step(len(result)) + error.path
        raise
    return result


def _normalize_subclass(value: object, around: int) -> Value:
    """Values of other types, by what they are a subclass of."""
    if isinstance(value, Int64):
        return Int64(int(value))
    if isinstance(value, str):
        return _normalize(str.__str__(value), around)
    if isinstance(value, int):
        return number(int.__int__(value))
    if isinstance(value, float):
        return number(float.__float__(value))
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, Mapping):
        return _normalize_fields(value, around)
    if isinstance(value, (list, tuple)):
        return _normalize_items(value, around)
    refuse(value)


def refuse(value: object) -> NoReturn:
    """Raise ``InvalidValue``: this is of no kind that the value model has."""
    raise InvalidValue(
        "",
        f"{type(value).__name__} is not a value: use None, bool, int, float, Int64, str, bytes, list or dict",
    )


def _shown(value: int) -> str:
    # Python refuses to write out very long numbers.
    return str(value) if value.bit_length() <= 256 else f"a number of {value.bit_length()} bits"
