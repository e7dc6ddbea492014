"""The log in a backup, as a storage that can be read: names of segments for files of any name.

Of each file counts only so much; behind the last entry stands a mark, as if the log had been closed there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from attrs import define, frozen

from ...log.entry import LSN, Timestamp
from ...log.frame import mark_frame
from ...log.reader import LogReader
from ...log.segment import HEADER_BYTES, Segment, SegmentHeader, decode_header, segment_names


@frozen
class Stored:
    file: str
    length: int


@define(eq=False)
class BackupView:
    folder: Path
    stored: dict[str, Stored]
    """By the name of the segment."""
    lsn: LSN
    """The last entry."""
    ts: Timestamp

    def __str__(self) -> str:
        return str(self.folder)

    def names(self) -> tuple[str, ...]:
        return tuple(self.stored)

    def size(self, name: str) -> int:
        return self.at(name).length + len(self.mark(name))

    def read(self, name: str, offset: int, length: int) -> bytes:
        stored = self.at(name)
        data = b""
        if offset < stored.length:
            descriptor = os.open(self.folder / stored.file, os.O_RDONLY)
            try:
                data = os.pread(descriptor, min(length, stored.length - offset), offset)
            finally:
                os.close(descriptor)
        behind = max(0, offset - stored.length)
        if offset + len(data) >= stored.length:
            data += self.mark(name)[behind : behind + length - len(data)]
        return data

    def at(self, name: str) -> Stored:
        try:
            return self.stored[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    def mark(self, name: str) -> bytes:
        """What is behind the last entry of the log."""
        if name != max(self.stored):
            return b""
        header = self.header(name)
        return mark_frame(self.lsn, header.salt) if self.lsn >= header.first else b""

    def header(self, name: str) -> SegmentHeader:
        """Raises Malformed."""
        stored = self.at(name)
        with (self.folder / stored.file).open("rb") as file:
            return decode_header(file.read(HEADER_BYTES))

    def reader(self) -> LogReader:
        """Reads entries.  Raises Malformed."""
        return LogReader(self, [Segment.of(self.header(name)) for name in segment_names(self)], lambda: self.lsn)

    # Nobody writes into a backup by way of this.

    def create(self, name: str) -> NoReturn:
        raise PermissionError(f"{self} is a backup")

    def write(self, name: str, offset: int, data: bytes) -> NoReturn:
        raise PermissionError(f"{self} is a backup")

    def truncate(self, name: str, length: int) -> NoReturn:
        raise PermissionError(f"{self} is a backup")

    def sync(self, name: str) -> NoReturn:
        raise PermissionError(f"{self} is a backup")

    def sync_folder(self) -> NoReturn:
        raise PermissionError(f"{self} is a backup")

    def remove(self, name: str) -> NoReturn:
        raise PermissionError(f"{self} is a backup")

    def rename(self, name: str, new: str) -> NoReturn:
        raise PermissionError(f"{self} is a backup")

    def free(self) -> int | None:
        return None

    def lock(self) -> None:
        """Whoever has the view holds the backup."""

    def unlock(self) -> None:
        """As `lock`."""
