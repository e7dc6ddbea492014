"""HTTP actions of an app under test: asked without a network, streamed both ways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from relive.testing import TestApp

SOURCE = {
    "notes": """
from relive import Document, MutationCtx, QueryCtx, mutation, query

class Note(Document, table="notes"):
    text: str

@mutation
async def add(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert(Note(text=text))

@query
async def texts(ctx: QueryCtx) -> list[str]:
    return [note.text for note in await ctx.db.query(Note).collect()]
""",
    "http": """
from collections.abc import AsyncIterator
from relive import ActionCtx, HttpRouter, Request, Response
from .notes import add

http = HttpRouter()

@http.route("/notes", methods=["POST"])
async def post(ctx: ActionCtx, request: Request) -> Response:
    await ctx.run_mutation(add, await request.text())
    identity = await ctx.auth.get_user_identity()
    who = identity.subject if identity is not None else None
    return Response.json({"who": who, "url": request.url, "kind": request.headers["Kind"]}, status=201)

@http.route("/shout", methods=["POST"], runtime="asyncio")
async def shout(ctx: ActionCtx, request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        async for part in request.stream():
            yield part.upper()
    return Response(parts())

@http.route(path_prefix="/fail/")
async def fail(ctx: ActionCtx, request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"half"
        raise ValueError("the rest")
    if request.path.endswith("now"):
        raise ValueError("all")
    return Response(parts())
""",
}


@pytest.fixture
def app() -> Iterator[TestApp]:
    with TestApp(SOURCE) as app:
        yield app


def test_an_http_action_is_asked_as_who_is_signed_in_and_watches_see_what_it_wrote(app: TestApp) -> None:
    app.sign_in(subject="ada")
    watch = app.watch("notes:texts")
    answer = app.fetch("/notes?a=1", method="POST", headers={"Kind": "test"}, body="hällo")

    assert (answer.status, answer.headers["Content-Type"], answer.whole) == (201, "application/json", True)
    assert answer.json() == {"who": "ada", "url": "https://app.test/notes?a=1", "kind": "test"}
    assert watch.results == [[], ["hällo"]]


async def test_bodies_are_streamed_both_ways_part_by_part(app: TestApp) -> None:
    answer = app.fetch("/shout", method="POST", body=(part for part in (b"one", b"two")))

    assert (answer.parts, answer.text, answer.whole) == ([b"ONE", b"TWO"], "ONETWO", True)


def test_what_fails_says_why_and_a_response_that_breaks_off_is_not_whole(app: TestApp) -> None:
    assert "Uncaught ValueError: all" in app.fetch("/fail/now").json()["code"]

    broken = app.fetch("/fail/later")
    assert (broken.status, broken.body, broken.whole) == (200, b"half", False)


def test_what_has_no_route_is_404_and_no_path_is_an_error(app: TestApp) -> None:
    assert (app.fetch("/notes").status, app.fetch("/notes").text) == (404, "No matching routes found")
    with pytest.raises(ValueError, match="give the path of an HTTP action"):
        app.fetch("https://example.com/notes")
