"""Routes that tell which functions ran, for holders of the admin key, as tools of Convex ask.

    GET /api/stream_function_logs?cursor=    what ended after the cursor; waits until there is something
    GET /api/stream_udf_execution?cursor=    the same

An answer is ``{"entries": [...], "newCursor": n}``; cursors are milliseconds since the Unix epoch, with a
fraction.  ``sessionId`` and ``clientRequestCounter`` together choose the executions of one request;
``limit`` is ours: at most so many, the newest, and no waiting.
"""

from __future__ import annotations

import math
import re
import uuid

import trio
from attrs import define
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...actors.errors import WritesRefused
from ...protocol import json
from ...protocol.client_version import parse_client_version
from ...protocol.close import ErrorClass, Refused
from ..database import Database
from ..determinism.gate import CUT_OFF
from ..execution.executions import Execution
from ..execution.failures import request_id
from ..limits import LOG_POLL_S_MAX
from .access import Access
from .bodies import raw

ENTRIES_PER_SLICE = 500
"""Executions that are written as JSON before others have their turn."""
LINE = re.compile(r"\[(\w+)\] '(.*)'", re.DOTALL)
STRUCTURED_FOR = ("npm-cli", "dashboard", "relive")
"""Clients that know log lines in parts; others get them as one text."""
CALLERS = {"client": "SyncWorker", "http": "HttpApi", "cron": "Cron", "schedule": "Scheduler", "action": "Action"}
"""What tools of Convex call the causes."""


def routes(database: Database, access: Access) -> list[Route]:
    logs = Logs(database, access)
    return [
        Route("/api/stream_function_logs", logs.stream, methods=["GET"]),
        Route("/api/stream_udf_execution", logs.stream, methods=["GET"]),
    ]


@define(eq=False)
class Logs:
    database: Database
    access: Access

    async def stream(self, request: Request) -> Response:
        self.access.require_admin(request, "read")
        cursor, limit, wanted = cursor_of(request), limit_of(request), request_of(request)
        client = parse_client_version(request.headers.get("convex-client"), None)
        found = await self.newer(cursor, limit)
        executions = self.database.executor.executions
        # What was left out for the limit is behind the reader all the same.
        newest = found[-1].cursor if found else cursor if limit is None else executions.newest
        entries: list[bytes] = []
        for position, execution in enumerate(found):
            if wanted is None or execution.request_id == wanted:
                entries.append(json.dump(entry_of(execution, client.name in STRUCTURED_FOR)))
            if position % ENTRIES_PER_SLICE == ENTRIES_PER_SLICE - 1:
                await trio.lowlevel.checkpoint()
        return raw(b'{"entries":[' + b",".join(entries) + b'],"newCursor":' + json.dump(newest / 1000) + b"}")

    async def newer(self, cursor: int, limit: int | None) -> tuple[Execution, ...]:
        """What ended after the cursor and, if it wrote, is durable."""
        executions, runtime = self.database.executor.executions, self.database.runtime
        while True:
            found: tuple[Execution, ...] = ()
            if limit is not None:
                found = executions.after(cursor)[-limit:] if limit else ()
            else:
                with trio.move_on_after(LOG_POLL_S_MAX):
                    found = await executions.wait_after(cursor)
            try:
                # They may show what they read, too.
                await runtime.wait_durable(runtime.tail.head)
            except WritesRefused:
                continue  # Some have failed after all, which is recorded by now.
            return found


def entry_of(execution: Execution, structured: bool) -> dict[str, object]:
    """An execution as tools of Convex know it, and what is ours: functionKind, cause, lsn, retries."""
    ended_s = (execution.started_ns + execution.duration_ns) / 1e9
    lines: list[object] = [*execution.log_lines]
    if structured:
        lines = [parts_of(line, ended_s) for line in execution.log_lines]
    used = execution.used
    return {
        "kind": "Completion",
        "udfType": "Mutation" if execution.kind == "system" else execution.kind.capitalize(),
        "functionKind": execution.kind,
        "componentPath": None,
        "identifier": execution.path,
        "logLines": lines,
        "timestamp": ended_s,
        "executionTimestamp": execution.started_ns / 1e9,
        "executionTime": execution.duration_ns / 1e9,
        "cachedResult": execution.cached,
        "caller": CALLERS.get(execution.cause, execution.cause),
        "cause": execution.cause,
        "success": None,
        "error": execution.error,
        "requestId": execution.request_id,
        "executionId": str(execution.cursor),
        "parentExecutionId": None,
        "lsn": execution.lsn,
        "retries": execution.retries,
        "occInfo": {"retryCount": execution.retries} if execution.retries else None,
        "willRetry": False,
        "identityType": "unknown",
        "environment": "python",
        "usageStats": {
            "databaseReadDocuments": used.documents_read,
            "databaseReadBytes": used.bytes_read,
            "databaseWriteDocuments": used.documents_written,
            "databaseWriteBytes": used.bytes_written,
        },
    }


def parts_of(line: str, ended_s: float) -> object:
    """A log line with its level and its text apart."""
    match = LINE.fullmatch(line)
    assert match is not None, line  # As `results.log_lines` writes it.
    level, text = match.groups()
    return {
        "messages": [text.removesuffix(CUT_OFF)],
        "isTruncated": text.endswith(CUT_OFF),
        "timestamp": round(ended_s * 1000),
        "level": level,
    }


def cursor_of(request: Request) -> int:
    """Microseconds.  Raises Refused."""
    text = request.query_params.get("cursor", "")
    try:
        milliseconds = float(text)
    except ValueError:
        milliseconds = math.nan
    if not 0 <= milliseconds < 2**53:
        raise bad_query("`cursor` is a number of milliseconds: 0, or the `newCursor` of an answer")
    return round(milliseconds * 1000)


def limit_of(request: Request) -> int | None:
    """Raises Refused."""
    text = request.query_params.get("limit")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise bad_query("`limit` is a number of entries")
    return int(text) if text is not None else None


def request_of(request: Request) -> str | None:
    """The request id that is wanted; None if all are.  Raises Refused."""
    session, counter = (request.query_params.get(name) for name in ("sessionId", "clientRequestCounter"))
    if session is None or counter is None:
        return None
    try:
        return request_id(uuid.UUID(session).bytes, int(counter))
    except ValueError:
        raise bad_query("`sessionId` is a UUID and `clientRequestCounter` a number") from None


def bad_query(problem: str) -> Refused:
    return Refused(ErrorClass.BAD_REQUEST, "BadQueryArgs", problem)
