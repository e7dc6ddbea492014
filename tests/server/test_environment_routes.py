"""Environment variables over HTTP."""

from __future__ import annotations

import logging

import httpx
import pytest
from relive.engine.application.app import App
from relive.log.entry import Kind
from relive.log.memory import MemoryStorage
from relive.protocol import cbor

from .harness import ADMIN_KEY, Running, serve

KEY = {"Authorization": f"Convex {ADMIN_KEY}"}
UPDATE = "/api/update_environment_variables"
LIST = "/api/list_environment_variables"


async def update(running: Running, *changes: object, **headers: str) -> httpx.Response:
    async with running.http(**(headers or KEY)) as http:
        return await http.post(UPDATE, json={"changes": list(changes)})


async def variables(running: Running) -> dict[str, str]:
    async with running.http(**KEY) as http:
        listed: dict[str, str] = (await http.get(LIST)).json()["environmentVariables"]
        return listed


async def test_variables_are_set_changed_listed_and_removed(running: Running) -> None:
    answer = await update(running, {"name": "B", "value": "1"}, {"name": "A", "value": "ä\n"})
    assert (answer.status_code, answer.json()) == (200, {"changed": 2})
    assert list((await variables(running)).items()) == [("A", "ä\n"), ("B", "1")]

    answer = await update(running, {"name": "B", "value": None}, {"name": "C"}, {"name": "A", "value": "2"})
    assert answer.json() == {"changed": 2}
    assert await variables(running) == {"A": "2"}


async def test_the_entry_says_what_was_asked_for_and_by_whom(running: Running) -> None:
    await update(running, {"name": "A", "value": "secret"}, {"name": "B", "value": None})
    entry = running.database.executor.entry(running.database.runtime.tail.head)
    assert (entry.kind, entry.function, entry.cause.kind) == (Kind.SYSTEM, "update_environment_variables", "http")
    assert cbor.decode(entry.args) == {"set": ["A"], "removed": ["B"]}

    await update(running, {"name": "A", "value": "other"}, **KEY, **{"Convex-Client": "relive-0.1.0"})
    assert running.database.executor.entry(running.database.runtime.tail.head).cause.kind == "cli"


async def test_only_holders_of_the_admin_key_may_ask(running: Running) -> None:
    async with running.http() as http:
        for answer in (await http.get(LIST), await http.post(UPDATE, json={"changes": []})):
            assert (answer.status_code, answer.json()["code"]) == (403, "BadDeployKey")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "BadJsonBody"),
        ({"changes": {"name": "A"}}, "BadJsonBody"),
        ({"changes": [{"value": "A"}]}, "BadJsonBody"),
        ({"changes": [{"name": "A", "value": 1}]}, "BadJsonBody"),
        ({"changes": [{"name": "1A", "value": "x"}]}, "EnvironmentVariableInvalid"),
        ({"changes": [{"name": "A", "value": "x" * 9000}]}, "EnvironmentVariableInvalid"),
        ({"changes": [{"name": f"A{n}", "value": ""} for n in range(513)]}, "EnvironmentVariableInvalid"),
    ],
)
async def test_what_cannot_be_set_is_refused_and_changes_nothing(running: Running, body: object, code: str) -> None:
    async with running.http(**KEY) as http:
        answer = await http.post(UPDATE, json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert await variables(running) == {}


async def test_no_value_is_ever_written_to_the_servers_log(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await update(running, {"name": "A", "value": "very-secret"})
        await update(running, {"name": "A", "value": "very-secret" * 1000})
        await update(running, {"name": "1", "value": "very-secret"})

    assert "very-secret" not in caplog.text


async def test_variables_are_served_again_after_a_restart(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running:
        await update(running, {"name": "A", "value": "1"})
    async with serve(app, storage) as running:
        assert await variables(running) == {"A": "1"}
        async with running.http(**KEY) as http:
            assert (await http.get("/api/v1/list_environment_variables")).status_code == 200


async def test_the_queries_of_convexs_command_line_are_there_for_holders_of_the_admin_key(running: Running) -> None:
    await update(running, {"name": "B", "value": "2"}, {"name": "A", "value": "1"})
    path = "_system/cli/queryEnvironmentVariables"

    async def ask(path: str, args: object, **headers: str) -> object:
        async with running.http(**headers) as http:
            answer = (await http.post("/api/query", json={"path": path, "args": args})).json()
        return answer["value"] if answer["status"] == "success" else answer["errorMessage"]

    assert await ask(path, {}, **KEY) == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert await ask(f"{path}:get", {"name": "B"}, **KEY) == {"name": "B", "value": "2"}
    assert await ask(f"{path}:get", {"name": "C"}, **KEY) is None
    for name in (path, f"{path}:get"):
        assert "Could not find public function" in str(await ask(name, {"name": "B"}))
