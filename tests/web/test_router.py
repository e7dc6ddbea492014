"""The router and the messages of HTTP actions, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relive.engine.errors import AppInvalid

from relive import ActionCtx, HttpRouter, Request, Response
from relive.testing import TestApp

PATHS = st.lists(st.sampled_from(["a", "b", "files", ""]), max_size=4).map(lambda parts: "/" + "/".join(parts))


async def handler(ctx: ActionCtx, request: Request) -> Response:
    return Response()


@given(st.sets(PATHS), st.sets(PATHS), PATHS)
def test_the_most_specific_route_wins(exact: set[str], prefixes: set[str], path: str) -> None:
    router = HttpRouter()
    for each in exact:
        router.route(each)(handler)
    folders = {each if each.endswith("/") else f"{each}/" for each in prefixes}
    for each in folders:
        router.route(path_prefix=each)(handler)
    route = router.find("GET", path)

    matching = sorted((each for each in folders if path.startswith(each)), key=len)
    expected = path if path in exact else matching[-1] if matching else None
    assert (route.path if route is not None else None) == expected
    assert route is None or route.is_prefix == (path not in exact)
    assert router.find("POST", path) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"path": "/a", "path_prefix": "/a/"},
        {"path": "a"},
        {"path": "/a?b"},
        {"path": "/a\n"},
        {"path_prefix": "/a"},
        {"path": "/a", "methods": ["HEAD"]},
        {"path": "/a", "methods": ["get"]},
    ],
)
def test_a_route_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"path|prefix|none of"):
        HttpRouter().route(**wrong)


def test_a_path_has_one_handler_for_each_method() -> None:
    router = HttpRouter()
    router.route("/a", methods=["GET", "POST"])(handler)

    with pytest.raises(ValueError, match=r"POST /a has a handler already"):
        router.route("/a", methods=["POST"])(handler)


def test_an_app_with_two_routers_is_refused() -> None:
    source = "from relive import HttpRouter\n\nhttp = HttpRouter()\nother = HttpRouter()\n"

    with pytest.raises(AppInvalid, match=r"one HttpRouter"):
        TestApp({"http": source}).__enter__()


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": 100},
        {"status": 600},
        {"status": 204, "body": "text"},
        {"body": 7},
        {"headers": {"a b": "c"}},
        {"headers": {"a": "b\r\nset-cookie: c"}},
        {"headers": {"a": "\N{SNOWMAN}"}},
        {"headers": {"content-length": "7"}},
        {"content_type": "text/plain\n"},
    ],
)
def test_a_response_that_cannot_be_sent_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"response|header"):
        Response(**wrong)


def router_with(*paths: str, prefixes: tuple[str, ...] = ()) -> HttpRouter:
    router = HttpRouter()
    for path in paths:
        router.route(path, methods=["GET", "POST"])(answer)
    for prefix in prefixes:
        router.route(path_prefix=prefix)(answer)
    return router


async def answer(ctx: ActionCtx, request: Request) -> Response:
    return Response("yes")


def test_a_mounted_router_answers_below_its_prefix() -> None:
    payments, http = router_with("/", "/new", prefixes=("/of/",)), router_with("/new")
    http.mount("/payments", payments)

    names = {path: route.name for path in MOUNTED if (route := http.find("GET", path)) is not None}
    assert names == {
        "/new": "GET /new",
        "/payments/": "GET /payments/",
        "/payments/new": "GET /payments/new",
        "/payments/of/ada/7": "GET /payments/of/*",
    }
    outer = HttpRouter()
    outer.mount("/v1", http)
    route = outer.find("POST", "/v1/payments/new")
    assert route is not None
    assert route.name == "POST /v1/payments/new"


MOUNTED = ("/", "/new", "/payments", "/payments/", "/payments/new", "/payments/of/ada/7", "/of/ada", "/payments/other")


@pytest.mark.parametrize("prefix", ["payments", "/payments/", "/", "", "/a?b", "/a#b", "/a\n"])
def test_a_prefix_that_cannot_be_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="is no prefix"):
        HttpRouter().mount(prefix, router_with("/a"))


def test_a_router_is_mounted_once_as_it_is_and_where_there_is_room() -> None:
    http, other = router_with("/b/a"), router_with("/a")
    with pytest.raises(ValueError, match="has a handler already"):
        http.mount("/b", other)
    fresh = router_with("/a")
    http.mount("/c", fresh)
    with pytest.raises(ValueError, match="mounted already"):
        http.mount("/d", fresh)
    with pytest.raises(ValueError, match="is this router"):
        http.mount("/d", http)
    with pytest.raises(ValueError, match="not later"):
        fresh.route("/late")(answer)


def test_an_app_may_have_routers_that_are_mounted() -> None:
    source = """
from relive import ActionCtx, HttpRouter, Request, Response

inner = HttpRouter()
http = HttpRouter()

@inner.route("/a")
async def a(ctx: ActionCtx, request: Request) -> Response:
    return Response(request.path)

http.mount("/inner", inner)
"""
    with TestApp({"web": source}) as app:
        router = app._database.executor.app.router
        assert router is not None
        assert [route.name for route in router.routes] == ["GET /inner/a"]
