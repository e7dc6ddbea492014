"""Journals: pages end where they ended, on one socket, from one socket to the next, and for each client by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from attrs import define
from relive.engine.limits import JOURNAL_CHARS_MAX

from .harness import ADMIN_KEY, Client, Json, Running, add, remove

SYSTEM_ERROR = {"isConvexSystemError": True, "paginationError": "InvalidCursor"}


@define(eq=False)
class Writer:
    """Sends messages to channel c and takes them away."""

    client: Client
    asked: int = 0

    async def write(self, *bodies: str) -> None:
        for body in bodies:
            await self.run("messages:send", channel="c", body=body)

    async def remove(self, *bodies: str) -> None:
        for body in bodies:
            await self.run("pages:remove", channel="c", body=body)

    async def run(self, path: str, **args: Any) -> None:
        self.asked += 1
        done = await self.client.answered(self.asked, path, **args)
        assert done["success"], done


@pytest.fixture
async def writer(running: Running) -> AsyncIterator[Writer]:
    """Somebody who has written messages 0 to 5."""
    async with running.client() as client:
        writer = Writer(client)
        await writer.write(*"012345")
        yield writer


def page(query_id: int, path: str = "latest", items: int = 3, journal: object = None, **options: Any) -> Json:
    """Add a page; the first one unless ``options`` say otherwise."""
    options = {"numItems": items, "cursor": None, "id": 1} | options
    return add(query_id, f"pages:{path}", channel="c", paginationOpts=options) | {"journal": journal}


def shown(client: Client, query_id: int = 0) -> str:
    return "".join(message["body"] for message in client.value(query_id)["page"])


def journal(client: Client, query_id: int = 0) -> str:
    text = client.results[query_id]["journal"]
    assert isinstance(text, str)
    return text


async def asked(client: Client, *modifications: Json) -> None:
    await client.modify(*modifications)
    await client.until(lambda: client.version["querySet"] == client.query_set)


async def test_a_page_ends_where_it_ended_however_often_it_runs(running: Running, writer: Writer) -> None:
    async with running.client() as client:
        await asked(client, page(0))
        first = client.results[0]
        assert shown(client) == "543"
        for body in "6789":
            await writer.write(body)
            await client.transition()
        await writer.remove("3")
        await client.transition()

        assert shown(client) == "987654"
        assert journal(client) == first["journal"]
        assert client.value(0)["continueCursor"] == first["value"]["continueCursor"]


async def test_a_journal_is_good_on_another_socket(running: Running, writer: Writer) -> None:
    async with running.client() as client:
        await asked(client, page(0))
        known = journal(client)
    await writer.write("6", "7")
    async with running.client() as client:
        await asked(client, page(0, journal=known), page(1))

        assert shown(client, 0) == "76543"
        assert shown(client, 1) == "765"
        assert journal(client, 0) == known != journal(client, 1)
        await writer.write("8")
        await client.transition()
        assert (shown(client, 0), shown(client, 1)) == ("876543", "8765")


async def test_the_same_journal_at_the_same_time_gives_the_same(running: Running, writer: Writer) -> None:
    async with running.client() as client:
        await asked(client, page(0))
        known = journal(client)
        await writer.write("6")
        await client.transition()
        # Another query to the server, for it looks into another argument: nothing is shared.
        await asked(client, page(1, journal=known), page(2, journal=known, id=2))

        results = [
            {name: part for name, part in client.results[query_id].items() if name != "queryId"}
            for query_id in range(3)
        ]
        assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("rubbish", ["", "rubbish", "[]", '{"e":"3"}x', '{"a":1}', "x" * (JOURNAL_CHARS_MAX + 1)])
async def test_a_rubbish_journal_fails_the_query_and_not_the_socket(
    running: Running, writer: Writer, rubbish: str, redact: bool
) -> None:
    running.database.executor.redact = redact
    async with running.client() as client:
        await asked(client, page(0, journal=rubbish), page(1))

        failure = client.results[0]
        assert failure["type"] == "QueryFailed"
        assert failure["errorData"] == SYSTEM_ERROR
        assert redact or "InvalidCursor" in failure["errorMessage"]
        assert shown(client, 1) == "543"
        # What the hook does then: it asks anew.
        await asked(client, remove(0), page(2, id=2))
        assert shown(client, 2) == "543"


async def test_a_journal_with_an_end_that_nobody_made_fails_the_query(running: Running, writer: Writer) -> None:
    async with running.client() as client:
        await asked(client, page(0))
        changed = journal(client)[:-5] + 'AAA"}'
        await asked(client, page(1, journal=changed))

        assert client.results[1]["errorData"] == SYSTEM_ERROR
        await asked(client, page(2, cursor="nonsense"), page(3, endCursor="nonsense"))
        assert [client.results[query_id]["errorData"] for query_id in (2, 3)] == [SYSTEM_ERROR] * 2


async def test_a_journal_of_another_query_is_as_good_as_none(running: Running, writer: Writer) -> None:
    async with running.client() as client:
        await asked(client, page(0, path="read", items=1))
        known = journal(client)
        await asked(client, page(1, journal=known))
        assert shown(client, 1) == "543"
        assert journal(client, 1) != known
        await writer.write("6")
        await client.transition()

        assert shown(client, 1) == "6543", "from now on its own journal counts"


async def test_a_query_that_fails_and_heals_keeps_its_end(running: Running, writer: Writer) -> None:
    async with running.client() as client:
        await asked(client, page(0, path="while_even", items=4))
        known = journal(client)
        assert shown(client) == "0123"
        await writer.run("counters:add", name="c")
        await client.transition()
        assert client.results[0]["type"] == "QueryFailed"
        assert journal(client) == known, "a client that comes back while it fails hands this back"
        await writer.remove("1")
        await writer.run("counters:add", name="c")
        await client.until(lambda: client.results[0]["type"] == "QueryUpdated")

        assert shown(client) == "023"
        assert journal(client) == known


async def test_another_identity_keeps_the_pages(running: Running, writer: Writer) -> None:
    async with running.client() as client:
        await asked(client, page(0))
        await writer.write("6")
        await client.transition()
        for token in (("Admin", ADMIN_KEY), ("None", None)):
            await client.authenticate(*token)
            await client.until(lambda: client.version["identity"] == client.identity)
            await writer.write("7")
            await client.transition()

        assert shown(client) == "776543"


async def test_all_who_watch_one_page_share_its_runs(running: Running, writer: Writer) -> None:
    live = running.database.live
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(running.client()) for _ in range(4)]
        before = live.evaluations
        for client in clients:
            await asked(client, page(0))
        assert live.evaluations == before + 1
        for count, body in enumerate("678", 2):
            await writer.write(body)
            for client in clients:
                await client.transition()
            assert live.evaluations == before + count
        assert {shown(client) for client in clients} == {"876543"}
        assert len({journal(client) for client in clients}) == 1


async def test_each_client_has_its_own_end_of_the_same_page(running: Running, writer: Writer) -> None:
    async with running.client() as early, running.client() as late:
        await asked(early, page(0))
        await writer.write("6", "7")
        await early.until(lambda: shown(early) == "76543")
        await asked(late, page(0))
        assert shown(late) == "765"
        await writer.write("8")
        await early.transition()
        await late.transition()

        assert (shown(early), shown(late)) == ("876543", "8765")
        await asked(late, page(1, journal=journal(early)))
        assert shown(late, 1) == "876543"


async def test_an_end_that_the_result_does_not_show_is_kept(running: Running, writer: Writer) -> None:
    async with running.client() as client:
        await asked(client, add(0, "pages:bodies", channel="c", items=3))
        assert client.value(0) == ["0", "1", "2"]
        known = journal(client)
        await writer.remove("1")
        await client.transition()

        assert client.value(0) == ["0", "2"]
        async with running.client() as other:
            await asked(other, add(0, "pages:bodies", channel="c", items=3) | {"journal": known})
            assert other.value(0) == ["0", "2"]


async def test_pages_that_differ_by_their_id_may_give_different_results(running: Running, writer: Writer) -> None:
    async with running.client() as client:
        await asked(client, page(0, path="for_whom", id=1), page(1, path="for_whom", id=2))

        (one, first), (other, second) = client.value(0), client.value(1)
        assert (one == other, first, second) == (True, 1, 2)


async def test_over_http_every_page_is_a_new_one(running: Running, writer: Writer) -> None:
    async with running.client() as client, running.http() as http:
        await asked(client, page(0))
        await writer.write("6")
        await client.transition()
        args = {"channel": "c", "paginationOpts": {"numItems": 3, "cursor": None, "id": 1}}
        body = {"path": "pages:latest", "args": args, "format": "json"}
        answer = (await http.post("/api/query", json=body)).json()

        assert "".join(message["body"] for message in answer["value"]["page"]) == "654"
        assert shown(client) == "6543"
