"""Keys of an index as people read them: the values of the fields, not their bytes."""

from __future__ import annotations

import json

from msgspec import UNSET, UnsetType

from ..log.entry import IndexKey, IndexName, KeyRange
from ..protocol.errors import InvalidValue
from ..protocol.order import decode_keys
from ..protocol.values import Value
from .definition import BY_ID

BEYOND = b"\xff"
"""Ends a bound that lies behind everything that begins with what stands before it."""
TEXT_END = b"\0"
"""Ends the key of a text: without it, it is the beginning of one, as of the last word that somebody searches for."""


def key_text(index: IndexName, key: IndexKey) -> str:
    """The key of a document, as ``["general", ...]``: creation time and id, which end it, are left out."""
    values = values_of(index, key)
    if values is None:
        return key.hex()
    if index.index == BY_ID:
        return f"[{value_text(values[0])}]"
    # What is ordered by creation time alone has nothing else to show.
    return f"[{', '.join(map(value_text, values[:-2] or values[:1]))}, ...]"


def bound_text(index: IndexName, bound: IndexKey) -> str:
    """Where a range begins or ends, as ``["general"]``."""
    values = values_of(index, bound)
    return bound.hex() if values is None else f"[{', '.join(map(value_text, values))}]"


def range_text(read: KeyRange) -> str:
    """A range, as ``["general", ...]`` for one key, ``["general"]`` for all that hold that, or from where to where."""
    start, stop = read.start, read.stop
    if start and stop == start + b"\0":
        return key_text(read.index, start)
    if start and stop == start + BEYOND:
        begun = values_of(read.index, start + TEXT_END) if values_of(read.index, start) is None else None
        return (
            f"{bound_text(read.index, start + TEXT_END)}, or what begins so" if begun else bound_text(read.index, start)
        )
    first = f"from {bound_text(read.index, start)}" if start else "from the start"
    if stop is None:
        return f"{first} to the end"
    if stop.endswith(b"\0") and (read.index.index == BY_ID or values_of(read.index, stop) is None):
        return f"{first} through {key_text(read.index, stop[:-1])}"  # It ends just behind a key that was read.
    return f"{first} to {bound_text(read.index, stop)}"


def values_of(index: IndexName, key: IndexKey) -> list[Value | UnsetType] | None:
    """The values that make up a key or a bound; None if its bytes are of no values."""
    if index.index == BY_ID:
        return [key.decode(errors="replace")]
    for whole in (key, key.removesuffix(BEYOND)):
        try:
            return decode_keys(whole)
        except InvalidValue:
            continue
    return None


def value_text(value: Value | UnsetType) -> str:
    """JSON, with bytes in hexadecimal and the numbers that JSON lacks by their names."""
    return "undefined" if value is UNSET else json.dumps(value, ensure_ascii=False, default=bytes.hex)


def shortened(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[: chars_max - 3]}..."
