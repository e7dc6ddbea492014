"""Errors: what of a failure leaves a server in production."""

from __future__ import annotations

from pathlib import Path

import pytest
from relive.engine.application.app import load_bundle
from relive.engine.application.bundle import bundle_of

from ..server.harness import ADMIN_KEY, serve

KEY = {"Authorization": f"Convex {ADMIN_KEY}"}
SOURCE = """
from relive import ActionCtx, ApplicationError, MutationCtx, QueryCtx, action, mutation, query

def fail(data: str) -> None:
    print("printed secret")
    if data:
        raise ApplicationError({"code": data})
    raise ValueError("raised secret")

@query
async def reads(ctx: QueryCtx, data: str) -> None:
    fail(data)

@mutation
async def writes(ctx: MutationCtx, data: str) -> None:
    fail(data)

@action
async def acts(ctx: ActionCtx, data: str) -> None:
    fail(data)
"""


@pytest.mark.parametrize(("kind", "path"), [("query", "reads"), ("mutation", "writes"), ("action", "acts")])
async def test_only_the_data_of_an_application_error_and_the_request_id_leave_the_server_and_no_log_lines(
    kind: str, path: str
) -> None:
    """A stack, a file name or what was printed tells strangers how to go on."""
    app = load_bundle("app", bundle_of("app", {"app": SOURCE.encode()}))
    async with serve(app) as running, running.http() as http:
        running.database.executor.redact = True
        for data, told in (("", None), ("full", {"code": "full"})):
            body = {"path": f"app:{path}", "args": {"data": data}, "format": "json"}
            stranger = await http.post(f"/api/{kind}", json=body)
            answer = stranger.json()
            assert answer.get("errorData") == told
            (id,) = [execution.request_id for execution in running.database.executor.executions.kept][-1:]
            assert id in answer["errorMessage"]
            assert not answer.get("logLines")
            for hidden in ("secret", "ValueError", "app.py", str(Path.cwd())):
                assert hidden not in stranger.text

            operator = (await http.post(f"/api/{kind}", json=body, headers=KEY)).json()
            assert "secret" in str(operator["logLines"])
            assert ("raised secret" in operator["errorMessage"]) is (told is None)
