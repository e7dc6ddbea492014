"""What keeps the bytes of files: the seam behind `ctx.storage`.

A file is written once, under a name of its own that nobody has chosen, and then never changed; so a copy needs no lock,
and a name that is there has all of its bytes.

Invariants of every implementation
    * When `Writer.keep` has returned, the file is there after a crash, too; before, nothing has its name.
    * What was not kept is gone, at the latest after `tidy`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable
from typing import Final, Protocol

NAME: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""What files are called: a UUID in lower case, and no path."""
READ_BYTES: Final = 256 * 1024
"""How much is read, and buffered for writing, at a time."""


class Writer(Protocol):
    """One file that is being written; `keep` or `drop` must follow."""

    async def write(self, data: bytes) -> None:
        """Raises FilesUnavailable, OSError."""
        ...

    async def keep(self) -> None:
        """It is complete.  Raises FilesUnavailable, OSError."""
        ...

    async def drop(self) -> None:
        """Forget it, whatever has happened to it before; also if cancelled."""
        ...


class FileStore(Protocol):
    async def begin(self, name: str) -> Writer:
        """Raises FilesUnavailable, OSError."""
        ...

    def read(self, name: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes from ``start`` up to ``stop``, in parts.  Raises FileGone before the first."""
        ...

    async def delete(self, names: Iterable[str]) -> None:
        """Those that are there.  Raises FilesUnavailable, OSError."""
        ...

    async def names(self) -> list[str]:
        """Of all files that were kept."""
        ...

    async def tidy(self) -> None:
        """Remove what a process that has ended had begun to write.  Nothing must be being written."""
        ...
