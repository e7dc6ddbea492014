"""Routes of exports, for holders of the admin key.

    GET  /api/relive/export?format=zip|jsonl|csv    all tables as of one moment; JSON lines and CSV in a ZIP
    GET  /api/relive/export?format=&table=          one table, by itself
    POST /api/export/request/zip                    hold on to this moment, as tools of Convex ask for it
    GET  /api/export/zip/<ts>                       what was held on to

Invariants
    * An export is of a moment that is durable.
    * Sending one keeps nobody waiting, and takes no memory beyond what is replaced meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing

import trio
from attrs import Factory, define
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ...protocol.close import ErrorClass, Refused
from ..database import Database
from ..errors import TableUnknown
from ..execution.transfers import note_export
from ..portability.exporting import export, export_with_files
from ..portability.formats import EXPORTED, MEDIA_TYPES, Format
from ..portability.limits import EXPORTS_HELD_MAX, UPLOAD_AGE_NS_MAX
from ..portability.snapshot import Snapshot
from .access import Access, cause_of
from .bodies import answer

Pieces = Iterator[bytes] | AsyncGenerator[bytes, None]


def routes(database: Database, access: Access) -> list[Route]:
    exports = Exports(database, access)
    return [
        Route("/api/relive/export", exports.send, methods=["GET"]),
        Route("/api/export/request/zip", exports.prepare, methods=["POST"]),
        Route("/api/export/zip/{ts}", exports.fetch, methods=["GET"]),
    ]


@define(eq=False)
class Exports:
    database: Database
    access: Access
    held: dict[int, Snapshot] = Factory(dict[int, Snapshot])
    """By time, in nanoseconds, the oldest first."""

    async def send(self, request: Request) -> Response:
        self.access.require_admin(request, "read")
        format, table = format_of(request), request.query_params.get("table")
        if table is not None and format == "zip":
            raise bad_query("a ZIP is of all tables: leave out `table`, or ask for `jsonl` or `csv`")
        try:
            snapshot = await self.snapshot(table, with_files=wants_files(request))
        except TableUnknown as error:
            raise Refused(ErrorClass.NOT_FOUND, "TableUnknown", str(error)) from None
        if snapshot.files is not None and format != "zip":
            raise bad_query("files are exported with a ZIP of all tables: ask for `zip`")
        packed = table is None and format != "zip"
        name = f"{table}.{format}" if table is not None else f"snapshot_{snapshot.ts}.zip"
        pieces = export(snapshot, format, packed) if snapshot.files is None else self.with_files(snapshot)
        return file_answer(pieces, "zip" if packed else format, name, snapshot)

    async def prepare(self, request: Request) -> Response:
        self.access.require_admin(request, "read")
        snapshot = await self.snapshot(None, with_files=wants_files(request))
        self.give_up_old()
        while len(self.held) >= EXPORTS_HELD_MAX:
            del self.held[next(iter(self.held))]
        self.held[snapshot.ts] = snapshot
        written = self.database.executor.write(
            "request_export", cause_of(request), note_export(snapshot.ts), {"ts": str(snapshot.ts)}
        )
        await self.database.runtime.wait_durable(written.lsn)
        return answer(None)

    async def fetch(self, request: Request) -> Response:
        self.access.require_admin(request, "read")
        self.give_up_old()
        text = str(request.path_params["ts"])
        snapshot = self.held.get(int(text)) if text.isascii() and text.isdigit() and len(text) < 20 else None
        if snapshot is None:
            problem = f"no export of {text[:20]} is held here (any more): ask for another"
            raise Refused(ErrorClass.NOT_FOUND, "NoSuchExport", problem)
        pieces = export(snapshot, "zip") if snapshot.files is None else self.with_files(snapshot)
        return file_answer(pieces, "zip", f"snapshot_{text}.zip", snapshot)

    async def with_files(self, snapshot: Snapshot) -> AsyncGenerator[bytes, None]:
        files = self.database.files
        with files.hold():
            async with aclosing(export_with_files(snapshot, files.read)) as pieces:
                async for piece in pieces:
                    yield piece
                    await trio.lowlevel.checkpoint()

    async def snapshot(self, table: str | None, *, with_files: bool = False) -> Snapshot:
        """This moment, once it is durable.  Raises TableUnknown, WritesRefused."""
        runtime, executor = self.database.runtime, self.database.executor
        snapshot = Snapshot.of(
            runtime.tables, self.database.catalog, executor.codecs, runtime.tail.head_ts, table, with_files
        )
        await runtime.wait_durable(snapshot.lsn)
        return snapshot

    def give_up_old(self) -> None:
        """What nobody fetched would hold on to old documents for ever."""
        now = self.database.env.clock_ns()
        for ts in [ts for ts in self.held if abs(now - ts) > UPLOAD_AGE_NS_MAX]:
            del self.held[ts]


def file_answer(
    pieces: Iterator[bytes] | AsyncGenerator[bytes, None], format: Format, name: str, snapshot: Snapshot
) -> Response:
    async def body() -> AsyncIterator[bytes]:
        if isinstance(pieces, AsyncGenerator):
            async with aclosing(pieces):
                async for piece in pieces:
                    if piece:
                        yield piece
            return
        for piece in pieces:
            if piece:
                yield piece
            await trio.lowlevel.checkpoint()

    headers = {
        "content-disposition": f"attachment; filename={name}",
        "cache-control": "no-store",
        "relive-entry": str(snapshot.lsn),
        "relive-documents": str(snapshot.documents),
    }
    return StreamingResponse(body(), headers=headers, media_type=MEDIA_TYPES[format])


def wants_files(request: Request) -> bool:
    return request.query_params.get("includeStorage", "").lower() == "true"


def format_of(request: Request) -> Format:
    text = request.query_params.get("format", "zip")
    for known in EXPORTED:
        if text == known:
            return known
    raise bad_query(f"`format` is one of {', '.join(EXPORTED)}")


def bad_query(problem: str) -> Refused:
    return Refused(ErrorClass.BAD_REQUEST, "BadQueryArgs", problem)
