"""A server that redacts: clients hear that a function failed, and its request id; holders of the key hear why."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from relive.engine.application.app import App

from .harness import ADMIN_KEY, Json, Running, serve

SECRETS = ("the query broke", "adding to", "ValueError", "values.py", "counters.py", "Uncaught", "Could not find")
REDACTED = re.compile(r"\[Request ID: ([0-9a-f]{16})\] Server Error")
ADMIN = {"authorization": f"Convex {ADMIN_KEY}"}


@pytest.fixture
async def redacting(app: App) -> AsyncIterator[Running]:
    async with serve(app) as running:
        running.database.executor.redact = True
        yield running


async def call(running: Running, kind: str, path: str, admin: bool = False, **args: Any) -> Json:
    async with running.http(**(ADMIN if admin else {})) as http:
        answer = await http.post(f"/api/{kind}", json={"path": path, "args": args})
    assert answer.status_code == 200
    assert admin or not [secret for secret in SECRETS if secret in answer.text], answer.text
    body: Json = answer.json()
    return body


@pytest.mark.parametrize(
    ("kind", "path", "args"),
    [
        ("query", "values:crash", {}),
        ("query", "values:no_such", {}),
        ("query", "counters:add", {"name": "a"}),
        ("query", "counters:get", {"name": 5}),
        ("query", "counters:get_secretly", {"name": "a"}),
        ("mutation", "counters:get", {"name": "a"}),
        ("mutation", "counters:add", {"name": "a", "amount": "much"}),
        ("action", "counters:add", {"name": "a"}),
    ],
)
async def test_over_http_only_the_request_id_is_told(redacting: Running, kind: str, path: str, args: Json) -> None:
    answer = await call(redacting, kind, path, **args)
    assert answer.keys() == {"status", "errorMessage"}
    match = REDACTED.fullmatch(answer["errorMessage"])

    assert match is not None
    kept = redacting.database.executor.executions.kept
    assert [execution.request_id for execution in kept] == [match[1]]
    assert kept[0].error not in (None, "", "Server Error")
    told = (await call(redacting, kind, path, admin=True, **args)).get("errorMessage", "")
    assert path.endswith("secretly") or REDACTED.sub("", told).strip()


async def test_data_of_an_application_error_is_told(redacting: Running) -> None:
    for data in ({"code": 5}, None, "text"):
        answer = await call(redacting, "query", "values:fail", data=data)

        assert answer["errorData"] == data
        assert REDACTED.fullmatch(answer["errorMessage"])
    assert (
        "Uncaught ConvexError: text"
        in (await call(redacting, "query", "values:fail", admin=True, data="text"))["errorMessage"]
    )


async def test_log_lines_are_for_holders_of_the_key(redacting: Running) -> None:
    assert await call(redacting, "mutation", "counters:add_and_print", name="a") == {"status": "success", "value": 1}
    answer = await call(redacting, "mutation", "counters:add_and_print", admin=True, name="a")

    assert answer["logLines"] == ["[LOG] 'adding to a'"]
    kept = redacting.database.executor.executions.kept
    assert [execution.log_lines for execution in kept] == [("[LOG] 'adding to a'",)] * 2


async def test_over_a_websocket_only_the_request_id_is_told(redacting: Running) -> None:
    async with redacting.client() as client:
        await client.connect()
        await client.watch(0, "values:crash")
        (failed,) = (await client.transition())["modifications"]
        wrong = await client.answered(0, "counters:add", name=5)
        printed = await client.answered(1, "counters:add_and_print", name="a")
        data = await client.answered(2, "counters:add_and_fail", name="a")
        await client.send({"type": "Action", "requestId": 3, "udfPath": "counters:add", "args": [{}]})
        action = await client.response()

    for message in (failed["errorMessage"], wrong["result"], data["result"], action["result"]):
        assert REDACTED.fullmatch(message)
    assert (failed["logLines"], wrong["logLines"], printed["logLines"]) == ([], [], [])
    assert ("errorData" in wrong, data["errorData"]) == (False, {"name": "a"})
    ids = {execution.request_id for execution in redacting.database.executor.executions.kept if execution.error}
    assert ids == {
        REDACTED.fullmatch(text)[1]  # type: ignore[index]
        for text in (failed["errorMessage"], wrong["result"], data["result"], action["result"])
    }


async def test_a_resent_request_is_answered_without_its_log_lines_too(redacting: Running) -> None:
    for _ in range(2):
        async with redacting.client() as client:
            await client.connect()
            assert (await client.answered(0, "counters:add_and_print", name="a"))["logLines"] == []


async def test_an_admin_and_a_user_who_watch_the_same_get_their_own_texts(redacting: Running) -> None:
    async with redacting.client() as user, redacting.client() as admin:
        await admin.authenticate("Admin", ADMIN_KEY)
        for client in (user, admin):
            await client.watch(0, "values:crash_while_odd", name="a")
            await client.until(lambda client=client: 0 in client.results)  # type: ignore[misc]
        await call(redacting, "mutation", "counters:add", name="a")
        for client in (user, admin):
            await client.until(lambda client=client: client.results[0]["type"] == "QueryFailed")  # type: ignore[misc]

    assert REDACTED.fullmatch(user.results[0]["errorMessage"])
    assert user.results[0]["logLines"] == []
    assert "Uncaught ValueError: odd: 1" in admin.results[0]["errorMessage"]
    assert admin.results[0]["logLines"] == ["[LOG] 'the counter is 1'"]


async def test_who_becomes_an_admin_is_told_the_rest(redacting: Running) -> None:
    async with redacting.client() as client:
        await client.watch(0, "values:crash")
        await client.until(lambda: 0 in client.results)
        assert REDACTED.fullmatch(client.results[0]["errorMessage"])
        await client.authenticate("Admin", ADMIN_KEY)
        await client.until(lambda: "Uncaught ValueError" in client.results[0]["errorMessage"])
        await client.authenticate("None")
        await client.until(lambda: bool(REDACTED.fullmatch(client.results[0]["errorMessage"])))


async def test_a_failure_that_looks_the_same_to_a_client_is_not_sent_again(redacting: Running) -> None:
    async with redacting.client() as user, redacting.client() as admin:
        await admin.authenticate("Admin", ADMIN_KEY)
        for client in (user, admin):
            await client.connect()
            await client.watch(0, "values:crash_while_odd", name="a")
            await client.answered(0, "counters:touch")
        await admin.answered(1, "counters:add", name="a", amount=1)
        await user.answered(1, "counters:touch")
        first = user.results[0]
        await admin.answered(2, "counters:add", name="a", amount=2)  # It fails with another text.
        await user.answered(2, "counters:touch")

        assert "odd: 3" in admin.results[0]["errorMessage"]
        assert user.results[0] is first
        assert REDACTED.fullmatch(first["errorMessage"])


async def test_the_text_of_our_own_failures_never_leaves(redacting: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(type(redacting.database.executor), "mutate", break_down)
    async with redacting.http(**ADMIN) as http:
        answer = await http.post("/api/mutation", json={"path": "counters:add", "args": {}})

    assert (answer.status_code, "secret" in answer.text) == (500, False)
