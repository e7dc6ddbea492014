"""Files over HTTP, as clients of Convex know it.

    POST     /api/storage/upload?token=...   the bytes; the answer is {"storageId": ...}
    GET|HEAD /api/storage/{uuid}             the bytes, or one range of them

Whoever has an address may use it: neither asks for a token of a person.  What is posted goes to the store as it comes,
and nowhere waits in memory.
"""

from __future__ import annotations

import errno
from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from math import inf
from typing import Final

import trio
from attrs import define, field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ...protocol.close import ErrorClass, Refused
from ..data.system_tables import StoredFile
from ..database import Database
from ..files.errors import ChecksumMismatch, FileGone, FilesUnavailable, FileTooLarge
from ..files.file_store import NAME
from ..files.ranges import part_of
from ..limits import UPLOADS_MAX
from ..transactions.storage import FILE_PATH, UPLOAD_PATH, FileId
from ..transactions.upload_tokens import judge_token
from .bodies import answer
from .descriptors import Descriptors

ALGORITHM: Final = "sha-256="
CACHED: Final = "private, max-age=2592000"
"""The bytes behind an address never change."""
OPAQUE: Final = "sandbox allow-downloads allow-forms allow-modals allow-popups allow-scripts"
"""A page that somebody has posted may run, but as nobody's: it sees nothing of what the app's own pages keep in the
browser, should they come from the same address."""
SHOWN_BY_A_PLUGIN: Final = "application/pdf"
"""Browsers show none in a sandbox; what runs in it is not of the address anyway."""
UPLOAD_PAUSE_S_MAX: Final = 60.0
UPLOAD_BYTES_PER_S_MIN: Final = 4 * 2**10
"""Who sends less for so long is cut off: others wait for the place."""
DRAIN_BYTES_MAX: Final = 4 * 2**20
DRAIN_S_MAX: Final = 5.0
NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


def routes(database: Database, descriptors: Descriptors) -> list[Route]:
    storage = StorageRoutes(database, descriptors)
    return [
        Route(UPLOAD_PATH, storage.upload, methods=["POST"]),
        Route(f"{FILE_PATH}/{{name:path}}", storage.download, methods=["GET"]),
    ]


@define(eq=False)
class StorageRoutes:
    database: Database
    descriptors: Descriptors
    uploads: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(UPLOADS_MAX))

    async def upload(self, request: Request) -> Response:
        try:
            return await self.take(request)
        except Refused:
            await drain(request)
            raise

    async def take(self, request: Request) -> Response:
        """Raises Refused."""
        self.check_token(request.query_params.get("token"))
        announced_bytes = request.headers.get("content-length", "")
        files = self.database.files
        if announced_bytes.isdecimal() and int(announced_bytes) > files.bytes_max:
            raise refused(FileTooLarge(files.bytes_max))
        async with self.uploads:
            try:
                id = await self.receive(request)
            except (FileTooLarge, ChecksumMismatch, FilesUnavailable, OSError, ValueError) as error:
                raise refused(error) from None
        return answer({"storageId": id})

    async def receive(self, request: Request) -> FileId:
        content_type = request.headers.get("content-type") or None
        announced = announced_digest(request.headers.get("digest"))
        upload = await self.database.files.begin(content_type, announced, "http")
        try:
            with trio.move_on_after(UPLOAD_PAUSE_S_MAX) as patience:
                async with aclosing(request.stream()) as parts:
                    async for part in parts:
                        earned_s, patience.deadline = patience.deadline + len(part) / UPLOAD_BYTES_PER_S_MIN, inf
                        if part:
                            await upload.write(part)
                        patience.deadline = min(earned_s, trio.current_time() + UPLOAD_PAUSE_S_MAX)
            if patience.cancelled_caught:
                raise Refused(
                    ErrorClass.CLIENT_DISCONNECT, "UploadTooSlow", "too little came for too long; nothing was kept"
                )
            return await upload.finish()
        finally:
            await upload.abandon()

    def check_token(self, token: str | None) -> None:
        """Raises Refused."""
        executor = self.database.executor
        if token is None:
            raise Refused(ErrorClass.UNAUTHENTICATED, "StorageTokenInvalid", "an upload needs the token of its address")
        match judge_token(executor.secret, token, executor.env.clock_ns() / 1e6):
            case "forged":
                problem = "this is no token for uploads: ask for another address with generate_upload_url()"
                raise Refused(ErrorClass.UNAUTHENTICATED, "StorageTokenInvalid", problem)
            case "expired":
                problem = "this address was good for an hour: ask for another with generate_upload_url()"
                raise Refused(ErrorClass.UNAUTHENTICATED, "StorageTokenExpired", problem)

    async def download(self, request: Request) -> Response:
        file = await self.find(request.path_params["name"])
        headers = headers_of(file)
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        try:
            part = part_of(request.headers.get("range"), file.size)
        except ValueError as error:
            text = {"code": "RangeNotSatisfiable", "message": str(error)}
            refusal = answer(text)
            refusal.status_code = 416
            refusal.headers["Content-Range"] = f"bytes */{file.size}"
            return refusal
        start, stop = (part.start, part.stop) if part is not None else (0, file.size)
        headers["Content-Length"] = str(stop - start)
        if part is not None:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
        else:
            headers["Digest"] = f"{ALGORITHM}{file.sha256}"
        status = 206 if part is not None else 200
        if request.method == "HEAD" or start == stop:
            return Response(status_code=status, headers=headers)
        return await self.send(file, start, stop, status, headers)

    async def send(self, file: StoredFile, start: int, stop: int, status: int, headers: dict[str, str]) -> Response:
        parts = self.read(file, start, stop)
        try:
            first = await anext(parts)  # Before the head of the answer: it may fail.
        except (FileGone, FilesUnavailable, OSError) as error:
            raise refused(error) from None

        return Parts(first, parts, status, headers)

    async def read(self, file: StoredFile, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Raises Refused, FileGone, FilesUnavailable, OSError."""
        with self.descriptors.one():
            async with aclosing(self.database.files.read(file, start, stop)) as parts:
                async for part in parts:
                    yield part

    async def find(self, name: str) -> StoredFile:
        """Raises Refused."""
        if NAME.fullmatch(name) is None:
            raise Refused(ErrorClass.BAD_REQUEST, "InvalidStoragePath", "the address of a file ends in a UUID")
        file = self.database.files.named(name)
        await self.database.runtime.wait_durable(self.database.runtime.tail.head)
        if file is None:
            raise Refused(ErrorClass.NOT_FOUND, "FileNotFound", "there is no such file, or it was deleted")
        return file


class Parts(StreamingResponse):
    """A body of which the first part is here; what it is read from is closed with it, however it ends."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None], status: int, headers: dict[str, str]) -> None:
        self.rest, self.whole = rest, chained(first, rest)
        super().__init__(self.whole, status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.rest), aclosing(self.whole):
            await super().__call__(scope, receive, send)


async def chained(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield first
    async for part in rest:
        yield part


async def drain(request: Request) -> None:
    """Read a little more: who is answered in the middle of sending may never see the answer, nor anything else on
    the connection."""
    size = 0
    with trio.move_on_after(DRAIN_S_MAX), suppress(RuntimeError, ClientDisconnect):  # It has all been read; gone.
        async with aclosing(request.stream()) as parts:
            async for part in parts:
                size += len(part)
                if size > DRAIN_BYTES_MAX:
                    return


def headers_of(file: StoredFile) -> dict[str, str]:
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": CACHED,
        "ETag": f'"{b64decode(file.sha256).hex()}"',
        # It is what the one said who posted it: browsers must not take it for something else.
        "X-Content-Type-Options": "nosniff",
    }
    if isinstance(file.content_type, str):
        headers["Content-Type"] = file.content_type
    if file.content_type != SHOWN_BY_A_PLUGIN:
        headers["Content-Security-Policy"] = OPAQUE
    return headers


def announced_digest(header: str | None) -> str | None:
    """The SHA-256 of a Digest header (RFC 3230), in base64; None if it names none."""
    for value in (header or "").split(","):
        name, _, digest = value.strip().partition("=")
        if name.lower() == "sha-256":
            return digest
    return None


def refused(error: Exception) -> Refused:
    """What a client is told of it."""
    match error:
        case FileTooLarge():
            return Refused(ErrorClass.BAD_REQUEST, "FileTooLarge", str(error))
        case ChecksumMismatch():
            return Refused(ErrorClass.BAD_REQUEST, "Sha256Mismatch", str(error))
        case FileGone():
            return Refused(ErrorClass.NOT_FOUND, "FileNotFound", str(error))
        case ValueError():
            return Refused(ErrorClass.BAD_REQUEST, "InvalidUpload", str(error))
        case OSError() if error.errno in NO_SPACE:
            return Refused(ErrorClass.OVERLOADED, "DiskFull", "there is no space left for files; nothing was kept")
        case _:
            return Refused(ErrorClass.OVERLOADED, "FilesUnavailable", str(error))
