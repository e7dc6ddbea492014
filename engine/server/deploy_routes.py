"""The route of deploys, for holders of the admin key.

    POST /api/relive/deploy     {"app": name, "source": {module: text}, "dryRun"?: bool}

The answer is lines of JSON:

    {"state": "pending", "checked", "total"}       stored documents; again and again
    {"state": "validated", "checked", "changes"}   all of them fit; the last line of a dry run
    {"state": "active", "entry", "code"}           durable; ``entry`` null if that code is served already
    {"state": "failed", "code", "message"}         nothing was changed; may come instead of any of these

Invariant: a client that goes away before the switch cancels its deploy; after it, the deploy stays.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import trio
from attrs import Factory, define, frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...actors.errors import WritesRefused
from ...log.entry import BEFORE_FIRST, LSN
from ...protocol.close import ErrorClass, Refused
from ...protocol.errors import ReliveError
from ..application.app import load_bundle_gently
from ..application.bundle import bundle_of
from ..database import Database
from ..deployment.deploy import Deploy, Deployed
from ..errors import AppInvalid, DeployInterrupted, DeployUnderWay, SchemaMismatch, SettingsUnmet
from ..limits import BUNDLE_BYTES_MAX
from .access import Access
from .bodies import bad_body, json_body
from .lines import Lines, Tell

BODY_BYTES_MAX = 2 * BUNDLE_BYTES_MAX
"""JSON writes some characters of source code as two."""
REPORT_S = 0.2
"""Between one line about a pending deploy and the next."""
REFUSALS = (AppInvalid, SchemaMismatch, SettingsUnmet, DeployUnderWay, DeployInterrupted, WritesRefused)
"""What a failed deploy says, and goes on serving."""


def routes(database: Database, access: Access) -> list[Route]:
    return [Route("/api/relive/deploy", DeployRoutes(database, access).deploy, methods=["POST"])]


@frozen
class Wanted:
    """What a request asks for."""

    app: str
    source: dict[str, bytes]
    dry_run: bool


@define(eq=False)
class Progress:
    """What is known of a deploy so far."""

    deploy: Deploy | None = None
    deployed: Deployed | None = None
    refusal: ReliveError | None = None
    head: LSN = BEFORE_FIRST
    """The newest commit that it may have seen."""
    ended: trio.Event = Factory(trio.Event)

    def begun(self, deploy: Deploy) -> None:
        self.deploy = deploy


@define(eq=False)
class DeployRoutes:
    database: Database
    access: Access

    async def deploy(self, request: Request) -> Response:
        self.access.require_admin(request, "deploy")
        wanted = wanted_of(await json_body(request, BODY_BYTES_MAX))
        if self.database.deploying is not None:
            raise Refused(ErrorClass.CONFLICT, "DeployUnderWay", str(DeployUnderWay(self.database.deploying.app.name)))
        return Lines(partial(self.answer, wanted))

    async def answer(self, wanted: Wanted, tell: Tell) -> None:
        """Deploy, and tell how far it is: whoever reads slowly does not hold it up."""
        progress = Progress()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.carry_out, wanted, progress)
            while not progress.ended.is_set():
                await tell(pending_line(progress.deploy))
                with trio.move_on_after(REPORT_S):
                    await progress.ended.wait()
        if progress.deployed is None:
            await tell(failed_line(await self.lasting(progress), wanted.app))
            return
        deployed = progress.deployed
        await tell({"state": "validated", "checked": deployed.checked, "changes": deployed.changes.record()})
        if wanted.dry_run and deployed.is_new:
            return
        if deployed.lsn is not None:
            await self.database.runtime.wait_durable(deployed.lsn)
        await tell({"state": "active", "entry": deployed.lsn, "code": deployed.app.code.hex()})

    async def lasting(self, progress: Progress) -> ReliveError:
        """Why it failed, once all that it may show of stored documents is there to stay."""
        assert progress.refusal is not None, "a deploy ends one way or the other"
        try:
            await self.database.runtime.wait_durable(progress.head)
        except WritesRefused as refused:
            return DeployInterrupted(f"commits were taken back ({refused.problem})")
        return progress.refusal

    async def carry_out(self, wanted: Wanted, progress: Progress) -> None:
        try:
            app = await load_bundle_gently(wanted.app, bundle_of(wanted.app, wanted.source))
            progress.deployed = await self.database.deploy(app, dry_run=wanted.dry_run, on_begin=progress.begun)
        except REFUSALS as refusal:
            progress.refusal = refusal
        progress.head = self.database.runtime.tail.head
        progress.ended.set()


def wanted_of(tree: dict[str, Any]) -> Wanted:
    """Raises Refused."""
    app, source, dry_run = tree.get("app"), tree.get("source"), tree.get("dryRun", False)
    if not isinstance(app, str):
        raise bad_body("`app` is the name of the app")
    if not isinstance(source, dict) or not all(isinstance(text, str) for text in source.values()):
        raise bad_body("`source` is an object of modules, each with its text")
    if not isinstance(dry_run, bool):
        raise bad_body("`dryRun` is true or false")
    return Wanted(app, {module: text.encode() for module, text in source.items()}, dry_run)


def pending_line(deploy: Deploy | None) -> dict[str, object]:
    checked, total = (deploy.checked, deploy.total) if deploy is not None else (0, None)
    return {"state": "pending", "checked": checked, "total": total}


def failed_line(refusal: ReliveError, app: str) -> dict[str, object]:
    # Files are named as in the folder of the app, wherever that is.
    message = str(refusal).replace(f"<{app}>/", "").replace(f"<{app}>", app)
    line: dict[str, object] = {"state": "failed", "code": type(refusal).__name__, "message": message}
    if isinstance(refusal, SchemaMismatch):
        line |= {"count": refusal.count, "offenders": list(refusal.offenders)}
    return line
