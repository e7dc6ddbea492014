"""Convex JSON: how values cross the socket, and the two other formats that HTTP offers.

    Float64   a JSON number; {"$float": base64 of 8 bytes} for NaN, the infinities and -0.0
    Int64     {"$integer": base64 of 8 bytes}
    bytes     {"$bytes": base64}
    others    as JSON has them; no other name starts with "$"

Numbers are little-endian.  Every bare number is a Float64 and is written with a point or an
exponent, ``1.0``: some clients refuse ``1``.  ``encode`` is canonical (names sorted, no spaces,
one NaN): equal values give equal bytes.

Nesting is bounded before the codec or any recursion runs.  Everything that arrives wrong is
``InvalidValue``, whatever the codec below called it.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from itertools import accumulate
from math import copysign, isfinite, isnan
from typing import Final, TypeAlias

import msgspec

from .errors import InvalidValue
from .limits import JSON_DEPTH_MAX
from .values import (
    FLOAT_BITS,
    NAN,
    Int64,
    Value,
    check_array,
    check_depth,
    check_fields,
    check_text,
    normalize,
    number,
    refuse,
    step,
)

Special: TypeAlias = Callable[[float | Int64 | bytes], object]
"""How a format writes what JSON lacks: non-finite numbers, -0.0, Int64, bytes."""

_decode: Final = msgspec.json.Decoder().decode
_encode_any_order: Final = msgspec.json.Encoder().encode
_encode_sorted: Final = msgspec.json.Encoder(order="deterministic").encode

_STEPS: Final = bytes(1 if byte in b"[{" else 255 for byte in range(256))
"""Brackets as signed bytes: an opening one is 1 deeper, a closing one is 1 less deep."""
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")


def parse(text: str | bytes) -> object:
    """Plain JSON, as dicts, lists, strings and numbers; values in it are not yet decoded.

    Raise ``InvalidValue`` for what is not JSON, is nested too deep or holds a lone surrogate.
    """
    try:
        data = text.encode() if isinstance(text, str) else text
        check_nesting(data)
        return _decode(data)
    except ValueError as error:  # msgspec's errors and Unicode's are all of this class.
        raise InvalidValue("$", f"not JSON: {error}") from None


def check_nesting(data: bytes) -> None:
    """Raise ``InvalidValue`` if brackets are nested more than ``JSON_DEPTH_MAX`` deep.

    Reads the text without recursion; says nothing about whether it is JSON otherwise.
    """
    if data.count(b"[") + data.count(b"{") <= JSON_DEPTH_MAX:
        return
    # Take away escapes, then strings, then all but the brackets.  Backslashes outside of strings
    # are not JSON: there the codec stops, and what follows does not count.
    outside = data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2]
    brackets = b"".join(outside).translate(_STEPS, _NO_BRACKETS)
    if max(accumulate(memoryview(brackets).cast("b")), default=0) > JSON_DEPTH_MAX:
        raise InvalidValue("$", f"brackets are nested more than {JSON_DEPTH_MAX} deep")


def from_json(tree: object, path: str = "$") -> Value:
    """The value that a parsed tree of Convex JSON stands for.

    Raise ``InvalidValue`` with the place inside the tree, which is at ``path``.
    """
    try:
        return _from_json(tree, 0)
    except InvalidValue as error:
        error.path = path + error.path
        raise


def decode(text: str | bytes) -> Value:
    """The value that a Convex JSON text stands for.  Raise ``InvalidValue``."""
    return from_json(parse(text))


def decode_export(text: str | bytes) -> Value:
    """The value that a JSON text of a snapshot stands for (``export_json``).  Raise ``InvalidValue``."""
    return from_json(_with_int64(parse(text)))


def _with_int64(tree: object) -> object:
    """Bare integers as Convex JSON writes an Int64.  The tree is nested as little as ``parse`` allows."""
    if type(tree) is int:
        try:
            return {"$integer": _base64(tree.to_bytes(8, "little", signed=True))}
        except OverflowError:
            raise InvalidValue("$", f"{tree} is beyond 64 bits: write it with a point") from None
    if type(tree) is dict:
        return {name: item if type(item) is str else _with_int64(item) for name, item in tree.items()}
    if type(tree) is list:
        return [_with_int64(item) for item in tree]
    return tree


def to_json(value: Value) -> object:
    """A tree of Convex JSON, ready for ``dump``.  Raise ``InvalidValue`` for what is not a value."""
    return _checked_tree(value, _convex)


def encode(value: Value) -> bytes:
    """Canonical Convex JSON.  Raise ``InvalidValue`` for what is not a value."""
    return _encode(value, _convex)


def encode_clean(value: Value) -> bytes:
    """Plain JSON for people and scripts (``json``); lossy: what JSON lacks becomes a string."""
    return _encode(value, _clean)


def encode_export(value: Value) -> bytes:
    """JSON of snapshots (``export_json``): a bare integer is an Int64, other numbers have a point."""
    return _encode(value, _export)


def dump(tree: object) -> bytes:
    """Write a tree as JSON, in the order of its dicts.  ``msgspec.Raw`` in it is JSON already.

    Raise ``InvalidValue`` for a string with a lone surrogate.
    """
    try:
        return _encode_any_order(tree)
    except UnicodeEncodeError as error:
        raise InvalidValue("$", f"not Unicode: {error}") from None


def _from_json(tree: object, around: int) -> Value:
    if type(tree) is str:
        if not tree.isascii():
            check_text(tree)
        return tree
    if type(tree) is float:
        return number(tree)
    if type(tree) is int:
        return _from_integer(tree)
    if tree is None or tree is True or tree is False:
        return tree
    if type(tree) is dict:
        if len(tree) == 1:
            for name in tree:
                if type(name) is str and name[:1] == "$":
                    return _from_special(name, tree[name])
        return _from_object(tree, around)
    if type(tree) is list:
        return _from_array(tree, around)
    raise InvalidValue("", f"{type(tree).__name__} is not JSON")


def _from_integer(value: int) -> int | float:
    try:
        return number(float(value))
    except OverflowError:
        raise InvalidValue("", "number out of range") from None


def _from_object(tree: dict[str, object], around: int) -> Value:
    check_depth(around)
    check_fields(tree)
    result: dict[str, Value] = {}
    name = ""
    try:
        for name, item in tree.items():
            if type(item) is str and item.isascii():
                result[name] = item
            else:
                result[name] = _from_json(item, around + 1)
    except InvalidValue as error:
        error.path = step(name) + error.path
        raise
    return result


def _from_array(tree: list[object], around: int) -> Value:
    check_depth(around)
    check_array(tree)
    result: list[Value] = []
    try:
        for item in tree:
            result.append(_from_json(item, around + 1))
    except InvalidValue as error:
        error.path = step(len(result)) + error.path
        raise
    return result


def _from_special(name: str, payload: object) -> Value:
    """The value of an object whose only name starts with ``$``."""
    if name == "$integer":
        return Int64(int.from_bytes(_from_base64(payload, 8), "little", signed=True))
    if name == "$bytes":
        return _from_base64(payload)
    if name == "$float":
        value: float = FLOAT_BITS.unpack(_from_base64(payload, 8))[0]
        if isnan(value):
            return NAN
        if isfinite(value) and (value or copysign(1.0, value) > 0):
            raise InvalidValue("", f"$float is not for {value!r}, which is a JSON number")
        return value
    raise InvalidValue("", f"field name {name!a} starts with $, which is reserved")


def _from_base64(payload: object, length: int | None = None) -> bytes:
    """Standard base64 with padding, in the one form that encoding gives."""
    if type(payload) is not str or not payload.isascii():
        raise InvalidValue("", "expected a string of base64")
    try:
        data = a2b_base64(payload)
    except Base64Error as error:
        raise InvalidValue("", f"not base64: {error}") from None
    if _base64(data) != payload:
        raise InvalidValue("", "not base64 in standard form, with padding")
    if length is not None and len(data) != length:
        raise InvalidValue("", f"expected {length} bytes of base64, not {len(data)}")
    return data


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()


def _encode(value: Value, special: Special) -> bytes:
    try:
        return _encode_sorted(_checked_tree(value, special))
    except UnicodeEncodeError:
        normalize(value)  # Raises, with the place inside the value.
        raise


def _checked_tree(value: Value, special: Special) -> object:
    try:
        return _tree(value, special, 0)
    except InvalidValue as error:
        error.path = "$" + error.path
        raise


def _tree(value: Value, special: Special, around: int) -> object:
    if type(value) is str or value is None or value is True or value is False:
        return value
    if type(value) is int:
        return float(number(value))
    if type(value) is float:
        if isfinite(value) and (value or copysign(1.0, value) > 0):
            return value
        return special(value)
    if type(value) is dict:
        check_depth(around)
        check_fields(value)
        fields: dict[str, object] = {}
        name = ""
        try:
            for name, item in value.items():
                # Strings are most of what documents hold: spare them the call.
                fields[name] = item if type(item) is str else _tree(item, special, around + 1)
        except InvalidValue as error:
            error.path = step(name) + error.path
            raise
        return fields
    if type(value) is list:
        check_depth(around)
        check_array(value)
        items: list[object] = []
        try:
            for item in value:
                items.append(_tree(item, special, around + 1))
        except InvalidValue as error:
            error.path = step(len(items)) + error.path
            raise
        return items
    if type(value) is Int64 or type(value) is bytes:
        return special(value)
    refuse(value)


def _convex(value: float | Int64 | bytes) -> object:
    if isinstance(value, bytes):
        return {"$bytes": _base64(value)}
    if isinstance(value, Int64):
        return {"$integer": _base64(value.to_bytes(8, "little", signed=True))}
    return {"$float": _base64(FLOAT_BITS.pack(NAN if isnan(value) else value))}


def _clean(value: float | Int64 | bytes) -> object:
    if isinstance(value, bytes):
        return _base64(value)
    if isinstance(value, Int64):
        return str(int(value))
    if isnan(value):
        return "NaN"
    if isfinite(value):
        return value
    return "Infinity" if value > 0 else "-Infinity"


def _export(value: float | Int64 | bytes) -> object:
    if isinstance(value, Int64):
        return int(value)
    if isinstance(value, float) and isfinite(value):
        return value
    return _convex(value)
