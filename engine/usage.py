"""What one transaction has read and written so far, held against its limits."""

from __future__ import annotations

from attrs import define

from . import limits
from .errors import LimitReached


@define(eq=False)
class Usage:
    documents_read: int = 0
    bytes_read: int = 0
    ranges_read: int = 0
    documents_written: int = 0
    bytes_written: int = 0

    def read(self, size: int) -> None:
        self.documents_read += 1
        self.bytes_read += size
        if self.documents_read > limits.DOCUMENTS_READ_MAX:
            raise LimitReached("documents read", self.documents_read, limits.DOCUMENTS_READ_MAX)
        if self.bytes_read > limits.BYTES_READ_MAX:
            raise LimitReached("bytes read", self.bytes_read, limits.BYTES_READ_MAX)

    def ranged(self, size: int = 0) -> None:
        """A range of an index; the bytes of its keys count, for the entry holds them."""
        self.ranges_read += 1
        self.bytes_read += size
        if self.bytes_read > limits.BYTES_READ_MAX:
            raise LimitReached("bytes read", self.bytes_read, limits.BYTES_READ_MAX)
        if self.ranges_read > limits.RANGES_READ_MAX:
            raise LimitReached("index ranges read", self.ranges_read, limits.RANGES_READ_MAX)

    def wrote(self, size: int) -> None:
        self.documents_written += 1
        self.bytes_written += size
        if self.documents_written > limits.DOCUMENTS_WRITTEN_MAX:
            raise LimitReached("documents written", self.documents_written, limits.DOCUMENTS_WRITTEN_MAX)
        if self.bytes_written > limits.BYTES_WRITTEN_MAX:
            raise LimitReached("bytes written", self.bytes_written, limits.BYTES_WRITTEN_MAX)
