"""Files of one database: from bytes that arrive to a row, and from a row that is gone to bytes that are gone.

    bytes ──> store, synced ──> row in `_storage`, durable ──> its id
    row deleted, durable ──> bytes deleted

Invariants
    * A row is written after its bytes are kept, and bytes are deleted after their row is gone for good: a crash in
      between leaves bytes without a row, never a row without bytes.
    * Bytes without a row are deleted by `sweep`, which leaves alone what is being uploaded.
"""

from __future__ import annotations

import logging
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Final, Protocol, cast
from uuid import UUID

import trio
from attrs import Factory, define, field

from ...actors.errors import WritesRefused
from ...log.entry import BEFORE_FIRST, LSN
from ...protocol import ids
from ...protocol.errors import InvalidId
from ...protocol.values import Value
from ..data.system_tables import NUMBERS, StoredFile
from ..execution.executor import Executor
from ..execution.origins import set_origin
from ..execution.system_writes import SystemCtx, Written
from ..limits import CONTENT_TYPE_CHARS_MAX, FILE_BYTES_MAX
from ..transactions.storage import FILES, FileId, address_of, delete, upload_address
from ..transactions.upload_tokens import NONCE_BYTES, make_token
from .errors import ChecksumMismatch, FilesUnavailable, FileTooLarge
from .file_store import FileStore, Writer

logger = logging.getLogger("relive")

UUID_BYTES: Final = 16
SHA256_BYTES: Final = 32
TIDY_S: Final = 1.0
"""How often to look for rows that are gone."""
SWEEP_S: Final = 3_600.0
"""How often to look for bytes without a row."""
FAILED_S: Final = 60.0
"""How long to wait after the store could not be reached."""


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


@define(eq=False)
class Files:
    executor: Executor
    store: FileStore
    bytes_max: int = FILE_BYTES_MAX
    under_way: set[str] = Factory(set[str])
    """Names of files that are being uploaded: they have bytes and no row."""
    position: LSN = BEFORE_FIRST
    """Deletions up to here have been carried out."""
    had_files: bool = False
    """Whether there may be a deletion behind ``position``: there was a row then, or one has come since."""
    swept_ns: int | None = None
    wait_durable: Callable[[LSN], Awaitable[None]] = field(init=False)
    held: int = 0
    """How many want all bytes to stay for now."""

    def __attrs_post_init__(self) -> None:
        self.wait_durable = self.executor.runtime.wait_durable

    # Coming and going.

    async def begin(self, content_type: str | None, announced: str | None, cause: str) -> FileUpload:
        """Take a file.  ``announced``: its SHA-256 in base64.

        Raises ValueError for a content type or a checksum that is none, FilesUnavailable, OSError.
        """
        check_content_type(content_type)
        check_announced(announced)
        name = str(UUID(bytes=self.executor.env.entropy(UUID_BYTES), version=4))
        self.under_way.add(name)
        try:
            return FileUpload(self, await self.store.begin(name), name, content_type, announced, cause)
        except BaseException:
            self.under_way.discard(name)
            raise

    def find(self, id: str) -> StoredFile | None:
        """As of the newest commit."""
        version = self.executor.runtime.tables.get(FILES, id) if is_file_id(id) else None
        return version.document if version is not None and isinstance(version.document, StoredFile) else None

    def named(self, name: str) -> StoredFile | None:
        """The file with that last part of its address, as of the newest commit."""

        async def look(ctx: SystemCtx) -> StoredFile | None:
            return await ctx.db.query(StoredFile).index(StoredFile.by_internal_id, name).first()

        return self.executor.rehearse("find_file", look)

    def read(self, file: StoredFile, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Raises FileGone before the first part, FilesUnavailable."""
        return self.store.read(str(file.internal_id), start, file.size if stop is None else stop)

    def delete(self, id: FileId, cause: str) -> Written[None]:
        """Raises DocumentMissing, WritesRefused."""

        async def end(ctx: SystemCtx) -> None:
            delete(ctx._run, id)

        return self.executor.write("delete_file", cause, end, {"id": str(id)})

    # Addresses.

    @property
    def origin(self) -> str:
        return self.executor.origin

    def url(self, file: StoredFile) -> str:
        return address_of(self.origin, file)

    def upload_url(self) -> str:
        env = self.executor.env
        return upload_address(
            self.origin, make_token(self.executor.secret, env.clock_ns() / 1e6, env.entropy(NONCE_BYTES))
        )

    def reached_at(self, url: str) -> None:
        """Clients reach the deployment there from now on."""
        self.executor.origin = url.rstrip("/")
        try:
            self.executor.record_origin(only_if_known=True)
        except WritesRefused as error:
            logger.warning("addresses of files go on to begin with what was known before: %s", error)

    # Housekeeping.

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Nothing is deleted meanwhile, whatever becomes of rows."""
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1

    async def run(self) -> None:
        """Delete bytes whose rows are gone, and those that never had one."""
        while True:
            try:
                await self.look_after()
                pause = TIDY_S
            except (OSError, FilesUnavailable, WritesRefused) as error:
                logger.warning("files that are gone are not deleted for now: %s", error)
                pause = FAILED_S
            await trio.sleep(pause)

    async def look_after(self) -> None:
        if self.held:
            return
        now_ns = self.executor.env.monotonic_ns()
        if self.swept_ns is None:
            await self.store.tidy()
        if self.swept_ns is None or now_ns - self.swept_ns > SWEEP_S * 1e9:
            await self.sweep()
            self.swept_ns = now_ns
        else:
            await self.carry_out_deletions()

    async def carry_out_deletions(self) -> None:
        """Of rows whose deletion has become durable since the last time."""
        runtime = self.executor.runtime
        durable, versions = runtime.committer.durable, runtime.tables.table(FILES).versions
        if not versions and not self.had_files:
            self.position = durable
            return
        if not runtime.tail.holds_after(self.position):
            await self.sweep()
            return
        names = []
        for committed in runtime.tail.newest_first():
            if committed.entry.lsn <= self.position:
                break
            if committed.entry.lsn <= durable:
                old = [change.old for change in committed.changes if change.table == FILES and change.new is None]
                names += [name_of(version.document) for version in old if version is not None]
        # A deletion that is not durable yet is still to be carried out, though no row is left.
        self.position, self.had_files = durable, bool(versions) or runtime.tail.head > durable
        if names:
            await self.store.delete(names)

    async def sweep(self) -> None:
        """Delete all bytes without a row.  Raises OSError, FilesUnavailable; WritesRefused if rows came back."""
        runtime = self.executor.runtime
        there = await self.store.names()
        orphans = set(there) - self.names() - self.under_way
        durable = runtime.tail.head
        # A row that was deleted is back if its entry is taken back.
        await self.wait_durable(durable)
        orphans -= self.names() | self.under_way
        if orphans:
            await self.store.delete(orphans)
            self.executor.env.probe("bytes without a row were deleted")
        self.position, self.had_files = max(self.position, durable), True

    def names(self) -> set[str]:
        versions = self.executor.runtime.tables.table(FILES).versions.values()
        return {name_of(version.document) for version in versions}


@define(eq=False)
class FileUpload:
    """One file on its way; `finish` or `abandon` must follow."""

    files: Files
    writer: Writer
    name: str
    content_type: str | None
    announced: str | None
    cause: str
    size: int = 0
    digest: Digest = field(factory=sha256)
    is_over: bool = False

    async def write(self, data: bytes) -> None:
        """Raises FileTooLarge, FilesUnavailable, OSError."""
        self.size += len(data)
        if self.size > self.files.bytes_max:
            raise FileTooLarge(self.files.bytes_max)
        self.digest.update(data)
        await self.writer.write(data)

    async def finish(self) -> FileId:
        """The id of its row, durable.  Raises ChecksumMismatch, FilesUnavailable, OSError, WritesRefused."""
        found = b64encode(self.digest.digest()).decode()
        if self.announced is not None and self.announced != found:
            raise ChecksumMismatch(self.announced, found)
        await self.writer.keep()
        row = StoredFile(sha256=found, size=self.size, internal_id=self.name, **self.kind())

        async def insert(ctx: SystemCtx) -> FileId:
            await set_origin(ctx, self.files.origin)
            return await ctx.db.insert(row)

        executor = self.files.executor
        told: dict[str, Value] = {"size": self.size, "sha256": found}
        written = executor.write("store_file", self.cause, insert, told)
        self.is_over = self.files.had_files = True
        self.files.under_way.discard(self.name)
        await self.files.wait_durable(written.lsn)
        return written.value

    def kind(self) -> dict[str, Any]:
        return {"content_type": self.content_type} if self.content_type is not None else {}

    async def abandon(self) -> None:
        """Nothing of it stays, if it has no row yet."""
        if self.is_over:
            return
        self.is_over = True
        try:
            await self.writer.drop()
        except (OSError, FilesUnavailable) as error:
            logger.warning("an upload that has failed is not cleared away yet: %s", error)
        finally:
            self.files.under_way.discard(self.name)


@define(eq=False)
class FilesOfAction:
    """The `ActionFiles` of one action."""

    files: Files

    async def url(self, id: FileId) -> str | None:
        file = await self.find(id)
        return self.files.url(file) if file is not None else None

    async def upload_url(self) -> str:
        return self.files.upload_url()

    async def delete(self, id: FileId) -> None:
        written = self.files.delete(id, "action")
        await self.files.wait_durable(written.lsn)

    async def begin(self, content_type: str | None, sha256: str | None) -> FileUpload:
        return await self.files.begin(content_type, sha256, "action")

    async def find(self, id: FileId) -> StoredFile | None:
        if not isinstance(id, str):
            raise TypeError(f"an id is text, not {type(id).__name__}")
        file, runtime = self.files.find(id), self.files.executor.runtime
        await self.files.wait_durable(runtime.tail.head)
        return file

    def open(self, file: StoredFile) -> AsyncGenerator[bytes, None]:
        return self.files.read(file)


def name_of(row: object) -> str:
    return str(cast("StoredFile", row).internal_id)


def is_file_id(id: str) -> bool:
    try:
        return ids.table_number(id) == NUMBERS[FILES]
    except InvalidId:
        return False


def check_content_type(content_type: str | None) -> None:
    """Raises ValueError for what cannot be sent as a header."""
    if content_type is None:
        return
    if not isinstance(content_type, str) or not (content_type.isascii() and content_type.isprintable()):
        raise ValueError(f"a content type is printable ASCII text, such as 'image/png', not {content_type!r:.60}")
    if not 0 < len(content_type) <= CONTENT_TYPE_CHARS_MAX:
        raise ValueError(f"a content type has 1 to {CONTENT_TYPE_CHARS_MAX} characters, not {len(content_type):,}")


def check_announced(announced: str | None) -> None:
    """Raises ValueError."""
    if announced is None:
        return
    try:
        digest = b64decode(announced, validate=True)
    except (ValueError, TypeError):
        digest = b""
    if len(digest) != SHA256_BYTES:
        raise ValueError(f"a SHA-256 is announced as base64 of its 32 bytes, not as {announced!r:.60}")
