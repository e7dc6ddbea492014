"""The HTTP API, as curl and the official HTTP clients use it."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
import trio
from relive.engine.admin_key import AdminKey
from relive.engine.application.app import App
from relive.engine.execution.calls import Call, Evaluated
from relive.engine.execution.executor import Executor
from relive.engine.server.listener import Server
from relive.protocol.limits import HTTP_BODY_BYTES_MAX

from .harness import ADMIN_KEY, PATIENCE_S, Json, Running, eventually, serve

NAME = {"name": "a"}
ONE = {"$integer": "AQAAAAAAAAA="}
ENCODED = {"format": "convex_encoded_json"}


async def post(running: Running, route: str, body: Any, **headers: str) -> httpx.Response:
    async with running.http(**headers) as http:
        return await http.post(route, json=body)


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an answer that says why there is none."""
    body = answer.json()
    assert body.keys() == {"code", "message"}
    assert isinstance(body["message"], str)
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, body["code"]


# Running functions.


async def test_queries_and_mutations_run(running: Running) -> None:
    for args in (NAME, [NAME]):
        answer = await post(running, "/api/mutation", {"path": "counters:add", "args": args})
        assert answer.status_code == 200
    assert answer.json() == {"status": "success", "value": 2}

    answer = await post(running, "/api/query", {"path": "counters:get", "args": NAME} | ENCODED)
    assert answer.content == b'{"status":"success","value":2.0}'


async def test_a_query_may_be_asked_by_get(running: Running) -> None:
    async with running.http() as http:
        parameters = {"path": "values:echo", "args": '{"value":{"$integer":"AQAAAAAAAAA="}}'}
        assert (await http.get("/api/query", params=parameters)).json()["value"] == "1"

        assert (await http.get("/api/query", params=parameters | ENCODED)).json()["value"] == ONE
        assert problem(await http.get("/api/query", params={"path": "values:echo", "args": "{"})) == (
            400,
            "BadQueryArgs",
        )
        assert problem(await http.get("/api/query"))[0] == 400


async def test_any_function_runs_by_its_path_in_the_url(running: Running) -> None:
    answer = await post(running, "/api/run/counters/add", {"args": NAME})
    assert answer.json() == {"status": "success", "value": 1}

    answer = await post(running, "/api/run/counters/get", {"args": NAME, "format": "convex_encoded_json"})
    assert answer.content == b'{"status":"success","value":1.0}'
    answer = await post(running, "/api/run/counters/nope", {"args": {}})
    assert "Could not find public function for 'counters:nope'." in answer.json()["errorMessage"]
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("route", "path", "text"),
    [
        ("/api/query", "no:such", "Could not find public function for 'no:such'."),
        ("/api/query", "counters:add", "Trying to execute counters.js:add as Query, but it is defined as Mutation."),
        ("/api/mutation", "counters:get", "Trying to execute counters.js:get as Mutation, but it is defined as Query."),
        ("/api/action", "counters:get", "Trying to execute counters.js:get as Action, but it is defined as Query."),
        ("/api/action", "no:such", "Could not find public function for 'no:such'."),
        ("/api/query", "counters:get_secretly", "Could not find public function for 'counters:get_secretly'."),
        ("/api/mutation", "counters:add_secretly", "Could not find public function for 'counters:add_secretly'."),
        ("/api/run/counters/get_secretly", "", "Could not find public function for 'counters:get_secretly'."),
    ],
)
async def test_a_call_that_cannot_work_is_a_failure_with_status_200(
    running: Running, route: str, path: str, text: str
) -> None:
    answer = await post(running, route, {"path": path, "args": NAME})

    assert answer.status_code == 200
    assert answer.json().keys() == {"status", "errorMessage"}
    assert text in answer.json()["errorMessage"]


async def test_bad_arguments_are_named_by_their_path(running: Running) -> None:
    answer = await post(running, "/api/mutation", {"path": "counters:add", "args": {"name": "a", "amount": "x"}})

    assert answer.json()["status"] == "error"
    assert "$.amount" in answer.json()["errorMessage"]


async def test_an_application_error_carries_its_data_even_if_that_is_null(running: Running) -> None:
    for data in (None, {"code": 5}, "text"):
        answer = await post(running, "/api/query", {"path": "values:fail", "args": {"data": data}})
        assert answer.status_code == 200
        assert answer.json()["errorData"] == data

    assert "Uncaught ConvexError: text" in answer.json()["errorMessage"]
    answer = await post(running, "/api/query", {"path": "values:crash", "args": {}})
    assert "errorData" not in answer.json()
    assert "Uncaught ValueError: the query broke" in answer.json()["errorMessage"]


async def test_log_lines_are_there_only_if_something_was_printed(running: Running) -> None:
    answer = await post(running, "/api/mutation", {"path": "counters:add_and_print", "args": NAME})

    assert answer.json() == {"status": "success", "value": 1, "logLines": ["[LOG] 'adding to a'"]}


# Formats.


SPECIAL = {
    "json": b'"big":"1152921504606846976","data":"AP8=","endless":"Infinity","nothing":null,"minus_zero":-0.0',
    "convex_encoded_json": (
        b'"big":{"$integer":"AAAAAAAAABA="},"data":{"$bytes":"AP8="},"endless":{"$float":"AAAAAAAA8H8="},'
        b'"nothing":null,"minus_zero":{"$float":"AAAAAAAAAIA="}'
    ),
    "export_json": (
        b'"big":1152921504606846976,"data":{"$bytes":"AP8="},"endless":{"$float":"AAAAAAAA8H8="},'
        b'"nothing":null,"minus_zero":-0.0'
    ),
}
SPECIAL |= {"convex_clean_json": SPECIAL["json"], "convex_json": SPECIAL["convex_encoded_json"]}


@pytest.mark.parametrize("format_", SPECIAL)
async def test_every_format_writes_every_kind_of_value(running: Running, format_: str) -> None:
    answer = await post(running, "/api/query", {"path": "values:special", "args": {}, "format": format_})

    shown = answer.content.removeprefix(b'{"status":"success","value":{').removesuffix(b"}}")
    assert sorted(shown.split(b",")) == sorted(SPECIAL[format_].split(b","))


async def test_errors_have_the_format_asked_for(running: Running) -> None:
    args = {"data": ONE}

    encoded = await post(running, "/api/query", {"path": "values:fail", "args": args} | ENCODED)
    assert encoded.json()["errorData"] == ONE
    plain = await post(running, "/api/query", {"path": "values:fail", "args": args})
    assert plain.json()["errorData"] == "1"


@pytest.mark.parametrize(
    ("client", "encoded"),
    [
        ("", False),
        ("npm-1.48.0", False),
        ("npm-1.4.1", False),
        ("npm-1.4.0", True),
        ("npm-1.4.1-alpha.0", True),
        ("npm-cli-1.48.0", False),
        ("npm-cli-1.2.0", True),
        ("actions-1.4.0", True),
        ("python-0.8.1", False),
        ("python-0.4.9", True),
        ("python-convex-0.8.1", False),
        ("rust-0.1.0", False),
        ("npm", False),
        ("npm-\N{SUPERSCRIPT TWO}.1.1", False),
    ],
)
async def test_old_clients_get_the_encoding_of_their_time(running: Running, client: str, encoded: bool) -> None:
    async with running.http() as http:
        answer = await http.post(
            "/api/query",
            json={"path": "values:echo", "args": {"value": ONE}},
            headers=[(b"convex-client", client.encode("latin-1"))],
        )

    assert answer.json()["value"] == (ONE if encoded else "1")


# Requests that reach no function.


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"rubbish", "BadJsonBody"),
        (b"", "BadJsonBody"),
        (b"[]", "BadJsonBody"),
        (b"null", "BadJsonBody"),
        (b"\xff", "BadJsonBody"),
        (b"{}", "BadJsonBody"),
        (b'{"path":5}', "BadJsonBody"),
        (b'{"path":"rubbish path !"}', "BadConvexFunctionIdentifier"),
        (b'{"path":"counters:get:get"}', "BadConvexFunctionIdentifier"),
        (b'{"path":""}', "BadConvexFunctionIdentifier"),
        (b'{"path":"counters:get","args":{},"format":"xml"}', "BadFormat"),
        (b'{"path":"counters:get","args":{},"format":["json"]}', "BadFormat"),
        (b'{"path":"counters:get","args":{},"format":5}', "BadFormat"),
        (b'{"path":"counters:get","args":{},"ts":"rubbish"}', "BadQueryArgs"),
        (b'{"path":"counters:get","args":' + b"[" * 100_000, "BadJsonBody"),
    ],
)
async def test_a_body_that_is_no_call_is_refused(running: Running, body: bytes, code: str) -> None:
    async with running.http() as http:
        answer = await http.post("/api/query", content=body, headers={"content-type": "application/json"})

    assert problem(answer) == (400, code)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/jsonp"])
async def test_a_body_of_another_type_is_refused(running: Running, content_type: str | None) -> None:
    async with running.http() as http:
        headers = {} if content_type is None else {"content-type": content_type}
        answer = await http.post("/api/query", content=b"{}", headers=headers)

    assert problem(answer) == (400, "BadJsonBody")


async def test_the_content_type_may_have_parameters(running: Running) -> None:
    async with running.http() as http:
        body = b'{"path":"counters:get","args":{"name":"a"}}'
        headers = {"content-type": "Application/JSON; charset=utf-8"}
        assert (await http.post("/api/query", content=body, headers=headers)).json()["status"] == "success"


async def test_a_body_over_the_limit_is_refused(running: Running) -> None:
    start = b'{"path":"values:length","args":{"text":"'
    async with running.http() as http:
        for extra, status in ((0, 200), (1, 400)):
            body = start + b"x" * (HTTP_BODY_BYTES_MAX - len(start) - 3 + extra) + b'"}}'
            answer = await http.post("/api/mutation", content=body, headers={"content-type": "application/json"})
            assert answer.status_code == status

    assert problem(answer) == (400, "BadJsonBody")


@pytest.mark.parametrize("route", ["/api/nope", "/nope", "/api", "/api/run", "/api/sync", "/api/1.48.0/sync"])
async def test_an_unknown_route_is_not_found(running: Running, route: str) -> None:
    async with running.http() as http:
        assert problem(await http.get(route)) == (404, "NotFound")


@pytest.mark.parametrize("route", ["/api/mutation", "/api/query_ts", "/api/function", "/api/run/counters/get"])
async def test_other_methods_are_not_allowed(running: Running, route: str) -> None:
    async with running.http() as http:
        assert problem(await http.get(route)) == (405, "MethodNotAllowed")
        assert problem(await http.delete(route)) == (405, "MethodNotAllowed")


async def test_our_own_failure_is_an_internal_error_in_json(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(executor: Executor, call: Call) -> Evaluated:
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(Executor, "query", break_down)
    answer = await post(running, "/api/query", {"path": "counters:get", "args": NAME})

    assert problem(answer) == (500, "InternalServerError")
    assert "secret" not in answer.text
    await eventually(lambda: "a secret of the server" in caplog.text)
    assert (await post(running, "/api/mutation", {"path": "counters:add", "args": NAME})).status_code == 200


# About the server.


async def test_the_server_says_what_it_is(running: Running) -> None:
    async with running.http() as http:
        assert (await http.get("/instance_name")).text == "tests"
        assert (await http.get("/version")).text == (await http.get("/instance_version")).text != ""
        assert "relive" in (await http.get("/")).text


# The admin key.


@pytest.mark.parametrize(
    "header",
    [
        f"Convex {ADMIN_KEY}",
        f"convex {ADMIN_KEY}",
        f"CONVEX   {ADMIN_KEY}",
        f"Convex prod:{ADMIN_KEY}",
        f"Convex dev:{ADMIN_KEY}",
        f"Convex {ADMIN_KEY}:eyJzdWIiOiJtZSJ9",
        f"Convex prod:{ADMIN_KEY}:eyJzdWIiOiJtZSJ9",
        f"Convex preview:team:project|{ADMIN_KEY.partition('|')[2]}:eyJzdWIiOiJtZSJ9",
        f"Convex {ADMIN_KEY.partition('|')[2]}:eyJzdWIiOiJtZSJ9",
        "Convex preview:" + ADMIN_KEY,
        "Convex preview:team:project|" + ADMIN_KEY.partition("|")[2],
    ],
)
async def test_the_admin_key_opens_in_every_form_that_tools_write(running: Running, header: str) -> None:
    async with running.http(authorization=header) as http:
        answer = await http.get("/api/check_admin_key")

    assert answer.status_code == 200
    assert answer.json() == {"success": True, "allowedOps": ["*"], "isReadOnly": False}


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("Convex wrong", 403, "BadDeployKey"),
        ("Convex happy-otter-123|wrong", 403, "BadDeployKey"),
        ("Convex other|" + ADMIN_KEY.partition("|")[2], 403, "BadDeployKey"),
        ("Convex " + ADMIN_KEY.partition("|")[0], 403, "BadDeployKey"),
        ("Convex happy-otter-123|", 403, "BadDeployKey"),
        ("Convex preview:x|", 403, "BadDeployKey"),
        ("Convex |", 403, "BadDeployKey"),
        ("Convex :", 403, "BadDeployKey"),
        (f"Convex {ADMIN_KEY}:rubbish", 400, "InvalidAuthHeader"),
        (f"Convex {ADMIN_KEY}:", 400, "InvalidAuthHeader"),
        (f"Convex {ADMIN_KEY}:W10=", 400, "InvalidAuthHeader"),
        ("Convex happy-otter-123|wrong:eyJzdWIiOiJtZSJ9", 403, "BadDeployKey"),
        ("Convex", 400, "InvalidAuthHeader"),
        ("Conv", 400, "InvalidAuthHeader"),
        ("Basic dXNlcjpwYXNz", 400, "InvalidAuthHeader"),
    ],
)
async def test_any_other_key_is_refused(running: Running, header: str, status: int, code: str) -> None:
    async with running.http(authorization=header) as http:
        answer = await http.get("/api/check_admin_key")
        assert problem(answer) == (status, code)
        answer = await http.post("/api/query", json={"path": "counters:get", "args": NAME})

        assert problem(answer) == (status, code)


async def test_a_token_is_no_admin_key_and_is_refused_where_no_provider_is_configured(running: Running) -> None:
    async with running.http(authorization="Bearer a.b.c") as http:
        answer = await http.get("/api/check_admin_key")
        assert problem(answer) == (403, "BadDeployKey")
        answer = await http.post("/api/query", json={"path": "counters:get", "args": NAME})

        assert problem(answer) == (401, "NoAuthProvider")


def test_an_empty_key_opens_nothing() -> None:
    for key in ("name|secret", "secret", "name|"):
        for given in ("", " ", "|", "preview:x|", ":"):
            assert not AdminKey(key).opens(given)


async def test_the_admin_key_may_come_as_a_parameter(running: Running) -> None:
    async with running.http() as http:
        assert (await http.get("/api/check_admin_key", params={"adminKey": ADMIN_KEY})).status_code == 200
        assert problem(await http.get("/api/check_admin_key", params={"adminKey": "x"})) == (403, "BadDeployKey")
        assert problem(await http.get("/api/check_admin_key")) == (403, "BadDeployKey")


async def test_internal_functions_run_with_the_key(running: Running) -> None:
    body = {"path": "counters:add_secretly", "args": NAME}
    assert problem(await post(running, "/api/function", body)) == (403, "BadDeployKey")

    answer = await post(running, "/api/function", body, authorization=f"Convex {ADMIN_KEY}")
    assert answer.json() == {"status": "success", "value": 1}
    body = {"path": "counters:get_secretly", "args": NAME}
    answer = await post(running, "/api/function", body, authorization=f"Convex {ADMIN_KEY}")
    assert answer.json() == {"status": "success", "value": 1}
    answer = await post(running, "/api/function", {"path": "counters:get", "args": NAME, "componentPath": "x"})
    assert problem(answer) == (403, "BadDeployKey")


# Reads of one moment.


async def test_a_moment_can_be_read_again_after_later_writes(running: Running) -> None:
    async with running.http() as http:
        add = {"path": "counters:add", "args": NAME}
        moments = []
        for _ in range(3):
            moments.append((await http.post("/api/query_ts")).json()["ts"])
            await http.post("/api/mutation", json=add)
        values = [
            (await http.post("/api/query_at_ts", json={"path": "counters:get", "args": NAME, "ts": ts})).json()["value"]
            for ts in reversed(moments)
        ]

        assert values == [2, 1, 0]


async def test_a_moment_must_be_given_and_not_be_before_the_log(running: Running) -> None:
    async with running.http() as http:
        body = {"path": "counters:get", "args": NAME}
        assert problem(await http.post("/api/query_at_ts", json=body)) == (400, "BadQueryArgs")
        assert problem(await http.post("/api/query_at_ts", json=body | {"ts": "x"})) == (400, "BadQueryArgs")


async def test_a_batch_is_of_one_moment(running: Running) -> None:
    query = {"path": "counters:get", "args": NAME}
    fails = {"path": "values:crash", "args": {}}

    async with running.http() as http, trio.open_nursery() as nursery:

        async def add() -> None:
            while True:
                await http.post("/api/mutation", json={"path": "counters:add", "args": NAME})

        nursery.start_soon(add)
        for _ in range(10):
            answer = await http.post("/api/query_batch", json={"queries": [query, fails, *[query] * 20]})
            results = answer.json()["results"]
            assert len({result["value"] for result in results if result["status"] == "success"}) == 1
            assert results[1]["status"] == "error"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("body", [{}, {"queries": {}}, {"queries": [5]}, {"queries": [{}]}, {"queries": [{}] * 1001}])
async def test_a_batch_that_is_none_is_refused(running: Running, body: Json) -> None:
    assert problem(await post(running, "/api/query_batch", body)) == (400, "BadJsonBody")


# Browsers.


async def test_a_preflight_is_answered_for_any_origin(running: Running) -> None:
    async with running.http() as http:
        answer = await http.options(
            "/api/mutation",
            headers={
                "origin": "https://example.org",
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,content-type,convex-client",
            },
        )

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://example.org"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type,convex-client"
    assert answer.headers["access-control-max-age"] == "86400"
    methods = {method.strip() for method in answer.headers["access-control-allow-methods"].split(",")}
    assert methods == {"GET", "POST", "OPTIONS", "PATCH", "DELETE", "PUT"}


async def test_answers_and_refusals_name_the_origin(running: Running) -> None:
    async with running.http(origin="http://localhost:5173") as http:
        for answer in (
            await http.post("/api/query", json={"path": "counters:get", "args": NAME}),
            await http.post("/api/query", content=b"rubbish"),
            await http.get("/api/nope"),
        ):
            assert answer.headers["access-control-allow-origin"] == "http://localhost:5173"
            assert answer.headers["access-control-allow-credentials"] == "true"
            assert "Origin" in answer.headers["vary"]


# Connections.


async def test_one_connection_serves_many_requests(running: Running) -> None:
    async with running.http() as http:
        for number in range(1, 6):
            answer = await http.post("/api/mutation", json={"path": "counters:add", "args": NAME})
            assert answer.json()["value"] == number
        assert len(running.server.streams) == 1


async def exchange(running: Running, sent: bytes, answers: int = 1) -> bytes:
    """What comes back for raw bytes, until so many answers began and a moment passed."""
    async with await running.raw() as stream:
        await stream.send_all(sent)
        received = b""
        with trio.move_on_after(2):
            while received.count(b"HTTP/1.1 ") < answers:
                data = await stream.receive_some()
                if not data:
                    break
                received += data
    return received


async def test_requests_sent_ahead_are_answered_in_order(running: Running) -> None:
    one = b"GET /instance_name HTTP/1.1\r\nhost: x\r\n\r\n"
    received = await exchange(running, one + b"GET /nope HTTP/1.1\r\nhost: x\r\n\r\n" + one, answers=3)

    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"404", b"200"]


async def test_rubbish_after_a_request_does_not_spoil_its_answer(running: Running) -> None:
    received = await exchange(running, b"GET /instance_name HTTP/1.1\r\nhost: x\r\n\r\n\x00\xff rubbish\r\n\r\n")

    assert received.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"rubbish\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"x" * 100_000,
    ],
)
async def test_what_is_no_request_is_answered_400(running: Running, sent: bytes) -> None:
    assert (await exchange(running, sent)).startswith(b"HTTP/1.1 4")


async def test_a_client_that_leaves_in_the_middle_of_its_request_is_forgotten_quietly(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /api/mutation HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
    for sent in (b"GET / HT", head, head + b'{"path":'):
        async with await running.raw() as stream:
            await stream.send_all(sent)
            await trio.sleep(0.01)
    await eventually(lambda: not running.server.streams)

    assert caplog.text == ""


async def test_a_client_that_leaves_before_its_answer_is_forgotten_quietly(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    running.disk.close()
    async with running.http() as http:
        with trio.move_on_after(0.1):
            await http.post("/api/mutation", json={"path": "counters:add", "args": NAME})
    running.disk.open()
    await eventually(lambda: not running.server.streams)

    assert caplog.text == ""
    assert (await post(running, "/api/query", {"path": "counters:get", "args": NAME})).json()["value"] == 1


async def test_http_and_websockets_share_one_port(running: Running) -> None:
    async with running.http() as http, running.client() as client:
        await client.watch(0, "counters:get", name="a")
        await client.transition()
        await http.post("/api/mutation", json={"path": "counters:add", "args": NAME})
        await client.until(lambda: client.value(0) == 1.0)

        await client.answered(0, "counters:add", name="a")
        answer = await http.post("/api/query", json={"path": "counters:get", "args": NAME})
        assert answer.json()["value"] == 2


@pytest.mark.parametrize(
    "asked",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        b"GET /version HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
        b"http2-settings: AAMAAABkAAQAAP__\r\n\r\n",
    ],
)
@pytest.mark.parametrize("before", [b"", b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n"])
async def test_http_2_is_not_spoken(running: Running, before: bytes, asked: bytes) -> None:
    async with await running.raw() as stream:
        await stream.send_all(before + asked)
        received = b""
        with trio.fail_after(PATIENCE_S):
            while received.count(b"HTTP/1.1 ") < (2 if before else 1):
                received += await stream.receive_some()

    assert b"101" not in received
    assert received.rpartition(b"HTTP/1.1 ")[2][:3] in (b"200", b"404", b"405")


async def test_over_the_limit_of_connections_new_ones_are_closed(app: App) -> None:
    async with serve(app) as running, await running.raw(), await running.raw():
        running.server.descriptors.most = 2
        await eventually(lambda: len(running.server.streams) == 2)
        async with await running.raw() as third:
            assert await third.receive_some() == b""
    assert isinstance(running.server, Server)


async def test_json_answers_are_json(running: Running) -> None:
    answer = await post(running, "/api/query", {"path": "values:echo", "args": {"value": "é\u2028\U0001f600"}})

    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.content)["value"] == "é\u2028\U0001f600"


async def test_a_moment_that_has_not_come_yet_cannot_be_read(running: Running) -> None:
    body = {"path": "counters:get", "args": {"name": "a"}, "ts": "/////////38="}
    async with running.http() as http:
        answer = await http.post("/api/query_at_ts", json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "BadQueryArgs")
