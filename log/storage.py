"""The seam to the disk: the only way in which the log touches files.

``FolderStorage`` is a real folder; ``MemoryStorage`` (``memory.py``) is a disk that can crash, tear
and rot on command.  What every storage promises:

    * What ``write`` and ``truncate`` did is seen by ``read`` at once, and is durable when ``sync``
      of that file has returned.
    * A file that ``create``, ``remove`` or ``rename`` made, unmade or named is durably so when
      ``sync_folder`` returned.
    * Without these, a crash may keep any part of it, in any order.
    * Failures are ``OSError``; a write that ran out of space may have been done in part.

Reading is safe from any thread at any time.  Changing is for one thread at a time.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from attrs import define

from .errors import FolderInUse

LOCK_NAME: Final = "lock"

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_NO_LINKS: Final = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""Another file system, or one without hard links."""


class Storage(Protocol):
    """A flat folder of files."""

    def __str__(self) -> str:
        """Where it is, for people."""
        ...

    def names(self) -> tuple[str, ...]:
        """The files that there are, in any order; empty if the folder is missing."""
        ...

    def size(self, name: str) -> int:
        """Length in bytes.  Raises ``FileNotFoundError``."""
        ...

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes; fewer only if the file ends there.  Raises ``FileNotFoundError``."""
        ...

    def create(self, name: str) -> None:
        """An empty file.  Raises ``FileExistsError``."""
        ...

    def write(self, name: str, offset: int, data: bytes) -> None:
        """All of ``data``, or ``OSError``."""
        ...

    def truncate(self, name: str, length: int) -> None: ...

    def sync(self, name: str) -> None: ...

    def sync_folder(self) -> None: ...

    def remove(self, name: str) -> None: ...

    def rename(self, name: str, new: str) -> None:
        """Give a file another name, in place of a file that has it.  Raises ``FileNotFoundError``."""
        ...

    def free(self) -> int | None:
        """Bytes for which there is space, about; None if nobody knows."""
        ...

    def lock(self) -> None:
        """Make the folder if need be and become its one writer.  Raises ``FolderInUse``."""
        ...

    def unlock(self) -> None:
        """Let the next writer in, and close what is open.  Harmless if not locked."""
        ...


@define(eq=False)
class FolderStorage:
    """A folder of a real file system."""

    folder: Path
    _lock_descriptor: int | None = None
    # One file is written at a time, the newest segment; it stays open.
    _open_name: str = ""
    _open_descriptor: int | None = None
    _resized: bool = False
    """The open file was cut, so that fdatasync need not be enough."""

    def __str__(self) -> str:
        return str(self.folder)

    def names(self) -> tuple[str, ...]:
        try:
            return tuple(sorted(os.listdir(self.folder)))
        except FileNotFoundError:
            return ()

    def size(self, name: str) -> int:
        return os.stat(self.folder / name).st_size

    def read(self, name: str, offset: int, length: int) -> bytes:
        # Opened for each read: a shared descriptor could be closed, and its number given to another
        # file, between its lookup and its use in another thread.
        descriptor = os.open(self.folder / name, os.O_RDONLY)
        try:
            return os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)

    def create(self, name: str) -> None:
        self._close()
        self._open_descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        self._open_name = name

    def write(self, name: str, offset: int, data: bytes) -> None:
        descriptor = self._descriptor(name)
        written = os.pwrite(descriptor, data, offset)
        while written < len(data):
            written += os.pwrite(descriptor, data[written:], offset + written)

    def truncate(self, name: str, length: int) -> None:
        os.ftruncate(self._descriptor(name), length)
        self._resized = True

    def sync(self, name: str) -> None:
        _sync(self._descriptor(name), data_only=not self._resized)
        self._resized = False

    def sync_folder(self) -> None:
        _sync_folder(self.folder)

    def remove(self, name: str) -> None:
        if name == self._open_name:
            self._close()
        os.unlink(self.folder / name)

    def rename(self, name: str, new: str) -> None:
        self._close()
        os.replace(self.folder / name, self.folder / new)

    def free(self) -> int | None:
        try:
            system = os.statvfs(self.folder)
        except OSError:
            return None
        return system.f_bavail * system.f_frsize

    def lock(self) -> None:
        assert self._lock_descriptor is None, "locked already"
        if not self.folder.is_dir():
            self.folder.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
            _sync_folder(self.folder.parent)
        descriptor = os.open(self.folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, _FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 20, 0).strip()
            os.close(descriptor)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise FolderInUse(str(self.folder), int(holder) if holder.isdigit() else None) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._lock_descriptor = descriptor

    def unlock(self) -> None:
        self._close()
        if self._lock_descriptor is not None:
            # The file stays: removing it would let two processes lock two files of one name.
            os.close(self._lock_descriptor)
            self._lock_descriptor = None

    def _descriptor(self, name: str) -> int:
        if self._open_descriptor is None or name != self._open_name:
            self._close()
            self._open_descriptor = os.open(self.folder / name, os.O_RDWR)
            self._open_name = name
        return self._open_descriptor

    def _close(self) -> None:
        if self._open_descriptor is not None:
            os.close(self._open_descriptor)
            self._open_descriptor, self._open_name, self._resized = None, "", False


def sharing(source: FolderStorage, target: FolderStorage) -> Callable[[str], bool]:
    """Gives a file of one folder to another one as well, under its name; False where that cannot be done.

    It must be a file that nobody writes to any more.  Raises ``FileExistsError``.
    """

    def share(name: str) -> bool:
        try:
            os.link(source.folder / name, target.folder / name)
        except OSError as error:
            if error.errno in _NO_LINKS:
                return False
            raise
        return True

    return share


def _sync(descriptor: int, data_only: bool) -> None:
    if sys.platform == "darwin":
        # There fsync leaves the data in the drive's cache.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif data_only:
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
