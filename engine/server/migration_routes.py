"""Routes of migrations, for holders of the admin key.

GET  /api/relive/migrations            all of them, and how far each has come
POST /api/relive/migrations/run        {"name", "batch"?, "restart"?}
POST /api/relive/migrations/cancel     {"name"}
POST /api/relive/migrations/rehearse   as run; lines of JSON: progress, and at last the outcome
"""

from __future__ import annotations

from functools import partial
from typing import Any

import trio
from attrs import define
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...protocol import json
from ...protocol.close import ErrorClass, Refused
from ...protocol.errors import ReliveError
from ...protocol.paths import parse
from ..application.functions import MigrationFunction
from ..data.system_tables import MigrationRow
from ..database import Database
from ..deployment.migrations import Migrations, migration_of
from ..deployment.rehearsals import Rehearsal
from ..errors import MigrationRefused, MigrationUnknown
from ..execution.system_writes import Written
from ..limits import MIGRATION_BATCH_MAX
from .access import Access, cause_of
from .bodies import answer, bad_body, json_body
from .lines import Lines, Tell

PREFIX = "/api/relive/migrations"


def routes(database: Database, access: Access) -> list[Route]:
    migrations = MigrationRoutes(database, access)
    return [
        Route(PREFIX, migrations.list, methods=["GET"]),
        Route(f"{PREFIX}/run", migrations.run, methods=["POST"]),
        Route(f"{PREFIX}/cancel", migrations.cancel, methods=["POST"]),
        Route(f"{PREFIX}/rehearse", migrations.rehearse, methods=["POST"]),
    ]


@define(eq=False)
class MigrationRoutes:
    database: Database
    access: Access

    async def list(self, request: Request) -> Response:
        self.access.require_admin(request, "deploy")
        migrations = self.database.migrations
        lsn, rows, known = self.database.runtime.tail.head, migrations.rows(), migrations.known()
        trees = [row_tree(row, row.name in known) for row in rows.values()]
        for path, endpoint in known.items():
            if path not in rows:
                trees.append(new_tree(path, migration_of(endpoint), migrations))
        await self.database.runtime.wait_durable(lsn)
        return answer({"migrations": sorted(trees, key=lambda tree: str(tree["name"]))})

    async def run(self, request: Request) -> Response:
        self.access.require_admin(request, "deploy")
        wanted = wanted_of(await json_body(request))
        try:
            written = self.database.migrations.start(
                wanted.name, cause_of(request), batch=wanted.batch, restart=wanted.restart
            )
        except (MigrationUnknown, MigrationRefused) as error:
            raise refusal(error) from None
        return await self.written(written)

    async def cancel(self, request: Request) -> Response:
        self.access.require_admin(request, "deploy")
        wanted = wanted_of(await json_body(request))
        try:
            written = self.database.migrations.cancel(wanted.name, cause_of(request))
        except (MigrationUnknown, MigrationRefused) as error:
            raise refusal(error) from None
        return await self.written(written)

    async def written(self, written: Written[MigrationRow]) -> Response:
        await self.database.runtime.wait_durable(written.lsn)
        return answer(row_tree(written.value, True))

    async def rehearse(self, request: Request) -> Response:
        self.access.require_admin(request, "deploy")
        wanted = wanted_of(await json_body(request))
        try:
            rehearsal = Rehearsal.of(self.database.migrations, wanted.name, batch=wanted.batch, restart=wanted.restart)
        except (MigrationUnknown, MigrationRefused) as error:
            raise refusal(error) from None
        return Lines(partial(self.go_through, rehearsal))

    async def go_through(self, rehearsal: Rehearsal, tell: Tell) -> None:
        try:
            more = True
            while more:
                started_ns = self.database.env.monotonic_ns()
                more = rehearsal.step()
                rehearsal.pace(self.database.env.monotonic_ns() - started_ns)
                await tell({"processed": rehearsal.processed, "total": rehearsal.total})
                await trio.lowlevel.checkpoint()
        except ReliveError as error:
            await tell({"error": str(error)})
            return
        # What it saw may be told only if it is there to stay.
        await self.database.runtime.wait_durable(self.database.runtime.tail.head)
        await tell(outcome_tree(rehearsal))


@define
class Wanted:
    """What a request asks for, checked."""

    name: str
    batch: int | None
    restart: bool


def wanted_of(tree: dict[str, Any]) -> Wanted:
    """Raises Refused."""
    name, batch, restart = tree.get("name"), tree.get("batch"), tree.get("restart", False)
    if not isinstance(name, str):
        raise bad_body("`name` names the migration, as `module:function`")
    if batch is not None and (type(batch) is not int or not 1 <= batch <= MIGRATION_BATCH_MAX):
        raise bad_body(f"`batch` is a number of documents from 1 to {MIGRATION_BATCH_MAX:,}")
    if not isinstance(restart, bool):
        raise bad_body("`restart` is true or false")
    return Wanted(str(parse(name)) if ":" in name else name, batch, restart)


def refusal(error: MigrationUnknown | MigrationRefused) -> Refused:
    kind = ErrorClass.NOT_FOUND if isinstance(error, MigrationUnknown) else ErrorClass.BAD_REQUEST
    return Refused(kind, type(error).__name__, str(error))


def new_tree(name: str, function: MigrationFunction[Any], migrations: Migrations) -> dict[str, object]:
    """Of one that was never started."""
    table: str = function.table.__table__
    known = {"name": name, "table": table, "batch": function.batch, "total": migrations.documents_of(table)}
    return known | {"state": "new", "processed": 0, "changed": 0, "deployed": True}


def row_tree(row: MigrationRow, deployed: bool) -> dict[str, object]:
    fields = ("name", "table", "state", "batch", "total", "processed", "changed", "started", "updated", "finished")
    tree = {name: getattr(row, name) for name in (*fields, "error", "document")}
    return tree | {"deployed": deployed}


def outcome_tree(rehearsal: Rehearsal) -> dict[str, object]:
    return {
        "done": True,
        "name": rehearsal.endpoint.path,
        "table": rehearsal.table,
        "processed": rehearsal.processed,
        "changed": rehearsal.changed,
        "failed": rehearsal.failed,
        "failures": [{"document": each.document, "error": each.problem} for each in rehearsal.failures],
        "samples": [
            {
                "document": sample.document,
                "writes": [
                    {
                        "table": write.table,
                        "id": write.id,
                        "before": json.to_json(write.before),
                        "after": json.to_json(write.after),
                    }
                    for write in sample.writes
                ],
            }
            for sample in rehearsal.samples
        ],
    }
