"""Files that clients send: kept in a temporary file without a name, which a crash leaves nothing of."""

from __future__ import annotations

import os
import tempfile
from contextlib import aclosing
from hashlib import sha256
from typing import IO, Any
from weakref import finalize

from attrs import Factory, define, field
from starlette.requests import Request

from ..portability.limits import IMPORT_FILE_BYTES_MAX
from .bodies import bad_body


def nameless() -> int:
    """The descriptor of a new file that no folder knows."""
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())


@define(eq=False)
class Received:
    """A file that came, or is still coming; closed at the latest when nobody holds it any more."""

    descriptor: int = Factory(nameless)
    size: int = 0
    digest: Any = Factory(sha256)
    file: IO[bytes] = field(init=False)
    close: finalize[..., Received] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.file = open(self.descriptor, "w+b", closefd=False)  # noqa: SIM115
        self.close = finalize(self, os.close, self.descriptor)

    async def take(self, request: Request) -> None:
        """Add the body of a request.  Raises Refused if all of it becomes too long."""
        async with aclosing(request.stream()) as stream:
            async for part in stream:
                self.size += len(part)
                if self.size > IMPORT_FILE_BYTES_MAX:
                    raise bad_body(f"the file is longer than {IMPORT_FILE_BYTES_MAX:,} bytes: import it in parts")
                self.digest.update(part)
                self.file.write(part)

    @property
    def sha256(self) -> str:
        return str(self.digest.hexdigest())
