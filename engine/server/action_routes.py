"""Routes of durable actions, for holders of the admin key.

GET  /api/relive/actions             those that have not ended, and the newest of the others
GET  /api/relive/actions/{id}        one, with its steps
POST /api/relive/actions/{id}/cancel
"""

from __future__ import annotations

from attrs import define
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...log.entry import LSN
from ...protocol import json
from ...protocol.close import ErrorClass, Refused
from ...protocol.values import Value
from ..actions.durable import UNFINISHED
from ..data.system_tables import DurableAction, Step
from ..database import Database
from ..errors import DurableActionUnknown
from .access import Access, cause_of
from .bodies import answer

PREFIX = "/api/relive/actions"
SHOWN_MAX = 1_000
"""Of those that have ended."""


def routes(database: Database, access: Access) -> list[Route]:
    actions = ActionRoutes(database, access)
    return [
        Route(PREFIX, actions.list, methods=["GET"]),
        Route(f"{PREFIX}/{{id}}", actions.show, methods=["GET"]),
        Route(f"{PREFIX}/{{id}}/cancel", actions.cancel, methods=["POST"]),
    ]


@define(eq=False)
class ActionRoutes:
    database: Database
    access: Access

    async def list(self, request: Request) -> Response:
        self.access.require_admin(request, "read")
        rows = self.database.actions.records.rows()
        ended = [row for row in rows if row.state not in UNFINISHED][-SHOWN_MAX:]
        shown = [row for row in rows if row.state in UNFINISHED] + ended
        return await self.told({"actions": [row_tree(row) for row in shown]}, self.database.runtime.tail.head)

    async def show(self, request: Request) -> Response:
        self.access.require_admin(request, "read")
        id, records = request.path_params["id"], self.database.actions.records
        try:
            row = records.row(id)
        except DurableActionUnknown as error:
            raise unknown(error) from None
        steps: list[Value] = [step_tree(step) for step in records.steps(id)]
        return await self.told({**row_tree(row), "steps": steps}, self.database.runtime.tail.head)

    async def cancel(self, request: Request) -> Response:
        self.access.require_admin(request, "write")
        try:
            written = self.database.actions.cancel(request.path_params["id"], cause_of(request))
        except DurableActionUnknown as error:
            raise unknown(error) from None
        return await self.told(row_tree(written.value), written.lsn)

    async def told(self, tree: dict[str, Value], lsn: LSN) -> Response:
        await self.database.runtime.wait_durable(lsn)
        return answer(tree)


def row_tree(row: DurableAction) -> dict[str, Value]:
    return {
        "id": row.id,
        "function": row.function,
        "args": json.decode(row.args.encode()),
        "origin": row.origin,
        "state": row.state,
        "until": row.until,
        "result": json.decode(row.result.encode()) if row.result is not None else None,
        "error": row.error,
        "runs": row.runs,
        "started": row.started,
        "finished": row.finished,
    }


def step_tree(step: Step) -> dict[str, Value]:
    return {
        "position": step.position,
        "name": step.name,
        "state": step.state,
        "attempts": step.attempts,
        "until": step.until,
        "result": json.decode(step.result.encode()) if step.result is not None else None,
        "error": step.error,
    }


def unknown(error: DurableActionUnknown) -> Refused:
    return Refused(ErrorClass.BAD_REQUEST, "DurableActionUnknown", str(error))
