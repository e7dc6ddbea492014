"""Which part of a file an HTTP request asks for: one range of bytes (RFC 9110, section 14)."""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

FORM: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
SEVERAL: Final = re.compile(r"bytes=[\d\-, ]*,[\d\-, ]*")


@frozen
class Part:
    """Bytes from ``start`` up to ``stop``."""

    start: int
    stop: int


def part_of(header: str | None, size: int) -> Part | None:
    """What the header asks for of so many bytes; None for all of them, also if it cannot be read.

    Raises ValueError for a range of which the file has nothing, and for more than one.
    """
    if header is None:
        return None
    text = header.strip().lower().replace(" ", "")
    if SEVERAL.fullmatch(text):
        raise ValueError("one range at a time")
    match = FORM.fullmatch(text)
    if match is None or match[0] == "bytes=-":
        return None  # As servers do with units that they do not know.
    first, last = match[1], match[2]
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise ValueError(f"the file has {size} bytes")
    return Part(start, stop)
