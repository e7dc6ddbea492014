"""Files in a dictionary: for tests and simulations."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

import trio
from attrs import Factory, define

from .errors import FileGone
from .file_store import READ_BYTES


@define(eq=False)
class MemoryFiles:
    files: dict[str, bytes] = Factory(dict[str, bytes])

    async def begin(self, name: str) -> MemoryWriter:
        return MemoryWriter(self.files, name)

    async def read(self, name: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        if name not in self.files:
            raise FileGone(name)
        data = self.files[name]
        for first in range(start, stop, READ_BYTES):
            await trio.lowlevel.checkpoint()
            yield data[first : min(first + READ_BYTES, stop)]

    async def delete(self, names: Iterable[str]) -> None:
        for name in names:
            self.files.pop(name, None)

    async def names(self) -> list[str]:
        return list(self.files)

    async def tidy(self) -> None:
        pass


@define(eq=False)
class MemoryWriter:
    files: dict[str, bytes]
    name: str
    parts: list[bytes] = Factory(list[bytes])

    async def write(self, data: bytes) -> None:
        self.parts.append(data)

    async def keep(self) -> None:
        self.files[self.name] = b"".join(self.parts)

    async def drop(self) -> None:
        self.parts.clear()
        self.files.pop(self.name, None)
