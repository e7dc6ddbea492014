"""A disk in memory that fails on command, for tests and simulations.

It holds every file twice: as the page cache has it, which is what ``read`` sees, and as the disk
has it, which is what is left after ``crash``.  Between the two lie the changes that were not synced;
a crash keeps some of their pages and loses the others, in no order.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable
from typing import Final

from attrs import Factory, define, frozen

from .errors import FolderInUse

PAGE_BYTES: Final = 512
TRACE_LENGTH_MAX: Final = 10_000

Keep = Callable[[str, int | None], bool]
"""Does this change survive the crash?  Asked for each page written (its number in the file, of
``PAGE_BYTES`` or what ``MemoryStorage`` was made with), and with None for each cut of the file and
for its name in the folder."""


def keep_nothing(name: str, page: int | None) -> bool:
    """Only what was synced survives."""
    return False


def keep_everything(name: str, page: int | None) -> bool:
    """The process died, the machine did not: the page cache survives."""
    return True


class Stopped(BaseException):
    """The process is dead: nothing in it may react to this."""


@frozen
class Operation:
    """One change that the log asked for, whether it succeeded or not."""

    verb: str
    """``create``, ``write``, ``truncate``, ``sync``, ``sync_folder``, ``remove`` or ``rename``."""
    name: str = ""
    offset: int = 0
    length: int = 0


@define(eq=False)
class _File:
    cache: bytearray = Factory(bytearray)
    disk: bytearray = Factory(bytearray)
    unsynced: list[tuple[int, bytes] | int] = Factory(list)
    """Writes (offset and bytes) and cuts (new length) that the disk need not have."""
    lied: bool = False
    """A sync has said that it had done them."""
    is_doomed: bool = False
    """Some of them never come to the disk any more: a sync that failed has dropped them."""


@define(eq=False)
class MemoryStorage:
    """A disk that can crash, tear, rot, fill up and fail."""

    space: int | None = None
    """How many bytes all files together may hold; None is without end."""
    failing_syncs: int = 0
    """So many of the next syncs of a file fail, and their data never reaches the disk."""
    failing_writes: int = 0
    """So many of the next writes fail for a reason other than space."""
    lying_syncs: int = 0
    """So many of the next syncs of a file say that they are done, and are not: a later honest one does it."""
    misread_at: int = 0
    """The so many-th next read gives what stands some pages further on, or in the file before; 0 is none."""
    misread_by: int = 1
    misread: str = ""
    """The file of which that was done."""
    stops_after: int | None = None
    """After so many more changes the process dies: ``Stopped`` from each one that follows."""
    page_bytes: int = PAGE_BYTES
    trace: deque[Operation] = Factory(lambda: deque[Operation](maxlen=TRACE_LENGTH_MAX))
    """The latest changes asked for, oldest first."""
    _files: dict[str, _File] = Factory(dict)
    _files_on_disk: dict[str, _File] = Factory(dict)
    _locked: bool = False

    # What the log uses.

    def __str__(self) -> str:
        return "memory"

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._files))

    def size(self, name: str) -> int:
        return len(self._file(name).cache)

    def read(self, name: str, offset: int, length: int) -> bytes:
        content = self._file(name).cache
        if self.misread_at:
            self.misread_at -= 1
            if self.misread_at == 0:
                self.misread = name
                wrong = offset + self.misread_by * self.page_bytes
                content = content if wrong < len(content) else self._file(self.names()[0]).cache
                # As many bytes as there would be: the disk has given another place, not another length.
                there = len(self._file(name).cache[offset : offset + length])
                return bytes(content[wrong : wrong + there]).ljust(there, b"\0")
        return bytes(content[offset : offset + length])

    def create(self, name: str) -> None:
        self._begin(Operation("create", name))
        if name in self._files:
            raise FileExistsError(errno.EEXIST, "file exists", name)
        if self.space is not None and self.space <= self._used():
            raise OSError(errno.ENOSPC, "no space left", name)
        self._files[name] = _File()

    def write(self, name: str, offset: int, data: bytes) -> None:
        self._begin(Operation("write", name, offset, len(data)))
        file = self._file(name)
        if self.failing_writes:
            self.failing_writes -= 1
            raise OSError(errno.EIO, "input/output error", name)
        room = self._room(file, offset, len(data))
        self._put(file.cache, offset, data[:room])
        file.unsynced.append((offset, data[:room]))
        if room < len(data):
            raise OSError(errno.ENOSPC, "no space left", name)

    def truncate(self, name: str, length: int) -> None:
        self._begin(Operation("truncate", name, length))
        file = self._file(name)
        assert length <= len(file.cache), "the log never lengthens a file this way"
        del file.cache[length:]
        file.unsynced.append(length)

    def sync(self, name: str) -> None:
        self._begin(Operation("sync", name))
        file = self._file(name)
        if self.failing_syncs:
            self.failing_syncs -= 1
            # As Linux does: the pages stay readable and count as clean, yet are not on the disk.
            file.unsynced.clear()
            file.is_doomed |= file.lied
            raise OSError(errno.EIO, "input/output error", name)
        if self.lying_syncs and file.unsynced:
            self.lying_syncs -= 1
            file.lied = True
            return
        for change in file.unsynced:
            self._apply(file.disk, change)
        file.unsynced.clear()
        file.lied = False

    @property
    def has_lied(self) -> bool:
        """Whether something counts as synced that a crash may lose."""
        return any(
            file.lied or file.is_doomed for files in (self._files, self._files_on_disk) for file in files.values()
        )

    def sync_folder(self) -> None:
        self._begin(Operation("sync_folder"))
        self._files_on_disk = dict(self._files)

    def remove(self, name: str) -> None:
        self._begin(Operation("remove", name))
        self._file(name)
        del self._files[name]

    def rename(self, name: str, new: str) -> None:
        self._begin(Operation("rename", name))
        self._files[new] = self._file(name)
        del self._files[name]

    def free(self) -> int | None:
        return None if self.space is None else max(0, self.space - self._used())

    def lock(self) -> None:
        if self._locked:
            raise FolderInUse(str(self), None)
        self._locked = True

    def unlock(self) -> None:
        self._locked = False

    # What can go wrong.

    def crash(self, keep: Keep = keep_nothing) -> None:
        """The machine stops: of what was not synced only what ``keep`` says is left."""
        after: dict[str, _File] = {}
        for name in sorted({*self._files, *self._files_on_disk}):
            now, then = self._files.get(name), self._files_on_disk.get(name)
            survivor = now if now is then or keep(name, None) else then
            if survivor is not None:
                for change in survivor.unsynced:
                    self._survive(survivor, name, change, keep)
                survivor.unsynced.clear()
                survivor.cache = bytearray(survivor.disk)
                survivor.lied = survivor.is_doomed = False
                after[name] = survivor
        self._files, self._files_on_disk = after, dict(after)
        self._locked, self.stops_after = False, None

    def tear(self, bytes_lost: int, name: str | None = None) -> None:
        """The end of a file is gone, from the disk too; of the newest file if ``name`` is None."""
        file = self._file(name if name is not None else self.names()[-1])
        assert not file.unsynced, "crash first: a running machine does not tear"
        del file.cache[max(0, len(file.cache) - bytes_lost) :]
        file.disk = bytearray(file.cache)

    def flip(self, name: str, bit: int) -> None:
        """One bit of a file rots, counted from its beginning."""
        file = self._file(name)
        for content in (file.cache, file.disk):
            if bit // 8 < len(content):
                content[bit // 8] ^= 1 << bit % 8

    def contents(self) -> dict[str, bytes]:
        """Of all files by name, with those that were removed and may be there again after a crash."""
        return {name: bytes(file.cache) for name, file in {**self._files_on_disk, **self._files}.items()}

    def content(self, name: str) -> bytes:
        """A whole file."""
        return bytes(self._file(name).cache)

    def replace(self, name: str, content: bytes | None) -> None:
        """Put a whole file there, or take it away (None), as if it had always been so."""
        if content is None:
            self._files.pop(name, None)
            self._files_on_disk.pop(name, None)
        else:
            self._files[name] = self._files_on_disk[name] = _File(bytearray(content), bytearray(content))

    def copy(self) -> MemoryStorage:
        """Another disk with the same files, everything durable, nothing failing."""
        other = MemoryStorage(page_bytes=self.page_bytes)
        for name, file in self._files.items():
            other.replace(name, bytes(file.cache))
        return other

    def _begin(self, operation: Operation) -> None:
        if self.stops_after is not None:
            if self.stops_after == 0:
                raise Stopped
            self.stops_after -= 1
        self.trace.append(operation)

    def _file(self, name: str) -> _File:
        try:
            return self._files[name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such file", name) from None

    def _used(self) -> int:
        return sum(len(file.cache) for file in self._files.values())

    def _room(self, file: _File, offset: int, length: int) -> int:
        """How many of ``length`` bytes at ``offset`` still fit."""
        if self.space is None:
            return length
        inside = max(0, min(length, len(file.cache) - offset))
        return min(length, inside + max(0, self.space - self._used()))

    @staticmethod
    def _put(content: bytearray, offset: int, data: bytes) -> None:
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data

    def _apply(self, content: bytearray, change: tuple[int, bytes] | int) -> None:
        match change:
            case int(length):
                del content[length:]
            case (offset, data):
                self._put(content, offset, data)

    def _survive(self, file: _File, name: str, change: tuple[int, bytes] | int, keep: Keep) -> None:
        if isinstance(change, int):
            if keep(name, None):
                del file.disk[change:]
            return
        offset, data = change
        end = offset + len(data)
        while offset < end:
            page = offset // self.page_bytes
            stop = min(end, (page + 1) * self.page_bytes)
            if keep(name, page):
                self._put(file.disk, offset, data[offset - end + len(data) : stop - end + len(data)])
            offset = stop
