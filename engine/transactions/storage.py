"""``ctx.storage``: files that clients upload, and addresses at which they are.

    url = await ctx.storage.generate_upload_url()            # mutations, actions: a client posts the bytes there
    url = await ctx.storage.get_url(id)                      # anywhere: where whoever has the address may fetch it
    await ctx.storage.delete(id)                             # mutations, actions
    id = await ctx.storage.store(data, content_type="...")   # actions
    file = await ctx.storage.get(id)                         # actions

What a file is, its row says: ``await ctx.db.system.get(id)`` has `size`, `sha256` (base64) and `content_type`.

Invariants
    * An address is a read of the file's row: a query that gave one out runs again when the file is deleted.
    * The row goes with the transaction; the bytes go when that is durable.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Protocol, cast

from attrs import frozen

from ...actors.version import Version
from ...protocol import ids
from ...protocol.errors import InvalidId
from ..data.schema import Id
from ..data.system_tables import CODECS, NUMBERS, Origin, StoredFile
from ..errors import DocumentMissing
from .mutation_run import MutationRun
from .query_run import QueryRun
from .range_query import whole_table
from .scheduling import uncounted
from .upload_tokens import NONCE_BYTES, make_token

FILES = StoredFile.__table__
ORIGINS = Origin.__table__
FileId = Id[StoredFile]
UPLOAD_PATH = "/api/storage/upload"
FILE_PATH = "/api/storage"
READ_BYTES_MAX = 64 * 2**20
"""How much of a file `StoredBytes.read` puts together in memory."""


class OriginNeeded(BaseException):
    """A mutation wants an address before the database knows under which it is served: that is written first.

    Not an `Exception`: a handler must not take it for an error of its own.
    """


class Storage:
    """Of a query; see the module."""

    def __init__(self, run: QueryRun) -> None:
        self._run = run

    async def get_url(self, id: FileId, /) -> str | None:
        """Where the file is, for whoever has the address, until it is deleted; None if there is no such file."""
        file = file_of(self._run, id)
        return address_of(origin_of(self._run), file) if file is not None else None


class MutationStorage(Storage):
    """Of a mutation; see the module."""

    _run: MutationRun

    async def generate_upload_url(self) -> str:
        """Where a client may post a file within the hour; the answer is ``{"storageId": ...}``."""
        origin, run = origin_of(self._run), self._run.run
        return upload_address(origin, make_token(run.secret, run.clock_ns / 1e6, run.entropy(NONCE_BYTES)))

    async def delete(self, id: FileId, /) -> None:
        """Remove a file: its row now, its bytes once that is durable.  Raises DocumentMissing."""
        delete(self._run, id)


@frozen(eq=False)
class StoredBytes:
    """A file, as an action gets it: ``async for part in file``, or all of it with `read`."""

    size: int
    """In bytes."""
    sha256: str
    """Of its bytes, in base64."""
    content_type: str | None
    """What the one who stored it said that it is."""
    _parts: Callable[[], AsyncIterator[bytes]]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._parts()

    async def read(self) -> bytes:
        """All of it.  Raises ValueError beyond 64 MiB: take those part by part."""
        if self.size > READ_BYTES_MAX:
            raise ValueError(f"the file has {self.size:,} bytes: take it part by part, `async for part in file`")
        return b"".join([part async for part in self._parts()])


class Upload(Protocol):
    """Bytes that become a file."""

    async def write(self, data: bytes) -> None: ...
    async def finish(self) -> FileId: ...
    async def abandon(self) -> None: ...


class ActionFiles(Protocol):
    """What an action asks of the server, on the thread of the server."""

    async def url(self, id: FileId) -> str | None: ...
    async def upload_url(self) -> str: ...
    async def delete(self, id: FileId) -> None: ...
    async def begin(self, content_type: str | None, sha256: str | None) -> Upload: ...
    async def find(self, id: FileId) -> StoredFile | None: ...
    def open(self, file: StoredFile) -> AsyncGenerator[bytes, None]: ...


class Crossing(Protocol):
    """How an action reaches the server, from whichever thread it is on."""

    @property
    def files(self) -> ActionFiles: ...

    async def cross(self, operation: Callable[[], Awaitable[Any]]) -> Any: ...


class ActionStorage:
    """Of an action; each call is a transaction of its own, durable on return."""

    def __init__(self, run: Crossing) -> None:
        self._run = run

    async def get_url(self, id: FileId, /) -> str | None:
        """Where the file is, for whoever has the address; None if there is no such file."""
        return cast("str | None", await self._run.cross(partial(self._run.files.url, id)))

    async def generate_upload_url(self) -> str:
        """Where a client may post a file within the hour; the answer is ``{"storageId": ...}``."""
        return cast(str, await self._run.cross(self._run.files.upload_url))

    async def delete(self, id: FileId, /) -> None:
        """Remove a file.  Raises DocumentMissing."""
        await self._run.cross(partial(self._run.files.delete, id))

    async def store(
        self, data: bytes | AsyncIterable[bytes], /, *, content_type: str | None = None, sha256: str | None = None
    ) -> FileId:
        """Keep bytes as a file: all at once, or part by part as they come.

        ``sha256``: what they have to be, in base64.  Raises ChecksumMismatch, FileTooLarge, ValueError for a content
        type that is none, and what ``data`` raises; then nothing was kept.
        """
        cross = self._run.cross
        upload: Upload = await cross(partial(self._run.files.begin, content_type, sha256))
        try:
            if isinstance(data, bytes | bytearray | memoryview):
                await cross(partial(upload.write, bytes(data)))
            else:
                async for part in data:
                    await cross(partial(upload.write, bytes(part)))
            return cast("FileId", await cross(upload.finish))
        except BaseException:
            await cross(upload.abandon)
            raise

    async def get(self, id: FileId, /) -> StoredBytes | None:
        """The file, or None if there is no such."""
        found: StoredFile | None = await self._run.cross(partial(self._run.files.find, id))
        if found is None:
            return None
        file = found
        content_type = file.content_type if isinstance(file.content_type, str) else None
        return StoredBytes(file.size, file.sha256, content_type, lambda: self._parts(file))

    async def _parts(self, file: StoredFile) -> AsyncIterator[bytes]:
        parts = self._run.files.open(file)
        try:
            while (part := await self._run.cross(partial(anext, parts, None))) is not None:
                yield part
        finally:
            await self._run.cross(parts.aclose)


def file_of(run: QueryRun, id: FileId) -> StoredFile | None:
    version = version_of(run, id)
    return version.document if version is not None and isinstance(version.document, StoredFile) else None


def version_of(run: QueryRun, id: str) -> Version | None:
    if not isinstance(id, str):
        raise TypeError(f"an id is text, not {type(id).__name__}")
    try:
        number = ids.table_number(id)
    except InvalidId:
        return None
    return run.transaction.get(FILES, id) if number == NUMBERS[FILES] else None


def delete(run: MutationRun, id: FileId) -> None:
    """Raises DocumentMissing."""
    with uncounted(run):
        if file_of(run, id) is None:
            raise DocumentMissing("delete", id)
        run.remove(FILES, id)


def origin_of(run: QueryRun) -> str:
    """Under which address the deployment is served.  Raises OriginNeeded as long as that is not known."""
    row = origin_row(run)
    if row is None:
        run.transaction.origin_needed = True
        raise OriginNeeded
    return row.url


def origin_row(run: QueryRun) -> Origin | None:
    row = next(whole_table(run.transaction, CODECS[ORIGINS]).rows(), None)
    return row if isinstance(row, Origin) else None


def address_of(origin: str, file: StoredFile) -> str:
    return f"{origin}{FILE_PATH}/{file.internal_id}"


def upload_address(origin: str, token: str) -> str:
    return f"{origin}{UPLOAD_PATH}?token={token}"
