"""Routes of imports, for holders of the admin key.

    POST /api/relive/import?file=&format=&mode=&table=&dryRun=    the body is the file; followed to its end

The answer is lines of JSON:

    {"state": "staging", "rows", "bytes", "total"}                      again and again
    {"state": "imported" or "checked", "entry", "tables", "notes"}      durable; ``entry`` null if nothing changed
    {"state": "failed", "code", "message", "rows"?}                     nothing was changed

As tools of Convex ask:

    POST /api/import?tableName=&format=&mode=                 the file at once: {"numWritten"}
    POST /api/import/start_upload                             {"uploadToken"}
    POST /api/import/upload_part?uploadToken=&partNumber=     a part, in order: its token
    POST /api/import/finish_upload                            looks at it: {"importId"}, which is watched
    POST /api/perform_import                                  {"importId"}: what was confirmed, is imported

Invariant: a client that goes away before the step cancels its import; after it, the import stays.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import trio
from attrs import Factory, define
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...actors.errors import WritesRefused
from ...protocol import json
from ...protocol.close import ErrorClass, Refused
from ...protocol.errors import InvalidValue, ReliveError
from ..database import Database
from ..execution.transfers import note_import, note_state
from ..portability.errors import FileInvalid, ImportInterrupted, ImportRefused, ImportUnderWay, RowsInvalid
from ..portability.formats import CONVEX_NAMES, FORMATS, MODES, Format, Mode
from ..portability.importing import Imported, Importer
from ..portability.limits import UPLOAD_AGE_NS_MAX, UPLOADS_MAX
from ..portability.sources import Wanted
from .access import Access, cause_of
from .bodies import answer, bad_body, bytes_body
from .lines import Lines, Tell
from .received import Received

REPORT_S = 0.2
TOKEN_BYTES = 16
REFUSALS = (FileInvalid, RowsInvalid, ImportRefused, ImportUnderWay, ImportInterrupted, WritesRefused)
"""What a failed import says; nothing was changed."""


def routes(database: Database, access: Access) -> list[Route]:
    imports = Imports(database, access, Importer(database))
    return [
        Route("/api/relive/import", imports.follow, methods=["POST"]),
        Route("/api/import", imports.at_once, methods=["POST"]),
        Route("/api/import/start_upload", imports.start, methods=["POST"]),
        Route("/api/import/upload_part", imports.part, methods=["POST"]),
        Route("/api/import/finish_upload", imports.finish, methods=["POST"]),
        Route("/api/perform_import", imports.perform, methods=["POST"]),
    ]


@define(eq=False)
class Upload:
    """A file that comes in parts, and then waits to be confirmed."""

    received: Received
    last_ns: int
    parts: int = 0
    wanted: Wanted | None = None
    """What is to be imported, once all of it is here."""


@define(eq=False)
class Imports:
    database: Database
    access: Access
    importer: Importer
    uploads: dict[str, Upload] = Factory(dict[str, Upload])
    """By token; once all of it is here, by the id that is watched."""

    async def follow(self, request: Request) -> Response:
        self.access.require_admin(request, "write")
        wanted = partial(wanted_of, request)
        wanted("")  # Refused before anything is sent.
        received = Received()
        try:
            await received.take(request)
        except BaseException:
            received.close()
            raise
        return Lines(partial(self.tell, wanted(received.sha256), received))

    async def tell(self, wanted: Wanted, received: Received, tell: Tell) -> None:
        """Import, and tell how far it is: whoever reads slowly does not hold it up."""
        ended = trio.Event()
        outcome: list[Imported | ReliveError] = []

        async def carry_out() -> None:
            try:
                outcome.append(await self.importer.run(wanted, received.file))
            except REFUSALS as refusal:
                outcome.append(refusal)
            ended.set()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(carry_out)
                while not ended.is_set():
                    await tell(self.progress(wanted))
                    with trio.move_on_after(REPORT_S):
                        await ended.wait()
        finally:
            received.close()
        try:
            await self.wait_durable(outcome[0])
        except WritesRefused as refusal:
            outcome = [refusal]
        await tell(last_line(outcome[0], wanted))

    def progress(self, wanted: Wanted) -> dict[str, object]:
        staging = self.importer.staging
        if staging is None or staging.wanted is not wanted:
            return {"state": "staging", "rows": 0, "bytes": 0, "total": None}
        done = min(staging.bytes_done, staging.bytes_total)
        return {"state": "staging", "rows": staging.rows_done, "bytes": done, "total": staging.bytes_total}

    async def wait_durable(self, outcome: Imported | ReliveError) -> None:
        """What was imported, and what a refusal may show of stored documents."""
        runtime = self.database.runtime
        lsn = outcome.lsn if isinstance(outcome, Imported) else None
        await runtime.wait_durable(lsn if lsn is not None else runtime.tail.head)

    async def at_once(self, request: Request) -> Response:
        self.access.require_admin(request, "write")
        received = Received()
        try:
            await received.take(request)
            wanted = convex_wanted(dict(request.query_params), "file", received.sha256)
            done = await self.carry_out(wanted, received)
        finally:
            received.close()
        return answer({"numWritten": done.rows})

    async def carry_out(self, wanted: Wanted, received: Received) -> Imported:
        """Import, until it is durable.  Raises Refused."""
        try:
            done = await self.importer.run(wanted, received.file)
            await self.wait_durable(done)
        except REFUSALS as refusal:
            raise refused(refusal) from None
        return done

    async def start(self, request: Request) -> Response:
        self.access.require_admin(request, "write")
        self.give_up_old()
        if len(self.uploads) >= UPLOADS_MAX:
            problem = f"{UPLOADS_MAX} files are being uploaded, or wait to be imported: finish one of them"
            raise Refused(ErrorClass.CONFLICT, "TooManyUploads", problem)
        token = self.database.env.entropy(TOKEN_BYTES).hex()
        self.uploads[token] = Upload(Received(), self.database.env.clock_ns())
        return answer({"uploadToken": token})

    async def part(self, request: Request) -> Response:
        self.access.require_admin(request, "write")
        token, number = request.query_params.get("uploadToken", ""), request.query_params.get("partNumber", "")
        upload = self.upload(token)
        if number != str(upload.parts + 1):
            self.give_up(token)
            raise bad_body(f"part {upload.parts + 1} should come next, not {number[:20]!r}: upload the file again")
        upload.parts += 1
        try:
            await upload.received.take(request)
        except BaseException:
            self.give_up(token)  # Part of a part: what follows would not be the file.
            raise
        return answer(f"{token}.{number}")

    async def finish(self, request: Request) -> Response:
        """Look at the whole file, so that what is asked to be confirmed can be done."""
        self.access.require_admin(request, "write")
        tree = await any_json(request)
        token, about, parts = tree.get("uploadToken"), tree.get("import"), tree.get("partTokens")
        if not isinstance(token, str) or not isinstance(about, dict) or not isinstance(parts, list):
            raise bad_body('{"uploadToken", "import", "partTokens"} is expected')
        upload = self.upload(token)
        if len(parts) != upload.parts:
            raise bad_body(f"{upload.parts} parts came, not {len(parts)}: upload the file again")
        del self.uploads[token]
        try:
            upload.wanted = convex_wanted(about, "an upload", upload.received.sha256)
            state, message = "waiting_for_confirmation", await self.look(upload)
        except (Refused, *REFUSALS) as refusal:
            state, message = "failed", refusal.problem if isinstance(refusal, Refused) else str(refusal)
        written = self.database.executor.write(
            "upload_import", cause_of(request), note_import(message, failed=state == "failed"), None
        )
        await self.database.runtime.wait_durable(written.lsn)
        if state == "failed":
            upload.received.close()
        else:
            self.uploads[written.value] = upload
        return answer({"importId": written.value})

    async def look(self, upload: Upload) -> str:
        """What the import would do.  Raises what importing raises."""
        wanted = upload.wanted
        assert wanted is not None
        seen = await self.importer.run(as_dry_run(wanted), upload.received.file)
        await self.wait_durable(seen)
        return summary(seen, wanted.mode)

    async def perform(self, request: Request) -> Response:
        self.access.require_admin(request, "write")
        id = (await any_json(request)).get("importId")
        if not isinstance(id, str) or id not in self.uploads or self.uploads[id].wanted is None:
            unknown = "no such import waits to be confirmed; the server may have been restarted: import the file again"
            raise Refused(ErrorClass.NOT_FOUND, "NoSuchImport", unknown)
        upload = self.uploads.pop(id)
        assert upload.wanted is not None
        rows: int | None = None
        problem: str | None = None
        try:
            rows = (await self.carry_out(upload.wanted, upload.received)).rows
        except Refused as refusal:
            problem = refusal.problem
        finally:
            upload.received.close()
        state = note_state(id, "completed" if problem is None else "failed", rows, problem)
        written = self.database.executor.write("perform_import", cause_of(request), state, {"importId": id})
        await self.database.runtime.wait_durable(written.lsn)
        return answer(None)

    def upload(self, token: str) -> Upload:
        """Raises Refused."""
        upload = self.uploads.get(token)
        if upload is None or upload.wanted is not None:
            raise Refused(ErrorClass.NOT_FOUND, "NoSuchUpload", "there is no such upload (any more): begin another")
        upload.last_ns = self.database.env.clock_ns()
        return upload

    def give_up_old(self) -> None:
        now = self.database.env.clock_ns()
        for token in [token for token, upload in self.uploads.items() if abs(now - upload.last_ns) > UPLOAD_AGE_NS_MAX]:
            self.give_up(token)

    def give_up(self, token: str) -> None:
        upload = self.uploads.pop(token, None)
        if upload is not None:
            upload.received.close()


def wanted_of(request: Request, sha256: str) -> Wanted:
    """Raises Refused."""
    query = request.query_params
    format, mode, dry_run = query.get("format"), query.get("mode", "requireEmpty"), query.get("dryRun", "false")
    if dry_run not in ("true", "false"):
        raise bad_query("`dryRun` is true or false")
    formats: dict[str, Format] = {known: known for known in FORMATS}
    if format not in formats:
        raise bad_query(f"`format` is one of {', '.join(FORMATS)}")
    file = query.get("file") or "a file"
    return made(file, sha256, formats[format], mode, query.get("table"), dry_run == "true")


def convex_wanted(about: dict[str, Any], file: str, sha256: str) -> Wanted:
    """Raises Refused."""
    format, mode, table = about.get("format"), about.get("mode", "requireEmpty"), about.get("tableName")
    if about.get("componentPath"):
        raise bad_query("there are no components here: leave out `componentPath`")
    if not isinstance(format, str) or format not in CONVEX_NAMES:
        raise bad_query(f"`format` is one of {', '.join(CONVEX_NAMES)}")
    return made(file, sha256, CONVEX_NAMES[format], mode, table, False)


def made(file: str, sha256: str, format: Format, mode: object, table: object, dry_run: bool) -> Wanted:
    """Raises Refused."""
    modes: dict[object, Mode] = {known: known for known in MODES}
    if mode not in modes:
        raise bad_query(f"`mode` is one of {', '.join(MODES)}")
    if not isinstance(table, (str, type(None))):
        raise bad_query("the table is named by a text")
    try:
        return Wanted(file, sha256, format, modes[mode], table, dry_run)
    except ImportRefused as error:
        raise refused(error) from None


def as_dry_run(wanted: Wanted) -> Wanted:
    return Wanted(wanted.file, wanted.sha256, wanted.format, wanted.mode, wanted.table, dry_run=True)


def last_line(outcome: Imported | ReliveError, wanted: Wanted) -> dict[str, object]:
    if isinstance(outcome, Imported):
        state = "checked" if wanted.dry_run else "imported"
        return {"state": state, "entry": outcome.lsn, "tables": tables_of(outcome), "notes": list(outcome.notes)}
    line: dict[str, object] = {"state": "failed", "code": type(outcome).__name__, "message": str(outcome)}
    if isinstance(outcome, RowsInvalid):
        line["rows"] = [{"file": row.file, "row": row.row, "problem": row.problem} for row in outcome.rows]
    return line


def tables_of(done: Imported) -> dict[str, object]:
    return {
        name: {"rows": table.rows, "inserted": table.inserted, "replaced": table.replaced, "deleted": table.deleted}
        for name, table in sorted(done.tables.items())
    }


def summary(seen: Imported, mode: Mode) -> str:
    """What is to be confirmed; nothing if no document is lost."""
    if not any(table.replaced or table.deleted for table in seen.tables.values()):
        return ""
    lines = [
        f"  {name}: {table.rows:,} rows; {table.inserted:,} documents come, {table.replaced:,} are replaced, "
        f"{table.deleted:,} are deleted"
        for name, table in sorted(seen.tables.items())
    ]
    return "\n".join([f"This import ({mode}) would do:", *lines, *seen.notes])


def refused(error: ReliveError) -> Refused:
    kind = ErrorClass.CONFLICT if isinstance(error, ImportUnderWay) else ErrorClass.BAD_REQUEST
    if isinstance(error, (WritesRefused, ImportInterrupted)):
        kind = ErrorClass.OVERLOADED
    return Refused(kind, type(error).__name__, str(error))


async def any_json(request: Request) -> dict[str, Any]:
    """A JSON object, whatever the request says that it is.  Raises Refused."""
    try:
        tree = json.parse(await bytes_body(request))
    except InvalidValue as error:
        raise bad_body(f"the body: {error.problem}") from None
    if not isinstance(tree, dict):
        raise bad_body("the body must be a JSON object")
    return tree


def bad_query(problem: str) -> Refused:
    return Refused(ErrorClass.BAD_REQUEST, "BadQueryArgs", problem)
