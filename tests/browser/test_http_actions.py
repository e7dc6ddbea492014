"""HTTP actions as a page of another origin and as Node ask for them: CORS by the app, bodies streamed both ways."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from ..clients.server import Server
from ..ports import HOST, free_port
from .conftest import QuietHandler

NODE_S_MAX = 30
SOURCE = """
from collections.abc import AsyncIterator

from relive import ActionCtx, HttpRouter, Request, Response

http = HttpRouter()


def shared(request: Request) -> dict[str, str]:
    return {"access-control-allow-origin": request.headers.get("origin", "*"), "vary": "origin"}


@http.route("/shout", methods=["OPTIONS"])
async def allow(ctx: ActionCtx, request: Request) -> Response:
    asked = request.headers["access-control-request-headers"]
    allowed = {"access-control-allow-methods": "PUT", "access-control-allow-headers": asked}
    return Response(status=204, headers=shared(request) | allowed)


@http.route("/shout", methods=["PUT"])
async def shout(ctx: ActionCtx, request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        async for part in request.stream():
            yield part.upper()

    return Response(parts(), headers=shared(request) | {"x-kind": request.headers["x-kind"]})


@http.route("/closed", methods=["PUT"])
async def closed(ctx: ActionCtx, request: Request) -> Response:
    return Response("not for other origins")
"""
ASK = """
const [url, done] = arguments;
const options = { method: "PUT", body: "hello", headers: { "X-Kind": "page" } };
fetch(url, options).then(async (answer) => {
  const parts = [];
  for await (const part of answer.body) parts.push(new TextDecoder().decode(part));
  done({ text: parts.join("") });
}).catch((error) => done({ error: error.name }));
"""
STREAM = """
const url = process.argv[1];
const up = new TransformStream();
const writer = up.writable.getWriter();
const say = (text) => writer.write(new TextEncoder().encode(text));
say("one");
const answer = await fetch(url, { method: "PUT", body: up.readable, duplex: "half", headers: { "x-kind": "node" } });
const reader = answer.body.getReader();
const heard = [];
const hear = async () => heard.push(new TextDecoder().decode((await reader.read()).value));
await hear();
say("two");  // only now: the answer to the first part came while the request was still being sent
await hear();
await writer.close();
const { done } = await reader.read();
console.log(JSON.stringify({ heard, done, kind: answer.headers.get("x-kind") }));
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Where the HTTP actions are."""
    app = tmp_path / "shop"
    app.mkdir()
    (app / "http.py").write_text(SOURCE)
    server = Server(app, tmp_path / "data")
    server.start()
    yield f"{server.url}/http"
    server.stop()


@pytest.fixture
def other_origin(tmp_path: Path) -> Iterator[str]:
    """An empty page of somebody else."""
    (tmp_path / "index.html").write_text("<!doctype html><title>elsewhere</title>")
    with ThreadingHTTPServer((HOST, free_port()), partial(QuietHandler, directory=str(tmp_path))) as files:
        thread = threading.Thread(target=files.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://{HOST}:{files.server_port}/"
        files.shutdown()
        thread.join()


def test_a_page_of_another_origin_is_answered_as_far_as_the_app_allows_it(
    site: str, other_origin: str, open_browser: Callable[[], Chrome]
) -> None:
    browser = open_browser()
    browser.get(other_origin)

    allowed: Any = browser.execute_async_script(ASK, f"{site}/shout")
    kept: Any = browser.execute_async_script(ASK, f"{site}/closed")
    assert allowed == {"text": "HELLO"}
    assert kept == {"error": "TypeError"}, "nobody has allowed it, so the browser asks first and stops"


def test_node_streams_to_an_http_action_and_back_at_once(site: str) -> None:
    node = shutil.which("node")
    assert node is not None, "node is not installed: these tests need it"
    command = [node, "--input-type=module", "-e", STREAM, f"{site}/shout"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=NODE_S_MAX, check=True)

    assert json.loads(done.stdout) == {"heard": ["ONE", "TWO"], "done": True, "kind": "node"}
