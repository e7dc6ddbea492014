"""Document ids: the number of a table and 16 bytes, written as 31 to 37 letters and digits.

    bytes   table number (LEB128) ++ internal id (16) ++ checksum (2)
    text    the bytes in Crockford's base32, lower case, the most significant bits first

The checksum is Fletcher-16 modulo 256.  Text is an id only if encoding what it decodes to gives
the same text again, so that one document never has two ids.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import accumulate
from typing import Final

from attrs import frozen

from .errors import InvalidId

INTERNAL_BYTES: Final = 16
RANDOM_BYTES: Final = 14
CHECKSUM_BYTES: Final = 2

TABLE_NUMBER_MAX: Final = 2**32 - 1
TABLE_NUMBER_USER_MIN: Final = 10_001
"""Tables of users are numbered from here; smaller numbers belong to the system."""

DAY_MAX: Final = 2**16 - 1

_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(first + second for first in _DIGITS for second in _DIGITS)
_PYTHON_DIGITS: Final = str.maketrans(_DIGITS, "0123456789abcdefghijklmnopqrstuv")
_match: Final = re.compile("[0-9a-hjkmnp-tv-z]{31,37}").fullmatch

_REMEMBERED = 4096
"""Ids whose table number is kept at hand: validators ask for the same ones again and again."""


@frozen
class DocumentId:
    """What an id says."""

    table_number: int
    internal: bytes
    """16 bytes, unique within the table."""


def encode(table_number: int, internal: bytes) -> str:
    """The id of a document, as clients see it."""
    assert 1 <= table_number <= TABLE_NUMBER_MAX, table_number
    assert len(internal) == INTERNAL_BYTES, len(internal)
    body = _leb128(table_number) + internal
    data = body + _checksum(body)
    digits = -(-8 * len(data) // 5)
    # Two digits at a time; the last bits, and perhaps a last digit too many, are zero.
    bits = 10 * (-(-digits // 2))
    number = int.from_bytes(data, "big") << (bits - 8 * len(data))
    text = "".join([_PAIRS[(number >> shift) & 1023] for shift in range(bits - 10, -1, -10)])
    return text[:digits]


def decode(text: str) -> DocumentId:
    """What an id says.  Raise ``InvalidId``."""
    if _match(text) is None:
        raise InvalidId(text[:40], "an id is 31 to 37 digits and lower-case letters other than i, l, o, u")
    data = (int(text.translate(_PYTHON_DIGITS), 32) >> (5 * len(text) % 8)).to_bytes(5 * len(text) // 8, "big")
    body = data[:-CHECKSUM_BYTES]
    if _checksum(body) != data[-CHECKSUM_BYTES:]:
        raise InvalidId(text, "its checksum is wrong; was it copied in full?")
    prefix, internal = body[:-INTERNAL_BYTES], body[-INTERNAL_BYTES:]
    number = sum((byte & 0x7F) << (7 * index) for index, byte in enumerate(prefix))
    if not 1 <= number <= TABLE_NUMBER_MAX or encode(number, internal) != text:
        raise InvalidId(text, "it is not written as ids are")
    return DocumentId(number, internal)


@lru_cache(_REMEMBERED)
def table_number(text: str) -> int:
    """The number of the table that an id belongs to.  Raise ``InvalidId``."""
    return decode(text).table_number


def mint(random14: bytes, day: int) -> bytes:
    """A new internal id from 14 random bytes and the day, counted from the Unix epoch.

    The day is at the end: ids of one time are not neighbours, and old ones can still be told.
    """
    assert len(random14) == RANDOM_BYTES, len(random14)
    assert 0 <= day <= DAY_MAX, day
    return random14 + day.to_bytes(2, "big")


def _leb128(number: int) -> bytes:
    """Seven bits a byte, the least significant first; all but the last have the top bit set."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _checksum(body: bytes) -> bytes:
    """Fletcher-16 modulo 256: the sum of the bytes, and the sum of the sums."""
    return bytes((sum(body) & 0xFF, sum(accumulate(body)) & 0xFF))
