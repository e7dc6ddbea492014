"""Routes of environment variables, for holders of the admin key.

    POST /api/update_environment_variables    {"changes": [{"name", "value" or null}]}, all or none
    GET  /api/list_environment_variables      {"environmentVariables": {name: value}}

Both are there under ``/api/v1/`` as well.  Values are secrets: errors name variables, never values.
"""

from __future__ import annotations

from functools import partial

from attrs import define
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...protocol.close import ErrorClass, Refused
from ...protocol.values import Value
from ..database import Database
from ..deployment.environment_changes import EnvironmentChange, change_environment, values_of
from ..errors import EnvironmentVariableInvalid, SettingsUnmet
from .access import Access, cause_of
from .bodies import answer, bad_body, json_body

PREFIXES = ("/api", "/api/v1")


def routes(database: Database, access: Access) -> list[Route]:
    variables = Variables(database, access)
    return [
        Route(f"{prefix}/{name}", handler, methods=[method])
        for prefix in PREFIXES
        for name, handler, method in (
            ("update_environment_variables", variables.update, "POST"),
            ("list_environment_variables", variables.list, "GET"),
        )
    ]


@define(eq=False)
class Variables:
    database: Database
    access: Access

    async def update(self, request: Request) -> Response:
        self.access.require_admin(request, "env")
        tree = await json_body(request)
        try:
            changes = changes_of(tree)
            written = self.database.executor.write(
                "update_environment_variables",
                cause_of(request),
                partial(change_environment, changes=changes, declared=self.database.executor.app.settings),
                record_of(changes),
            )
        except EnvironmentVariableInvalid as error:
            raise Refused(ErrorClass.BAD_REQUEST, "EnvironmentVariableInvalid", str(error)) from None
        except SettingsUnmet as error:
            raise Refused(ErrorClass.BAD_REQUEST, "SettingsUnmet", str(error)) from None
        await self.database.runtime.wait_durable(written.lsn)
        return answer({"changed": written.value})

    async def list(self, request: Request) -> Response:
        self.access.require_admin(request, "env")
        values = self.database.executor.rehearse("list_environment_variables", values_of)
        await self.database.runtime.wait_durable(self.database.runtime.tail.head)
        return answer({"environmentVariables": values})


def changes_of(tree: dict[str, object]) -> tuple[EnvironmentChange, ...]:
    """Raises Refused, EnvironmentVariableInvalid."""
    listed = tree.get("changes")
    if not isinstance(listed, list):
        raise bad_body("`changes` is an array of objects with `name` and `value`")
    changes = []
    for item in listed:
        match item:
            case {"name": str(name), "value": str(value)}:
                changes.append(EnvironmentChange(name, value))
            case {"name": str(name), **rest} if rest.get("value") is None:
                changes.append(EnvironmentChange(name, None))
            case _:
                raise bad_body('each change is {"name": text, "value": text or null}')
    return tuple(changes)


def record_of(changes: tuple[EnvironmentChange, ...]) -> Value:
    """What the log says was asked for; what was written has the values already."""
    written: list[Value] = [change.name for change in changes if change.value is not None]
    removed: list[Value] = [change.name for change in changes if change.value is None]
    return {"set": written, "removed": removed}
