"""Reads a ZIP that somebody may have tampered with.

Nothing is unpacked to a disk, so names cannot lead anywhere; still, those that try are refused, for who wrote
them wanted something.  Sizes are not believed: what is read is counted.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, TypeVar

from attrs import define

from .errors import FileInvalid
from .limits import ARCHIVE_ENTRIES_MAX, ARCHIVE_RATIO_FROM_BYTES, ARCHIVE_RATIO_MAX, CHUNK_BYTES

T = TypeVar("T")

ENCRYPTED = 0x1


@define(eq=False)
class Archive:
    name: str
    zip: zipfile.ZipFile

    @classmethod
    def open(cls, name: str, file: IO[bytes]) -> Archive:
        """Raises FileInvalid."""
        try:
            archive = cls(name, zipfile.ZipFile(file))
        except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, OSError, NotImplementedError) as error:
            raise FileInvalid(name, f"this is no ZIP file, or not all of it ({error})") from None
        archive.check()
        return archive

    def check(self) -> None:
        infos = self.zip.infolist()
        if len(infos) > ARCHIVE_ENTRIES_MAX:
            raise FileInvalid(self.name, f"it holds {len(infos):,} files; {ARCHIVE_ENTRIES_MAX:,} are allowed")
        seen: set[str] = set()
        for info in infos:
            parts = info.filename.replace("\\", "/").split("/")
            if ".." in parts or parts[0] == "" or ":" in parts[0] or not info.filename.isprintable():
                raise FileInvalid(self.name, f"it holds a file named {info.filename[:80]!r}, which leads out of it")
            if info.filename in seen:
                raise FileInvalid(self.name, f"it holds {info.filename[:80]!r} twice")
            seen.add(info.filename)
            if info.flag_bits & ENCRYPTED:
                raise FileInvalid(self.name, f"{info.filename[:80]!r} in it is encrypted: unpack it first")
            if is_bomb(info.file_size, info.compress_size):
                raise FileInvalid(self.name, f"{info.filename[:80]!r} in it is packed beyond reason")

    def names(self) -> list[str]:
        return [info.filename for info in self.zip.infolist() if not info.is_dir()]

    def size(self, name: str) -> int:
        """Bytes, as the archive says."""
        return self.zip.getinfo(name).file_size

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file, in pieces.  Raises FileInvalid where it is not whole."""
        info, count = self.zip.getinfo(name), 0
        with self.guarded(name, lambda: self.zip.open(info)) as file:
            while data := self.guarded(name, lambda: file.read(CHUNK_BYTES)):
                count += len(data)
                if is_bomb(count, info.compress_size):
                    raise FileInvalid(self.name, f"{name!r} in it is packed beyond reason")
                yield data

    def guarded(self, name: str, read: Callable[[], T]) -> T:
        try:
            return read()
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
            problem = f"{name!r} in it is damaged or cut off ({error or type(error).__name__})"
            raise FileInvalid(self.name, problem) from None


def is_bomb(size: int, packed: int) -> bool:
    return size > ARCHIVE_RATIO_FROM_BYTES and size > packed * ARCHIVE_RATIO_MAX
