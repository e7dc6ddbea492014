"""All routes as curl asks for them, in a process of its own; pages of other origins; refusals with their codes."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from relive.actors.errors import Conflict, WritesRefused
from relive.engine.application.app import App
from relive.engine.execution.calls import Call, Evaluated
from relive.engine.execution.executor import Executor
from relive.engine.version import ENGINE_VERSION
from relive.log.entry import LSN, IndexName
from relive.protocol.limits import HTTP_BODY_BYTES_MAX

from .harness import ADMIN_KEY, Json, Running, serve

JSON = ("-H", "Content-Type: application/json")
ADMIN = ("-H", f"Authorization: Convex {ADMIN_KEY}")
ORIGIN = "http://localhost:5173"
METHODS = {"GET", "POST", "OPTIONS", "PATCH", "DELETE", "PUT"}


async def curl(running: Running, route: str, *arguments: str, data: object = None) -> tuple[int, str]:
    """Status and body that a real curl gets."""
    program = shutil.which("curl")
    assert program is not None, "curl is not installed: these tests need it"
    command = [program, "--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}", *arguments]
    if data is not None:
        command += [*JSON, "--data-binary", data if isinstance(data, str) else json.dumps(data)]
    done = await trio.to_thread.run_sync(
        partial(subprocess.run, [*command, running.url + route], capture_output=True, text=True, check=True)
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


async def value(running: Running, route: str, *arguments: str, data: object = None) -> Any:
    status, body = await curl(running, route, *arguments, data=data)
    answer = json.loads(body)
    assert (status, answer["status"]) == (200, "success"), body
    return answer["value"]


async def test_curl_calls_functions_by_every_route(running: Running) -> None:
    name = {"name": "a"}
    add, get = {"path": "counters:add", "args": name}, {"path": "counters:get", "args": name}

    assert await value(running, "/api/mutation", data=add) == 1
    assert await value(running, "/api/query", data=get) == 1
    assert await value(running, "/api/query", data=get | {"args": [name]}) == 1
    assert await value(running, "/api/run/counters/add", data={"args": name}) == 2
    assert await value(running, "/api/run/counters/get", data={"args": name}) == 2
    assert await value(running, "/api/function", *ADMIN, data=add) == 3
    assert await value(running, "/api/function", *ADMIN, data=get | {"componentPath": None}) == 3
    query = ("--get", "--data-urlencode", "path=counters:get", "--data-urlencode", 'args={"name":"a"}')
    assert await value(running, "/api/query", *query) == 3
    status, body = await curl(running, "/api/query_ts", "-X", "POST")
    assert status == 200
    assert await value(running, "/api/query_at_ts", data=get | json.loads(body)) == 3
    status, body = await curl(running, "/api/query_batch", data={"queries": [get, get]})
    assert (status, [result["value"] for result in json.loads(body)["results"]]) == (200, [3, 3])
    status, body = await curl(running, "/api/action", data=add)
    assert (
        "Trying to execute counters.js:add as Action, but it is defined as Mutation."
        in json.loads(body)["errorMessage"]
    )


@pytest.mark.parametrize(
    ("format_", "shown"),
    [
        ("json", '"1152921504606846976"'),
        ("convex_clean_json", '"1152921504606846976"'),
        ("convex_encoded_json", '{"$integer":"AAAAAAAAABA="}'),
        ("convex_json", '{"$integer":"AAAAAAAAABA="}'),
        ("export_json", "1152921504606846976"),
    ],
)
async def test_curl_gets_the_format_that_it_asks_for(running: Running, format_: str, shown: str) -> None:
    body = {"path": "values:special", "args": {}, "format": format_}

    for route in ("/api/query", "/api/run/values/special", "/api/function"):
        _, answer = await curl(running, route, *ADMIN, data=body)
        assert f'"big":{shown}' in answer
    query = ("--get", "-d", "path=values:special", "-d", "args=%7B%7D", "-d", f"format={format_}")
    assert f'"big":{shown}' in (await curl(running, "/api/query", *query))[1]


async def test_curl_learns_what_the_server_is(running: Running) -> None:
    assert await curl(running, "/version") == (200, ENGINE_VERSION)
    assert await curl(running, "/instance_version") == (200, ENGINE_VERSION)
    assert await curl(running, "/instance_name") == (200, "tests")
    assert "relive" in (await curl(running, "/"))[1]
    assert await curl(running, "/echo", data="any text") == (200, "any text")
    assert await curl(running, "/api/debug_event", data={"event": "LongWebsocketDisconnect"}) == (200, "{}")
    status, body = await curl(running, "/api/check_admin_key", *ADMIN)
    assert (status, json.loads(body)["success"]) == (200, True)
    assert await curl(running, f"/api/check_admin_key?adminKey={ADMIN_KEY.replace('|', '%7C')}") == (200, body)
    assert (await curl(running, "/api/check_admin_key"))[0] == 403


@pytest.mark.parametrize(
    ("route", "arguments", "data", "status", "code"),
    [
        ("/api/query", (), {"path": "a b"}, 400, "BadConvexFunctionIdentifier"),
        ("/api/function", ADMIN, {"path": "a.py:b"}, 400, "BadConvexFunctionIdentifier"),
        ("/api/run/counters", (), {"args": {}}, 400, "MissingIdentifier"),
        ("/api/run/counters/", (), {"args": {}}, 400, "MissingIdentifier"),
        ("/api/run/counters/g%20t", (), {"args": {}}, 400, "BadConvexFunctionIdentifier"),
        ("/api/query", (), "rubbish", 400, "BadJsonBody"),
        ("/api/query", ("-d", "{}", "-H", "Content-Type: text/plain"), None, 400, "BadJsonBody"),
        ("/api/query?path=counters:get&args=rubbish", (), None, 400, "BadQueryArgs"),
        ("/api/query?args=%7B%7D", (), None, 400, "BadJsonBody"),
        ("/api/query", (), {"path": "counters:get", "format": "yaml"}, 400, "BadFormat"),
        ("/api/query", ("-H", "Authorization: Conv"), {"path": "counters:get"}, 400, "InvalidAuthHeader"),
        ("/api/query", ("-H", "Authorization: Bearer x.y.z"), {"path": "counters:get"}, 401, "NoAuthProvider"),
        ("/api/query", ("-H", "Authorization: convex x|y"), {"path": "counters:get"}, 403, "BadDeployKey"),
        ("/api/function", (), {"path": "counters:get"}, 403, "BadDeployKey"),
        ("/api/query", (), {"path": "counters:get", "componentPath": "part"}, 403, "BadDeployKey"),
        ("/api/query", ADMIN, {"path": "counters:get", "componentPath": 5}, 400, "BadJsonBody"),
        ("/api/nothing", (), {}, 404, "NotFound"),
        ("/api/mutation", ("-X", "PUT"), {}, 405, "MethodNotAllowed"),
    ],
)
async def test_curl_is_told_what_is_wrong_with_a_request(
    running: Running, route: str, arguments: tuple[str, ...], data: object, status: int, code: str
) -> None:
    found, body = await curl(running, route, *arguments, data=data)

    assert (found, json.loads(body)["code"]) == (status, code)
    assert json.loads(body)["message"]


async def test_an_app_has_no_components(running: Running) -> None:
    async with running.http(authorization=f"Convex {ADMIN_KEY}") as http:
        for component, found in (("", True), (None, True), ("part", False), ("part/of", False)):
            body = {"path": "counters:get", "args": {"name": "a"}, "componentPath": component}
            answer = (await http.post("/api/function", json=body)).json()
            assert (answer["status"] == "success") is found, answer

    assert "Could not find public function for 'part/of/counters:get'." in answer["errorMessage"]


async def test_what_is_echoed_keeps_its_type_and_has_a_limit(running: Running) -> None:
    async with running.http() as http:
        answer = await http.post("/echo", content=b"\x00\xff", headers={"content-type": "image/x"})
        assert (answer.content, answer.headers["content-type"]) == (b"\x00\xff", "image/x")
        answer = await http.post("/echo", content=bytes(HTTP_BODY_BYTES_MAX + 1))

        assert (answer.status_code, answer.json()["code"]) == (400, "BadJsonBody")


# Pages of other origins.


def allows(answer: httpx.Response) -> bool:
    headers = answer.headers
    return bool(
        headers["access-control-allow-origin"] == ORIGIN and headers["access-control-allow-credentials"] == "true"
    )


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("route", ["/api/query", "/api/run/a/b", "/api/check_admin_key", "/api/nothing"])
async def test_every_method_passes_a_preflight(running: Running, route: str, method: str) -> None:
    asked = {"access-control-request-method": method, "access-control-request-headers": "authorization,convex-client"}
    async with running.http(origin=ORIGIN, **asked) as http:
        answer = await http.options(route)

    assert (answer.status_code, allows(answer)) == (200, True)
    assert {each.strip() for each in answer.headers["access-control-allow-methods"].split(",")} == METHODS
    assert answer.headers["access-control-allow-headers"] == "authorization,convex-client"


async def test_a_page_of_another_origin_may_read_every_failure(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(executor: Executor, call: Call) -> Evaluated:
        raise RuntimeError("ours")

    body: Json = {"path": "counters:get", "args": {"name": "a"}}
    async with running.http(origin=ORIGIN) as http:
        answers = [
            await http.post("/api/query", content=b"rubbish"),
            await http.post("/api/query", json=body, headers={"authorization": "Convex x"}),
            await http.post("/api/query", json=body, headers={"authorization": "Bearer x.y"}),
            await http.get("/api/mutation"),
            await http.get("/api/nothing"),
        ]
        monkeypatch.setattr(Executor, "query", break_down)
        answers.append(await http.post("/api/query", json=body))

    assert [answer.status_code for answer in answers] == [400, 403, 401, 405, 404, 500]
    assert all(map(allows, answers))


# Failures that pass.


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WritesRefused("no space left"), "DiskFull"),
        (
            Conflict("counters:add", "counters:add", LSN(1), LSN(2), IndexName("counters", "by_id"), b"", ""),
            "OptimisticConcurrencyControlFailure",
        ),
    ],
)
async def test_what_may_work_later_is_answered_503(
    app: App, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    async with serve(app) as running:
        monkeypatch.setattr(Executor, "mutate", refuse)
        async with running.http() as http:
            answer = await http.post("/api/mutation", json={"path": "counters:add", "args": {"name": "a"}})

    assert (answer.status_code, answer.json()["code"]) == (503, code)
