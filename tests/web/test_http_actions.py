"""HTTP actions over real connections: routed, streamed both ways, limited, and contained when they fail."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trio
from relive.engine.actions.actions import ActionLimits
from relive.engine.application.app import App, load_app
from relive.engine.determinism import driver
from relive.engine.execution.calls import Call

from ..server.harness import ADMIN_KEY, Running, serve

FOLDER = Path(__file__).parent
MEBIBYTE = 1024 * 1024
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

driver.install([])


@pytest.fixture(scope="module")
def app() -> App:
    return load_app(FOLDER / "app")


@pytest.fixture
async def running(app: App) -> AsyncIterator[Running]:
    async with serve(app, site_port=0) as running:
        yield running


@pytest.fixture
async def site(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    assert running.server.site_url is not None
    async with httpx.AsyncClient(base_url=running.server.site_url, timeout=10) as client:
        yield client


def notes(running: Running) -> list[str]:
    result, _ = running.database.live.once(Call("schema:notes", [{}]))
    return json.loads(result.value)  # type: ignore[no-any-return, union-attr]


async def noted(running: Running, text: str) -> None:
    with trio.fail_after(5):
        while text not in notes(running):  # noqa: ASYNC110
            await trio.sleep(0.01)


@pytest.mark.parametrize("method", METHODS)
async def test_a_handler_sees_the_request_as_it_was_sent(site: httpx.AsyncClient, method: str) -> None:
    answer = await site.request(method, "/echo?a=1&b=x%20y", content="hällo", headers={"user-agent": "me"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "method": method,
        "url": f"{str(site.base_url).rstrip('/')}/echo?a=1&b=x%20y",
        "path": "/echo",
        "query": {"a": "1", "b": "x y"},
        "body": "hällo",
        "agent": "me",
    }


async def test_the_main_port_serves_the_same_below_http(running: Running) -> None:
    async with running.http(**{"x-forwarded-proto": "https", "host": "api.example.com"}) as client:
        answer = await client.get("/http/echo?a=1")

    assert answer.json()["path"] == "/echo"
    assert answer.json()["url"] == "https://api.example.com/echo?a=1"


async def test_a_proxy_may_say_the_scheme_with_forwarded(site: httpx.AsyncClient) -> None:
    answer = await site.get("/echo", headers={"forwarded": 'for=1.2.3.4;proto="https", for=x', "host": "a.example"})

    assert answer.json()["url"] == "https://a.example/echo"


async def test_the_site_has_nothing_of_the_main_port(site: httpx.AsyncClient) -> None:
    for path in ("/version", "/api/query", "/http/echo"):
        answer = await site.get(path)
        assert (answer.status_code, answer.text) == (404, "No matching routes found")


async def test_exact_paths_go_before_prefixes_and_longer_prefixes_before_shorter_ones(site: httpx.AsyncClient) -> None:
    found = {path: (await site.get(path)).text for path in ("/files/x", "/files/deep/er/x", "/files/exact", "/files/")}

    assert found == {"/files/x": "files", "/files/deep/er/x": "deep", "/files/exact": "exact", "/files/": "files"}


@pytest.mark.parametrize(("method", "path"), [("GET", "/files"), ("GET", "/none"), ("DELETE", "/notes"), ("GET", "/")])
async def test_what_no_route_takes_is_404(site: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await site.request(method, path)

    assert (answer.status_code, answer.text) == (404, "No matching routes found")


async def test_an_app_without_a_router_says_that_it_has_no_http_actions() -> None:
    async with serve(load_app(FOLDER.parent / "server" / "app")) as running, running.http() as client:
        answer = await client.get("/http/echo")

    assert (answer.status_code, answer.text) == (404, "This Convex deployment does not have HTTP actions enabled.")


async def test_head_is_routed_as_get_and_answered_without_the_body(site: httpx.AsyncClient) -> None:
    answer = await site.head("/files/exact")

    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "5")


async def test_headers_for_other_origins_are_those_of_the_handler_alone(running: Running) -> None:
    async with running.http(origin="https://example.com") as client:
        preflight = await client.options("/http/echo", headers={"access-control-request-method": "GET"})
        plain = await client.get("/http/echo")

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://example.com"
    assert "access-control-allow-credentials" not in preflight.headers
    assert not [name for name in plain.headers if name.startswith("access-control")]


async def test_a_mutation_that_a_handler_called_is_durable_and_names_the_request(
    site: httpx.AsyncClient, running: Running
) -> None:
    answer = await site.post("/notes", json={"text": "hello"})
    await running.database.actions.wait_until_idle()
    execution = next(each for each in running.database.executor.executions.after(0) if each.kind == "action")
    entry = running.database.executor.entry(running.database.runtime.tail.head)

    assert (answer.status_code, answer.text) == (201, "noted")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert notes(running) == ["hello"]
    assert (execution.path, execution.cause, execution.log_lines) == ("POST /notes", "http", ("[LOG] 'posting'",))
    assert entry.cause.id == f"{execution.request_id} POST /notes from http {execution.request_id}"


@pytest.mark.parametrize("path", ["/stream", "/elsewhere"])
async def test_bodies_stream_both_ways_at_once(site: httpx.AsyncClient, path: str) -> None:
    answered = trio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"FIRST"
        await answered.wait()  # The answer to the first part comes before the second is sent.
        yield b"SECOND"

    assert site.base_url.port is not None
    stream = await trio.open_tcp_stream("127.0.0.1", site.base_url.port)
    async with stream:
        await stream.send_all(f"POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        got = b""
        with trio.fail_after(5):
            async for part in body():
                await stream.send_all(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                while part not in got:
                    got += await stream.receive_some()
                answered.set()
            await stream.send_all(b"0\r\n\r\n")
            while not got.endswith(b"\r\n0\r\n\r\n"):
                got += await stream.receive_some()

    assert got.startswith(b"HTTP/1.1 200")


async def test_a_body_is_streamed_whatever_its_length(site: httpx.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        for number in range(24):
            yield bytes([number]) * MEBIBYTE

    sent = await site.post("/length", content=body())
    received = 0
    async with site.stream("GET", "/large") as answer:
        async for part in answer.aiter_bytes():
            received += len(part)

    assert sent.text == str(24 * MEBIBYTE)
    assert received == 24 * MEBIBYTE


async def test_a_body_that_is_collected_may_have_20_mebibytes(site: httpx.AsyncClient) -> None:
    fits = await site.post("/kept", content=b"x" * (20 * MEBIBYTE))
    too_long = await site.post("/kept", content=b"x" * (20 * MEBIBYTE + 1))

    assert (fits.status_code, fits.text) == (200, str(20 * MEBIBYTE))
    assert too_long.status_code == 413


async def test_a_client_that_goes_away_ends_the_stream_and_closes_the_body(
    running: Running,
) -> None:
    async with await running.raw() as stream:
        await stream.send_all(b"GET /http/endless HTTP/1.1\r\nhost: x\r\n\r\n")
        got = b""
        while b"tick" not in got:
            got += await stream.receive_some()

    await noted(running, "the body was closed")
    with trio.fail_after(5):
        await running.database.actions.wait_until_idle()


async def test_a_handler_goes_on_when_its_client_has_gone_away(running: Running) -> None:
    stream = await running.raw()
    await stream.send_all(b"GET /http/patient HTTP/1.1\r\nhost: x\r\n\r\n")
    with trio.fail_after(5):
        while not running.database.actions.running:  # noqa: ASYNC110
            await trio.sleep(0.01)
    await stream.aclose()

    await noted(running, "gone")


async def test_why_a_handler_failed_is_for_holders_of_the_admin_key(site: httpx.AsyncClient, running: Running) -> None:
    running.database.executor.redact = True
    hidden = await site.get("/wrong")
    shown = await site.get("/wrong", headers={"authorization": f"Convex {ADMIN_KEY}"})
    await running.database.actions.wait_until_idle()
    request = hidden.json()["code"].removeprefix("[Request ID: ").partition("]")[0]
    found = [each for each in running.database.executor.executions.after(0) if each.request_id == request]

    assert hidden.status_code == shown.status_code == 500
    assert "swordfish" not in hidden.text
    assert hidden.json()["code"].endswith("] Server Error")
    assert "swordfish" in shown.json()["code"]
    assert "wrong" in shown.json()["trace"]
    assert [each.path for each in found] == ["GET /wrong"]


async def test_production_error_redaction_only_the_data_of_an_application_error_leaves_the_server(
    site: httpx.AsyncClient, running: Running
) -> None:
    running.database.executor.redact = True
    answer = await site.get("/told")

    assert answer.status_code == 500
    assert answer.json()["data"] == {"why": "because"}
    assert answer.json()["trace"] is None


async def test_a_response_that_fails_half_way_is_cut_and_tells_nothing(
    site: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    got = []

    async def read() -> None:
        async with site.stream("GET", "/half") as answer:
            async for part in answer.aiter_bytes():
                got.append(part)

    with pytest.raises(httpx.RemoteProtocolError):
        await read()

    assert got == [b"half"]
    assert caplog.records == []
    assert (await site.get("/files/x")).text == "files"


async def test_what_is_no_response_is_an_error(site: httpx.AsyncClient) -> None:
    answer = await site.get("/nothing")

    assert answer.status_code == 500
    assert "returns a Response, not str" in answer.json()["code"]


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic YTpi", "x", "Convex wrong|key"])
async def test_credentials_that_are_wrong_are_no_error_and_prove_nobody(site: httpx.AsyncClient, header: str) -> None:
    answer = await site.get("/who", headers={"authorization": header})

    assert (answer.status_code, answer.json()) == (200, None)


async def test_a_handler_that_never_ends_is_cancelled_and_answered(site: httpx.AsyncClient, running: Running) -> None:
    running.database.actions.limits = ActionLimits(run_s=0.2, cancel_s=0.2)
    answer = await site.get("/slow")

    assert answer.status_code == 500
    assert "longer than 0.2 s" in answer.json()["code"]


async def test_too_many_requests_are_refused_and_may_come_again(site: httpx.AsyncClient, running: Running) -> None:
    running.database.actions.limits = ActionLimits(running=0, waiting=0)
    refused = await site.get("/files/x")
    running.database.actions.limits = ActionLimits()
    served = await site.get("/files/x")

    assert (refused.status_code, refused.json()["code"]) == (503, "TooManyActions")
    assert served.status_code == 200


async def test_while_a_deployment_is_paused_requests_are_refused(site: httpx.AsyncClient, running: Running) -> None:
    key = {"authorization": f"Convex {ADMIN_KEY}"}
    async with running.http(**key) as main:
        await main.post("/api/change_deployment_state", json={"newState": "paused"})
        refused = await site.get("/files/x")
        await main.post("/api/change_deployment_state", json={"newState": "running"})

    assert (refused.status_code, refused.json()["code"]) == (503, "DeploymentPaused")
    assert (await site.get("/files/x")).status_code == 200


async def test_a_site_has_no_websockets_and_stays_calm(
    site: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    handshake = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    answer = await site.get("/api/sync", headers=handshake)

    assert answer.status_code >= 400
    assert caplog.records == []
    assert (await site.get("/files/x")).text == "files"


async def test_a_request_with_headers_beyond_all_measure_is_refused_and_others_are_served(
    site: httpx.AsyncClient,
) -> None:
    answer = await site.get("/files/x", headers={"x-large": "x" * 100_000})

    assert answer.status_code in (400, 431)  # By whether all of it comes at once.
    assert (await site.get("/files/x")).text == "files"


async def test_in_a_sealed_fork_requests_are_refused(site: httpx.AsyncClient, running: Running) -> None:
    running.server.database.actions.sealed = True
    answer = await site.get("/files/x")

    assert (answer.status_code, answer.json()["code"]) == (403, "DeploymentSealed")


@pytest.mark.parametrize("what", ["header", "status", "bodiless"])
async def test_a_response_that_was_made_wrong_after_it_was_made_is_an_error(site: httpx.AsyncClient, what: str) -> None:
    answer = await site.get(f"/changed?what={what}")

    assert answer.status_code == 500
    assert "ValueError" in answer.json()["code"]
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", [b"/http/kept", b"/api/query"])
@pytest.mark.parametrize("hidden", [b"", b"GET /http/echo?hidden HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_a_request_that_says_its_length_in_two_ways_is_refused_and_what_follows_is_not_answered(
    running: Running, path: bytes, hidden: bytes
) -> None:
    """What stands between may have taken the rest for its body."""
    lengths = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"
    said = b""
    async with await running.raw() as stream:
        await stream.send_all(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n" + lengths + b"\r\n0\r\n\r\n" + hidden)
        with trio.fail_after(5):
            async for part in stream:
                said += part

    assert said.startswith(b"HTTP/1.1 400") or (hidden and not said)
    assert b"hidden" not in said
