"""Live searches over a socket: a write runs exactly those again that it can change, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from relive.engine.application.isolation import load_source

from tests.server.harness import Client, Running, add, serve

APP = """
from __future__ import annotations
from relive import *

class Doc(Document):
    section: str = field()
    body: str = field()
    embedding: list[float] | None = field(default=None)
    likes: float = 0.0
    notes: str = ""
    by_body = text_index(body, filters=(section,))
    by_embedding = vector_index(embedding, dimensions=2, filters=(section,))

@query
async def find(ctx: QueryCtx, words: str, section: str | None = None) -> list[str]:
    found = ctx.db.query(Doc).search(Doc.by_body, words, ANY if section is None else section)
    return [f'{doc.section} {doc.body} {doc.likes}' for doc in await found.take(2)]

@query
async def near(ctx: QueryCtx, sections: list[str] | None = None) -> list[str]:
    filters = None if sections is None else [{"section": section} for section in sections]
    found = await ctx.vector_search(Doc.by_embedding, [1.0, 0.0], limit=5, filter=filters)
    return [f'{id} {score}' for id, score in found]

@mutation
async def put(ctx: MutationCtx, section: str, body: str, embedding: list[float] | None = None) -> str:
    return await ctx.db.insert(Doc(section=section, body=body, embedding=embedding))

@mutation
async def change(ctx: MutationCtx, id: Id[Doc], fields: dict[str, Any]) -> None:
    await ctx.db.patch(id, **fields)

@mutation
async def drop(ctx: MutationCtx, id: Id[Doc]) -> None:
    await ctx.db.delete(id)
""".replace("from relive import *", "from typing import Any\nfrom relive import *")

SEARCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "apple": ("docs:find", {"words": "apple"}),
    "apple in a": ("docs:find", {"words": "apple", "section": "a"}),
    "pear": ("docs:find", {"words": "pear"}),
    "app...": ("docs:find", {"words": "app"}),
    "本": ("docs:find", {"words": "本"}),
    "apple or pear": ("docs:find", {"words": "apple pear"}),
    "near": ("docs:near", {}),
    "near in a": ("docs:near", {"sections": ["a"]}),
    "near in b or c": ("docs:near", {"sections": ["b", "c"]}),
}


class World:
    def __init__(self, running: Running, client: Client) -> None:
        self.running, self.client, self.requests = running, client, 0

    async def write(self, path: str, **args: Any) -> tuple[Any, set[str], set[str]]:
        """What it gave; which searches ran again; and which of them came to something else."""
        live, before = self.running.database.live, dict(self.client.results)
        were = {id(query): query.evaluated for query in live.subscriptions.queries.values()}
        response = await self.client.answered(self.requests, f"docs:{path}", **args)
        assert response["success"], response
        self.requests += 1
        ran = {
            name
            for query in live.subscriptions.queries.values()
            for name, (searched, asked) in SEARCHES.items()
            if query.evaluated != were[id(query)] and (query.key.path, query.key.call.args) == (searched, [asked])
        }
        names = [*SEARCHES]
        changed = {names[place] for place, result in self.client.results.items() if before[place] is not result}
        return response["result"], ran, changed


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with serve(load_source({"docs": APP})) as running, running.client() as client:
        await client.connect()
        await client.modify(*[add(place, path, **args) for place, (path, args) in enumerate(SEARCHES.values())])
        await client.until(lambda: len(client.results) == len(SEARCHES))
        yield World(running, client)


async def test_a_write_runs_exactly_those_searches_again_that_it_can_change(world: World) -> None:
    write = world.write
    words = {"apple", "apple in a", "app...", "apple or pear"}
    first, *woken = await write("put", section="a", body="Apple pie", embedding=[1.0, 0.0])
    assert woken == [words | {"near", "near in a"}] * 2
    pear, *woken = await write("put", section="b", body="a pear", embedding=[0.0, 1.0])
    assert woken == [{"pear", "apple or pear", "near", "near in b or c"}] * 2
    _, *woken = await write("put", section="b", body="日本語")
    assert woken == [{"本"}] * 2
    _, *woken = await write("put", section="d", body="plum", embedding=[1.0, 1.0])
    assert woken == [{"near"}] * 2
    _, *woken = await write("put", section="d", body="")
    assert woken == [set(), set()]
    # What a search gave, and then changed otherwise: text searches have read it, those of vectors only its id.
    _, *woken = await write("change", id=first, fields={"likes": 1.0})
    assert woken == [words, words]
    _, *woken = await write("change", id=first, fields={"notes": "sweet"})
    assert woken == [words, set()]
    _, *woken = await write("change", id=first, fields={"section": "c"})
    assert woken == [words | {"near in a", "near in b or c"}] * 2
    _, *woken = await write("change", id=first, fields={"embedding": [1.0, 0.5]})
    assert woken == [words - {"apple in a"} | {"near", "near in b or c"}, {"near", "near in b or c"}]
    _, *woken = await write("change", id=pear, fields={"body": "a fruit"})
    assert woken == [{"pear", "apple or pear"}] * 2
    _, *woken = await write("change", id=pear, fields={"embedding": None})
    assert woken == [{"near", "near in b or c"}] * 2
    _, *woken = await write("drop", id=first)
    assert woken == [words - {"apple in a"} | {"near", "near in b or c"}] * 2


async def test_a_document_that_was_found_and_not_given_may_change_without_running_the_search_again(
    world: World,
) -> None:
    write = world.write
    ids = [(await write("put", section="a", body="apple " + "and " * many))[0] for many in range(3)]
    _, *woken = await write("change", id=ids[2], fields={"likes": 1.0})
    assert woken == [set(), set()], "it is the third, and two were asked for"
    _, *woken = await write("change", id=ids[1], fields={"likes": 1.0})
    assert woken == [{"apple", "apple in a", "app...", "apple or pear"}] * 2
