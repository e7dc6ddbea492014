"""The total order of values, and the bytes that sort like it.

    undefined < null < Int64 < Float64 < boolean < string < bytes < array < object

Two values compare as their sort keys compare byte by byte; equal keys mean equal values.  A key
can be the beginning of another (of a text that goes on with a zero), but the other then goes on
with FF, and no key starts with that.  So keys of several fields may simply be joined: an index
entry is the keys of its fields one after another, and entries sort field by field.

``decode_keys`` goes the other way, for whoever shows a key to people or hands it out as a cursor.

Numbers follow the total order of IEEE 754 (-NaN < -Inf < ... < -0 < +0 < ... < +Inf < +NaN),
strings their code points, arrays and objects their items, the shorter first.
"""

from __future__ import annotations

import struct
from math import copysign
from typing import Final

from msgspec import UNSET, UnsetType

from .errors import InvalidValue
from .values import Int64, Value, check_depth, normalize, number, refuse

UNDEFINED_KEY: Final = b"\x01"
"""Sort key of a field that is missing."""

_UNDEFINED_TAG = UNDEFINED_KEY[0]
_NULL = b"\x03"
_INT64_ZERO_TAG = 0x08
_FLOAT_TAG = 0x0D
_FALSE = b"\x0e"
_TRUE = b"\x0f"
_STRING = b"\x10"
_BYTES = b"\x11"
_ARRAY = b"\x12"
_OBJECT = b"\x15"
_END = b"\x00"
_ESCAPED_ZERO = b"\x00\xff"
_CONSTANTS: dict[bytes, Value] = {_NULL: None, _FALSE: False, _TRUE: True}
_EMPTY_NAME = b"\x00\xff"
"""An empty field name is written unlike the end of the object, and sorts after it."""

_TAGGED_FLOAT = struct.Struct(">Bd")
_TAGGED_BITS = struct.Struct(">BQ")
_INT64_WIDTHS = {
    _INT64_ZERO_TAG + sign * distance: 2 ** (distance - 1) for distance in (1, 2, 3, 4) for sign in (-1, 1)
}
"""Bytes that follow each tag of an Int64."""
_BITS = struct.Struct(">Q")
_FLOAT = struct.Struct(">d")
_ALL_BITS = 2**64 - 1
_SIGN_BIT = 2**63


def sort_key(value: Value) -> bytes:
    """Bytes that sort as the value does.  Raise ``InvalidValue`` for what is not a value."""
    try:
        return _sort_key(value, 0)
    except (InvalidValue, UnicodeEncodeError):
        normalize(value)  # Raises the same again, with the place inside the value.
        raise


def decode_keys(keys: bytes) -> list[Value | UnsetType]:
    """The values whose sort keys, joined, are ``keys``; `UNSET` for a missing field.

    Numbers come in normal form, but for a NaN, which keeps its bits.  Raise ``InvalidValue`` for
    bytes that no values have as their keys.
    """
    values: list[Value | UnsetType] = []
    position = 0
    try:
        while position < len(keys):
            start = position
            if keys[position] == _UNDEFINED_TAG:
                values.append(UNSET)
                position += 1
                continue
            value, position = _decode(keys, position, 0)
            # Longer forms of an Int64, names out of order: one comparison refuses all of them.
            if _sort_key(value, 0) != keys[start:position]:
                raise InvalidValue("$", "another key than its value has")
            values.append(value)
    except (InvalidValue, IndexError, UnicodeDecodeError, struct.error):
        raise InvalidValue("$", f"bytes that are no sort key: {keys[:40].hex()}") from None
    return values


def after_prefix(prefix: bytes) -> bytes | None:
    """The smallest bytes greater than all that start with ``prefix``; None if there are none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,)) if stem else None


def compare(a: Value, b: Value) -> int:
    """-1, 0 or 1: the order itself, by which ``sort_key`` is judged."""
    rank_a, rank_b = _rank(a), _rank(b)
    if rank_a != rank_b:
        return -1 if rank_a < rank_b else 1
    if isinstance(a, list) and isinstance(b, list):
        return _compare_items(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return _compare_fields(a, b)
    if isinstance(a, str) and isinstance(b, str):
        return (a > b) - (a < b)
    if isinstance(a, bytes) and isinstance(b, bytes):
        return (a > b) - (a < b)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return _compare_numbers(a, b)
    assert a is None, type(a)
    return 0


def _sort_key(value: Value, around: int) -> bytes:
    if type(value) is str:
        return _STRING + value.encode().replace(_END, _ESCAPED_ZERO) + _END
    if type(value) is int or type(value) is float:
        return _number_key(float(value))
    if value is None:
        return _NULL
    if value is True:
        return _TRUE
    if value is False:
        return _FALSE
    if type(value) is Int64:
        return _int64_key(value)
    if type(value) is bytes:
        return _BYTES + value.replace(_END, _ESCAPED_ZERO) + _END
    if type(value) is dict:
        check_depth(around)
        parts = [_OBJECT]
        for name in sorted(value):
            parts.append(name.encode().replace(_END, _ESCAPED_ZERO) + _END if name else _EMPTY_NAME)
            parts.append(_sort_key(value[name], around + 1))
        parts.append(_END)
        return b"".join(parts)
    if type(value) is list:
        check_depth(around)
        return _ARRAY + b"".join([_sort_key(item, around + 1) for item in value]) + _END
    refuse(value)


def _number_key(value: float) -> bytes:
    # Big-endian bits sort like the magnitude.  Positive numbers get the sign bit, which is what
    # negation does; of negative ones all bits are flipped, so that the larger magnitude is first.
    if copysign(1.0, value) > 0:
        return _TAGGED_FLOAT.pack(_FLOAT_TAG, -value)
    return _TAGGED_BITS.pack(_FLOAT_TAG, _bits(value) ^ _ALL_BITS)


def _bits(value: float) -> int:
    bits: int = _BITS.unpack(_FLOAT.pack(value))[0]
    return bits


def _int64_key(value: Int64) -> bytes:
    # The tag tells sign and width: a wider number is farther from zero.
    if value == 0:
        return bytes((_INT64_ZERO_TAG,))
    distance, width = 1, 1
    while not -(1 << (8 * width - 1)) <= value < 1 << (8 * width - 1):
        distance, width = distance + 1, 2 * width
    tag = _INT64_ZERO_TAG + (distance if value > 0 else -distance)
    return bytes((tag,)) + value.to_bytes(width, "big", signed=True)


def _decode(keys: bytes, position: int, around: int) -> tuple[Value, int]:
    """The value whose key begins at ``position``, and where the key ends."""
    tag = keys[position : position + 1]
    position += 1
    if tag in (_STRING, _BYTES):
        content, position = _decode_content(keys, position)
        return (content.decode() if tag == _STRING else content), position
    if tag in (_ARRAY, _OBJECT):
        check_depth(around)
        return _decode_items(keys, position, around) if tag == _ARRAY else _decode_fields(keys, position, around)
    if tag in _CONSTANTS:
        return _CONSTANTS[tag], position
    if tag[0] == _FLOAT_TAG:
        return _decode_number(_BITS.unpack_from(keys, position)[0]), position + 8
    if tag[0] == _INT64_ZERO_TAG:
        return Int64(0), position
    width = _INT64_WIDTHS.get(tag[0])
    if width is None:
        raise InvalidValue("$", f"no value has a sort key that begins with {tag.hex()}")
    return Int64(int.from_bytes(keys[position : position + width], "big", signed=True)), position + width


def _decode_content(keys: bytes, start: int) -> tuple[bytes, int]:
    """What stands before the next zero that is an end, and where it ends."""
    end = keys.find(_END, start)
    while end >= 0 and keys[end : end + 2] == _ESCAPED_ZERO:
        end = keys.find(_END, end + 2)
    if end < 0:
        raise InvalidValue("$", "a sort key without its end")
    return keys[start:end].replace(_ESCAPED_ZERO, _END), end + 1


def _decode_items(keys: bytes, position: int, around: int) -> tuple[Value, int]:
    items: list[Value] = []
    while keys[position] != _END[0]:
        item, position = _decode(keys, position, around + 1)
        items.append(item)
    return items, position + 1


def _decode_fields(keys: bytes, position: int, around: int) -> tuple[Value, int]:
    fields: dict[str, Value] = {}
    while True:
        if keys[position : position + 2] == _EMPTY_NAME:
            name, position = b"", position + 2
        elif keys[position] == _END[0]:
            return fields, position + 1
        else:
            name, position = _decode_content(keys, position)
        fields[name.decode()], position = _decode(keys, position, around + 1)


def _decode_number(bits: int) -> Value:
    bits ^= _SIGN_BIT if bits & _SIGN_BIT else _ALL_BITS
    value: float = _FLOAT.unpack(_BITS.pack(bits))[0]
    return value if value != value else number(value)


def _rank(value: Value) -> int:
    """Position of the value's kind among the kinds."""
    if value is None:
        return 0
    if isinstance(value, bool):
        return 3
    if isinstance(value, Int64):
        return 1
    if isinstance(value, (int, float)):
        return 2
    if isinstance(value, str):
        return 4
    if isinstance(value, bytes):
        return 5
    return 6 if isinstance(value, list) else 7


def _compare_items(a: list[Value], b: list[Value]) -> int:
    for item_a, item_b in zip(a, b, strict=False):
        if outcome := compare(item_a, item_b):
            return outcome
    return (len(a) > len(b)) - (len(a) < len(b))


def _compare_fields(a: dict[str, Value], b: dict[str, Value]) -> int:
    for name_a, name_b in zip(sorted(a), sorted(b), strict=False):
        if name_a != name_b:
            return -1 if name_a < name_b else 1
        if outcome := compare(a[name_a], b[name_b]):
            return outcome
    return (len(a) > len(b)) - (len(a) < len(b))


def _compare_numbers(a: float, b: float) -> int:
    if a < b:
        return -1
    if a > b:
        return 1
    if a == b and a != 0:
        return 0
    # Zeros differ by their signs; NaNs by sign, then by the rest of their bits.
    sign_a, sign_b = copysign(1.0, a), copysign(1.0, b)
    if a == b or (a != a and b != b and sign_a != sign_b):
        return (sign_a > sign_b) - (sign_a < sign_b)
    if a != a and b != b:
        magnitude_a, magnitude_b = _bits(abs(a)), _bits(abs(b))
        return int(sign_a) * ((magnitude_a > magnitude_b) - (magnitude_a < magnitude_b))
    # Exactly one is NaN: at the far end on the side of its sign.
    return int(sign_a) if a != a else -int(sign_b)
