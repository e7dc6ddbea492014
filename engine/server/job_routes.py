"""Routes of scheduled functions, for holders of the admin key.

GET  /api/relive/jobs               those that have not ended, by due time, and the newest of the others
POST /api/relive/jobs/{id}/cancel
GET  /api/relive/crons              all of them, by name
"""

from __future__ import annotations

from typing import cast

from attrs import define
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...log.entry import LSN
from ...protocol.close import ErrorClass, Refused
from ...protocol.values import Value
from ..data.documents import to_value
from ..data.schema import UNSET
from ..data.system_tables import CronJob, ScheduledFunction
from ..database import Database
from ..errors import ScheduleRefused
from ..scheduling.jobs import ENDED
from .access import Access, cause_of
from .bodies import answer

PREFIX = "/api/relive/jobs"
SHOWN_MAX = 1_000
"""Of those that have ended, and of the others."""


def routes(database: Database, access: Access) -> list[Route]:
    jobs = JobRoutes(database, access)
    return [
        Route(PREFIX, jobs.list, methods=["GET"]),
        Route(f"{PREFIX}/{{id}}/cancel", jobs.cancel, methods=["POST"]),
        Route("/api/relive/crons", jobs.crons, methods=["GET"]),
    ]


@define(eq=False)
class JobRoutes:
    database: Database
    access: Access

    async def list(self, request: Request) -> Response:
        self.access.require_admin(request, "read")
        rows = [job.row for job in self.database.schedules.jobs.all()]
        ended = [row for row in rows if row.state.kind in ENDED]
        others = [row for row in rows if row.state.kind not in ENDED]
        ended.sort(key=lambda row: row.completed_time if row.completed_time is not UNSET else 0.0)
        others.sort(key=lambda row: (row.scheduled_time, row.creation_time))
        shown: list[Value] = [row_tree(row) for row in (*others[:SHOWN_MAX], *ended[-SHOWN_MAX:])]
        told: dict[str, Value] = {"jobs": shown, "waiting": len(others), "ended": len(ended)}
        return await self.told(told, self.database.runtime.tail.head)

    async def cancel(self, request: Request) -> Response:
        self.access.require_admin(request, "write")
        try:
            written = self.database.schedules.jobs.cancel(request.path_params["id"], cause_of(request))
        except ScheduleRefused as error:
            raise Refused(ErrorClass.BAD_REQUEST, "ScheduleRefused", str(error)) from None
        return await self.told(row_tree(written.value), written.lsn)

    async def crons(self, request: Request) -> Response:
        self.access.require_admin(request, "read")
        rows = sorted(self.database.schedules.crons.rows(), key=lambda row: row.name)
        shown: list[Value] = [row_tree(row) for row in rows]
        return await self.told({"crons": shown}, self.database.runtime.tail.head)

    async def told(self, tree: dict[str, Value], lsn: LSN) -> Response:
        await self.database.runtime.wait_durable(lsn)
        return answer(tree)


def row_tree(row: ScheduledFunction | CronJob) -> dict[str, Value]:
    """The row as functions read it."""
    return cast("dict[str, Value]", to_value(row))
