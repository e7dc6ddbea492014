"""Canonical CBOR: how values are stored and hashed.

The deterministic form of RFC 8949, section 4.2: definite lengths, shortest numbers, names
sorted; a number of normal form that is an ``int`` is a CBOR integer, other numbers are floats.
Int64 is an integer under a tag of ours, so that it is never mistaken for a number.

Equal values give equal bytes.  ``decode`` takes one whole value and nothing but the kinds of the
value model; it is not a proof that the bytes are canonical: hash what was encoded or stored.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from io import BytesIO
from typing import Final, Never

import cbor2

from .errors import InvalidValue
from .limits import INT_MAX, VALUE_DEPTH_MAX
from .values import (
    FLOAT_BITS,
    Int64,
    Value,
    check_array,
    check_depth,
    check_fields,
    normalize,
    number,
    refuse,
    step,
)

INT64_TAG: Final = 0xC064
"""Marks an Int64.  From the range that IANA gives out first come, first served."""

_THREE_ZEROS: Final = bytes(3)

_NAMES_MAX = 32
"""Objects with no more names than this have their order kept at hand: documents of one table have the same ones."""
_ORDERS_KEPT = 256

_FOREIGN_TAGS: Final = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000, 55799)
"""What the codec would turn into dates, sets, shared references and the like."""


def encode(value: Value) -> bytes:
    """Raise ``InvalidValue`` for what is not a value."""
    short_floats: list[float] = []
    try:
        # The codec's own canonical mode takes three times as long.  Names are sorted here, so it is
        # needed only where a float may be written shorter.
        tree = _tree(value, short_floats, 0)
        return cbor2.dumps(tree, canonical=bool(short_floats))
    except UnicodeEncodeError:
        normalize(value)  # Raises, with the place inside the value.
        raise
    except InvalidValue as error:
        error.path = "$" + error.path
        raise


def decode(data: bytes) -> Value:
    """Raise ``InvalidValue`` for bytes that are not exactly one value."""
    stream = BytesIO(data)
    try:
        value = cbor2.CBORDecoder(
            stream,
            tag_hook=_untag,
            semantic_decoders=_REFUSALS,
            max_depth=VALUE_DEPTH_MAX + 1,  # A tag counts as a level.
            allow_indefinite=False,
            allow_duplicate_keys=False,
        ).decode()
    except (cbor2.CBORError, InvalidValue) as error:
        raise InvalidValue("$", f"not CBOR of a value: {error}") from None
    if stream.tell() != len(data):
        raise InvalidValue("$", f"{len(data) - stream.tell()} bytes follow the value")
    try:
        return _checked(value, 0)
    except InvalidValue as error:
        error.path = "$" + error.path
        raise


def _tree(value: Value, short_floats: list[float], around: int) -> object:
    """What the codec is given: normal form, names sorted, Int64 tagged."""
    if type(value) is str or value is None or value is True or value is False or type(value) is bytes:
        return value
    if type(value) is int:
        return number(value)
    if type(value) is float:
        normal = number(value)
        # A float that fits into 32 bits or fewer has zeros for the last 29.
        if type(normal) is float and FLOAT_BITS.pack(normal).startswith(_THREE_ZEROS):
            short_floats.append(normal)
        return normal
    if type(value) is dict:
        check_depth(around)
        fields: dict[str, object] = {}
        names = _order_kept(tuple(value)) if len(value) <= _NAMES_MAX else _order(value)
        name = ""
        try:
            for name in names:
                item = value[name]
                # Most of what documents hold: spare them the call.
                if type(item) is str or (type(item) is int and -INT_MAX <= item <= INT_MAX):
                    fields[name] = item
                else:
                    fields[name] = _tree(item, short_floats, around + 1)
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
                items.append(_tree(item, short_floats, around + 1))
        except InvalidValue as error:
            error.path = step(len(items)) + error.path
            raise
        return items
    if type(value) is Int64:
        return cbor2.CBORTag(INT64_TAG, int(value))
    refuse(value)


def _order(names: Collection[str]) -> list[str]:
    """The names of an object in the order of their encodings.  Raise ``InvalidValue`` for one that is not allowed."""
    check_fields(names)
    return sorted(sorted(names), key=len)


@lru_cache(_ORDERS_KEPT)
def _order_kept(names: tuple[str, ...]) -> list[str]:
    return _order(names)


def _checked(value: object, around: int) -> Value:
    """The same value, if it is one in normal form."""
    if type(value) is str or value is None or value is True or value is False:
        return value
    if type(value) is int:
        return number(value)
    if type(value) is float:
        return _checked_float(value)
    if type(value) is bytes or type(value) is Int64:
        return value
    if type(value) is dict:
        check_depth(around)
        check_fields(value)
        name = ""
        try:
            for name in value:
                item = value[name]
                if type(item) is not str:
                    _checked(item, around + 1)
        except InvalidValue as error:
            error.path = step(name) + error.path
            raise
        return value
    if type(value) is list:
        check_depth(around)
        check_array(value)
        for index, item in enumerate(value):
            # Vectors are long lists of such: spare them the call.  NaN has several forms, whole numbers are ints.
            if type(item) is float and item == item and not item.is_integer():
                continue
            try:
                _checked(item, around + 1)
            except InvalidValue as error:
                error.path = step(index) + error.path
                raise
        return value
    refuse(value)


def _checked_float(value: float) -> float:
    normal = number(value)
    if type(normal) is not float or FLOAT_BITS.pack(normal) != FLOAT_BITS.pack(value):
        raise InvalidValue("", f"{value!r} is not written in normal form")
    return value


def _untag(tag: cbor2.CBORTag, immutable: bool) -> Int64:
    if tag.tag != INT64_TAG or type(tag.value) is not int:
        raise InvalidValue("", f"tag {tag.tag} is not one of a value")
    return Int64(tag.value)


def _refuse_tag(value: object, immutable: bool) -> Never:
    raise InvalidValue("", "a tag that values do not use")


_REFUSALS: Final = dict.fromkeys(_FOREIGN_TAGS, _refuse_tag)
