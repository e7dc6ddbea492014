"""Timestamps on the wire: nanoseconds since the Unix epoch, 8 little-endian bytes as base64.

JSON numbers would lose the last digits.  Zero is ``AAAAAAAAAAA=``.
"""

from __future__ import annotations

import struct
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from typing import Final

from .errors import InvalidValue

TIMESTAMP_MAX: Final = 2**63 - 1
"""Nanoseconds; clients refuse more."""

TEXT_CHARS: Final = 12

_bits: Final = struct.Struct("<Q")


def to_wire(ts: int) -> str:
    """A timestamp in nanoseconds as clients read it."""
    assert 0 <= ts <= TIMESTAMP_MAX, ts
    return b2a_base64(_bits.pack(ts), newline=False).decode()


def from_wire(text: str) -> int:
    """A timestamp in nanoseconds, as ``to_wire`` wrote it.  Raise ``InvalidValue``."""
    try:
        data = a2b_base64(text) if len(text) == TEXT_CHARS else b""
    except (Base64Error, ValueError):
        data = b""
    if len(data) != _bits.size or b2a_base64(data, newline=False).decode() != text:
        raise InvalidValue("$", f"{text[:40]!a} is not a timestamp: base64 of 8 bytes")
    ts: int = _bits.unpack(data)[0]
    if ts > TIMESTAMP_MAX:
        raise InvalidValue("$", f"timestamp {ts} is beyond 2**63-1 ns")
    return ts
