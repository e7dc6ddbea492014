"""Admin keys that may do less than everything: each route asks for its power, and for no other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from relive.engine.admin_key import POWERS, AdminKey, AdminKeys, Power, hash_of
from relive.engine.application.app import App
from relive.engine.server import http
from relive.engine.server.access import Access
from starlette.routing import Route

from .harness import ADMIN_KEY, Running, serve

FREE = {
    "/",
    "/version",
    "/instance_name",
    "/instance_version",
    "/echo",
    "/api/debug_event",
    "/api/check_admin_key",
    "/api/storage/upload",
    "/api/storage/{name:path}",
}
"""Paths that ask for no power; those of files ask for an address that nobody can guess."""
FUNCTIONS = {"query", "mutation", "action", "query_ts", "query_at_ts", "query_batch", "run/{path:path}"}
"""Paths below /api that whoever may call a public function may ask for."""
POWER_OF: dict[str, Power] = {
    "GET /api/stream_function_logs": "read",
    "GET /api/stream_udf_execution": "read",
    "GET /api/relive/export": "read",
    "POST /api/export/request/zip": "read",
    "GET /api/export/zip/{ts}": "read",
    "POST /api/past/query": "read",
    "POST /api/past/why": "read",
    "POST /api/past/state": "read",
    "GET /api/relive/actions": "read",
    "GET /api/relive/actions/{id}": "read",
    "GET /api/relive/jobs": "read",
    "GET /api/relive/crons": "read",
    "GET /api/deployment_state": "read",
    "POST /api/relive/actions/{id}/cancel": "write",
    "POST /api/relive/jobs/{id}/cancel": "write",
    "POST /api/change_deployment_state": "write",
    "POST /api/relive/import": "write",
    "POST /api/import": "write",
    "POST /api/import/start_upload": "write",
    "POST /api/import/upload_part": "write",
    "POST /api/import/finish_upload": "write",
    "POST /api/perform_import": "write",
    "POST /api/function": "run",
    "POST /api/relive/deploy": "deploy",
    "GET /api/relive/migrations": "deploy",
    "POST /api/relive/migrations/run": "deploy",
    "POST /api/relive/migrations/cancel": "deploy",
    "POST /api/relive/migrations/rehearse": "deploy",
    "POST /api/update_environment_variables": "env",
    "POST /api/v1/update_environment_variables": "env",
    "GET /api/list_environment_variables": "env",
    "GET /api/v1/list_environment_variables": "env",
}


def keys(instance_name: str = "tests") -> AdminKeys:
    """One key with each power alone, and one with all but it; named by their secrets."""
    everything = frozenset(POWERS)
    stored = [(hash_of(f"only {power}"), frozenset({power})) for power in everything]
    stored += [(hash_of(f"not {power}"), everything - {power}) for power in everything]
    return AdminKeys(instance_name, AdminKey(ADMIN_KEY), lambda: stored)


@pytest.fixture
async def running(app: App) -> AsyncIterator[Running]:
    async with serve(app, admin_keys=keys()) as running:
        yield running


def with_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Convex {key}"}


async def test_every_route_is_known_here(running: Running) -> None:
    application = http.routes(running.database, Access(keys(), running.server.keys), "tests")
    found = {
        f"{method} {route.path}"
        for route in application.app.routes  # type: ignore[attr-defined]
        if isinstance(route, Route)
        for method in route.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    open_to_all = {name for name in found if name.split()[1] in FREE or name.split("/api/")[-1] in FUNCTIONS}

    assert found - open_to_all == POWER_OF.keys()


@pytest.mark.parametrize(("route", "power"), POWER_OF.items())
async def test_a_route_opens_to_keys_with_its_power_and_to_no_others(
    running: Running, route: str, power: Power
) -> None:
    method, path = route.split()
    path = path.replace("{ts}", "1").replace("{id}", "x")
    async with running.http() as client:
        without = await client.request(method, path)
        less = await client.request(method, path, headers=with_key(f"not {power}"))
        async with client.stream(method, path, headers=with_key(f"only {power}")) as enough:
            status = enough.status_code

    assert (without.status_code, without.json()["code"]) == (403, "BadDeployKey")
    assert (less.status_code, less.json()["code"]) == (403, "BadDeployKey")
    assert f"the power `{power}`" in less.json()["message"]
    assert status not in (401, 403)


async def test_functions_are_called_with_a_key_that_may_run_them_or_with_none(running: Running) -> None:
    ask = {"path": "counters:get", "args": {"name": "a"}, "format": "json"}
    async with running.http() as client:
        assert (await client.post("/api/query", json=ask)).status_code == 200
        assert (await client.post("/api/query", json=ask, headers=with_key("only run"))).status_code == 200
        refused = await client.post("/api/query", json=ask, headers=with_key("not run"))
    assert (refused.status_code, refused.json()["code"]) == (403, "BadDeployKey")
    assert "this one has: deploy, env, read, write" in refused.json()["message"]


async def test_every_key_is_a_key(running: Running) -> None:
    async with running.http() as client:
        assert (await client.get("/api/check_admin_key", headers=with_key("only env"))).status_code == 200
        assert (await client.get("/api/check_admin_key", headers=with_key("none"))).status_code == 403


@pytest.mark.parametrize(("key", "accepted"), [("only run", True), ("not run", False), ("none", False)])
async def test_a_socket_opens_to_a_key_that_may_run_functions(running: Running, key: str, accepted: bool) -> None:
    async with running.client() as client:
        await client.connect()
        await client.authenticate("Admin", key)
        answer = await client.next()
    assert answer["type"] == ("Transition" if accepted else "AuthError")


async def test_a_key_that_is_revoked_opens_nothing_more_on_a_socket_that_is_open(app: App) -> None:
    stored = [(hash_of("lent"), frozenset[Power]({"run"}))]
    async with serve(app, admin_keys=AdminKeys("tests", AdminKey(ADMIN_KEY), lambda: stored)) as running:
        async with running.client() as busy, running.client() as quiet:
            for client in (busy, quiet):
                await client.authenticate("Admin", "tests|lent")
                await client.watch(0, "counters:get_secretly", name="a")
                while client.value(0) != 0.0:
                    await client.transition()
            stored.clear()
            await busy.mutate(0, "counters:add_secretly", name="a")
            for client in (busy, quiet):
                while (message := await client.next())["type"] == "Transition":
                    pass
                assert message == {
                    "type": "AuthError",
                    "error": "the admin key is wrong",
                    "baseVersion": 1,
                    "authUpdateAttempted": False,
                }
        async with running.http() as http:
            asked = {"path": "counters:get", "args": {"name": "a"}}
            assert (await http.post("/api/query", json=asked)).json()["value"] == 0.0


async def test_when_keys_cannot_be_read_those_who_came_with_one_are_sent_away_and_nobody_else(app: App) -> None:
    readable = True

    def stored() -> list[tuple[str, frozenset[Power]]]:
        if not readable:
            raise OSError("cannot be read")
        return [(hash_of("lent"), frozenset[Power]({"run"}))]

    keys = AdminKeys("tests", AdminKey(ADMIN_KEY), stored)
    async with (
        serve(app, admin_keys=keys) as running,
        running.client() as lent,
        running.client() as anybody,
    ):
        await lent.authenticate("Admin", "tests|lent")
        await lent.transition()
        readable = False
        await lent.closed()

        assert (await anybody.answered(0, "counters:add", name="a"))["success"]


SYSTEM_QUERIES: dict[str, Power] = {
    "_system/cli/queryEnvironmentVariables": "env",
    "_system/cli/queryEnvironmentVariables.js:default": "env",
    "_system/cli/exports:getLatest": "read",
    "_system/cli/queryImport:list": "write",
}


@pytest.mark.parametrize(("path", "power"), SYSTEM_QUERIES.items())
async def test_queries_of_the_system_ask_for_the_power_of_what_they_tell(app: App, path: str, power: Power) -> None:
    everything = frozenset(POWERS)
    stored = [(hash_of("enough"), frozenset[Power]({"run", power})), (hash_of("less"), everything - {power})]
    keys = AdminKeys("tests", AdminKey(ADMIN_KEY), lambda: stored)
    ask = {"path": path, "args": {}}
    async with serve(app, admin_keys=keys) as running, running.http() as http, running.client() as client:
        for key in ("tests|enough", ADMIN_KEY):
            assert (await http.post("/api/query", json=ask, headers=with_key(key))).json()["status"] == "success"
        for route in ("/api/query", "/api/function"):
            less = await http.post(route, json=ask, headers=with_key("tests|less"))
            assert (less.status_code, f"the power `{power}`" in less.json()["message"]) == (403, True)
        if power != "read":
            past = await http.post("/api/past/query", json={**ask, "at": "1"}, headers=with_key("tests|less"))
            assert past.status_code == 403
        await client.watch(0, path)
        for key, kind in (("less", "QueryFailed"), ("enough", "QueryUpdated"), ("less", "QueryFailed")):
            await client.authenticate("Admin", f"tests|{key}")
            confirmed = client.identity
            while client.version["identity"] != confirmed:
                await client.transition()
            assert client.results[0]["type"] == kind
