"""Files in a folder: one of the file system for each, with the mode 0600.

    <uuid>.part    being written
    <uuid>         complete: synced, then renamed, then the folder synced

All that touches the disk happens in threads, a few hundred kilobytes at a time.

Invariant: files leave some of the disk free, as if it were full before it is.  The log is there too, and on a disk that
files have filled not even the mutation that deletes one could be written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import trio
from attrs import Factory, define, frozen

from .errors import FileGone
from .file_store import NAME, READ_BYTES
from .in_thread import in_thread

PART: Final = ".part"
LEFT_BYTES: Final = 256 * 2**20
LEFT_RATIO: Final = 0.05
"""Of a small disk, as much of it is left instead."""
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700


@frozen(eq=False)
class FolderFiles:
    folder: Path

    async def begin(self, name: str) -> FolderWriter:
        assert NAME.fullmatch(name), "names of files are ours"
        file = await in_thread(partial(create, self.folder / f"{name}{PART}"))
        return FolderWriter(self.folder, name, file)

    async def read(self, name: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        assert NAME.fullmatch(name), "names of files are ours"
        try:
            file = await in_thread(partial(open_at, self.folder / name, start))
        except FileNotFoundError:
            raise FileGone(name) from None
        try:
            while start < stop:
                data = await in_thread(partial(file.read, min(READ_BYTES, stop - start)))
                if not data:
                    raise FileGone(name)  # Shorter than its row says.
                start += len(data)
                yield data
        finally:
            file.close()

    async def delete(self, names: Iterable[str]) -> None:
        await in_thread(partial(remove, self.folder, list(names)))

    async def names(self) -> list[str]:
        return [name for name in await in_thread(partial(list_names, self.folder)) if NAME.fullmatch(name)]

    async def tidy(self) -> None:
        unfinished = [name for name in await in_thread(partial(list_names, self.folder)) if name.endswith(PART)]
        await in_thread(partial(remove, self.folder, unfinished))


@define(eq=False)
class FolderWriter:
    folder: Path
    name: str
    file: BinaryIO
    waiting: bytearray = Factory(bytearray)
    """What is not worth a thread yet."""

    async def write(self, data: bytes) -> None:
        self.waiting += data
        if len(self.waiting) >= READ_BYTES:
            await self.flush()

    async def flush(self) -> None:
        data, self.waiting = self.waiting, bytearray()
        await in_thread(partial(self.write_now, data))

    def write_now(self, data: bytearray) -> None:
        """Raises OSError."""
        require_room(self.file, len(data))
        write_all(self.file, data)

    async def keep(self) -> None:
        await self.flush()
        await in_thread(self.finish)

    def finish(self) -> None:
        os.fsync(self.file.fileno())
        self.file.close()
        os.rename(self.folder / f"{self.name}{PART}", self.folder / self.name)
        sync_folder(self.folder)

    async def drop(self) -> None:
        with trio.CancelScope(shield=True):
            self.file.close()
            await in_thread(partial(remove, self.folder, [f"{self.name}{PART}", self.name]))


def create(path: Path) -> BinaryIO:
    """A new file, and its folder if it is the first.  Unbuffered."""
    if not path.parent.is_dir():
        path.parent.mkdir(mode=FOLDER_MODE)
        sync_folder(path.parent.parent)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb", buffering=0)


def write_all(file: BinaryIO, data: bytearray) -> None:
    """A file that is not buffered may take less than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def require_room(file: BinaryIO, size: int) -> None:
    """Raises OSError, as if the disk were full."""
    disk = os.fstatvfs(file.fileno())
    left = min(LEFT_BYTES, disk.f_blocks * disk.f_frsize * LEFT_RATIO)
    # There are disks that do not say how large they are.
    if disk.f_blocks and disk.f_bavail * disk.f_frsize - size < left:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def open_at(path: Path, start: int) -> BinaryIO:
    file = path.open("rb", buffering=0)
    file.seek(start)
    return file


def remove(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        with suppress(FileNotFoundError):
            (folder / name).unlink()


def list_names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
