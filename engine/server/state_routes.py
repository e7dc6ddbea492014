"""Whether functions run, for holders of the admin key.

POST /api/change_deployment_state    {"newState": "paused" or "running"}
GET  /api/deployment_state           {"state": "paused" or "running"}
"""

from __future__ import annotations

from attrs import define
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..database import Database
from ..execution.pause import is_paused, pause, resume
from .access import Access, cause_of
from .bodies import answer, bad_body, json_body

CHANGES = {"paused": pause, "running": resume}


def routes(database: Database, access: Access) -> list[Route]:
    state = State(database, access)
    return [
        Route("/api/change_deployment_state", state.change, methods=["POST"]),
        Route("/api/deployment_state", state.show, methods=["GET"]),
    ]


@define(eq=False)
class State:
    database: Database
    access: Access

    async def change(self, request: Request) -> Response:
        self.access.require_admin(request, "write")
        wanted = (await json_body(request)).get("newState")
        change = CHANGES.get(wanted) if isinstance(wanted, str) else None
        if change is None:
            raise bad_body('`newState` is "paused" or "running"')
        runtime = self.database.runtime
        written = self.database.executor.write(
            "change_deployment_state", cause_of(request), change, {"newState": wanted}
        )
        if written.value:
            runtime.rewind()  # Results from before say nothing any more: all live queries run again.
        await runtime.wait_durable(written.lsn)
        return answer({"state": wanted, "changed": written.value})

    async def show(self, request: Request) -> Response:
        self.access.require_admin(request, "read")
        runtime = self.database.runtime
        state = "paused" if is_paused(runtime.tables) else "running"
        await runtime.wait_durable(runtime.tail.head)
        return answer({"state": state})
