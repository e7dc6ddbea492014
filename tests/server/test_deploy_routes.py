"""Deploys over HTTP: what is told meanwhile, what is refused, and what clients of the old code notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from relive.engine.application.bundle import read_bundle
from relive.engine.database import Database
from relive.engine.deployment import rebuild
from relive.engine.deployment.deploy import Deploy
from relive.engine.server import deploy_routes
from relive.log.memory import MemoryStorage

from .harness import ADMIN_KEY, Json, Running, add, eventually, serve
from .test_deploy import COUNT, version

ODD = """
@mutation
async def odd(ctx: MutationCtx) -> str:
    return await ctx.db.insert(Item(name="odd", size="large"))

@mutation
async def mend(ctx: MutationCtx) -> None:
    for item in await ctx.db.query(Item).collect():
        await ctx.db.patch(item.id, size=1)
"""
ROUTE = "/api/relive/deploy"
KEY = {"Authorization": f"Convex {ADMIN_KEY}"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deployed"


def source_of(folder: Path, **how: str) -> dict[str, str]:
    """The source of a version, which is not loaded here."""
    version(folder, **how)
    return {name: text.decode() for name, text in read_bundle(folder).source.items()}


async def deploy(http: httpx.AsyncClient, source: Any, **more: Any) -> list[Json]:
    """The lines of the answer."""
    answer = await http.post(ROUTE, json={"app": "deployed", "source": source, **more}, headers=KEY)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/jsonl"
    return [json.loads(line) for line in answer.text.splitlines()]


async def put(running: Running, count: int) -> None:
    async with running.http() as http:
        for number in range(count):
            body = {"path": "items:put", "args": {"name": f"n{number}"}}
            assert (await http.post("/api/mutation", json=body)).json()["status"] == "success"


async def test_the_states_of_a_deploy_are_told_line_by_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy_routes, "REPORT_S", 0)
    monkeypatch.setattr(rebuild, "WORK_PER_SLICE", 1)
    async with serve(version(folder)) as running, running.http() as http:
        await put(running, 20)
        lines = await deploy(http, source_of(folder, fields="size: int = 7", more=COUNT))

        pending, (validated, active) = lines[:-2], lines[-2:]
        assert {line["state"] for line in pending} == {"pending"}
        assert len({line["checked"] for line in pending}) > 3
        assert pending[-1]["total"] == 20
        assert (validated["state"], validated["checked"]) == ("validated", 20)
        assert [each["name"] for each in validated["changes"]["functions"]["added"]] == ["items:count"]
        assert [each["name"] for each in validated["changes"]["modules"]["changed"]] == ["items.py", "schema.py"]
        entry = running.database.log.reader.entry(active["entry"])
        assert (active["state"], active["code"]) == ("active", entry.code.hex())
        assert running.database.executor.app.code == entry.code


async def test_a_subscription_goes_over_to_the_new_code_at_the_switch(folder: Path) -> None:
    async with serve(version(folder)) as running, running.client() as client, running.http() as http:
        await client.modify(add(0, "items:names"), add(1, "items:count"))
        await client.answered(0, "items:put", name="a")
        await client.until(lambda: client.value(0) == ["a"])
        await deploy(http, source_of(folder, shown="item.name.upper()", more=COUNT))
        await client.transition()

        assert (client.value(0), client.value(1)) == (["A"], 1.0)


async def test_a_dry_run_ends_validated(folder: Path) -> None:
    async with serve(version(folder)) as running, running.http() as http:
        await put(running, 2)
        head, source = running.database.runtime.tail.head, source_of(folder, more=COUNT)
        lines = await deploy(http, source, dryRun=True)

        assert (lines[-1]["state"], lines[-1]["checked"]) == ("validated", 2)
        assert running.database.runtime.tail.head == head
        assert "items:count" not in running.database.executor.app.endpoints


async def test_what_is_served_already_is_active_without_an_entry(folder: Path) -> None:
    async with serve(version(folder)) as running, running.http() as http:
        lines = await deploy(http, source_of(folder))
        assert (lines[-1]["state"], lines[-1]["entry"]) == ("active", None)
        assert (await deploy(http, source_of(folder), dryRun=True))[-1]["state"] == "active"
        assert running.database.runtime.tail.head == 1


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"items": "def f(:\n"}, "AppInvalid", 'File "items.py", line 1'),
        ({"items": "import json\nimport nothing_of_that_name\n"}, "AppInvalid", 'File "items.py", line 2'),
        ({"items": "from relive import *\nimport random\n@query\nasync def f(ctx: QueryCtx) -> None:\n    open('x')\n"},
         "AppInvalid", "items.py:5"),
        ({"../items": ""}, "AppInvalid", "cannot be a module"),
        ({"/etc/passwd": ""}, "AppInvalid", "cannot be a module"),
        ({"items": "x = 1\n" * 800_000}, "AppInvalid", "a module has at most"),
        ({"schema": "from relive import *\nclass Item(Document):\n    name: int\n", "items": ""},
         "SchemaMismatch", "Expected `int`, got `str`"),
    ],
    ids=["syntax", "import", "lint", "up", "root", "large", "schema"],
)  # fmt: skip
async def test_a_deploy_that_is_refused_says_why_and_changes_nothing(
    folder: Path, change: dict[str, str], code: str, says: str
) -> None:
    async with serve(version(folder)) as running, running.http() as http:
        await put(running, 7)
        head, app = running.database.runtime.tail.head, running.database.executor.app
        failed = (await deploy(http, source_of(folder) | change))[-1]

        assert (failed["state"], failed["code"]) == ("failed", code)
        assert says in failed["message"]
        assert "<deployed>" not in failed["message"]
        if code == "SchemaMismatch":
            assert (failed["count"], len(failed["offenders"])) == (7, 5)
        assert (running.database.runtime.tail.head, running.database.executor.app) == (head, app)
        body = {"path": "items:names", "args": {}}
        assert len((await http.post("/api/query", json=body)).json()["value"]) == 7


@pytest.mark.parametrize(
    "body",
    [b"[]", b"nonsense", b"{}", b'{"app": "x"}', b'{"app": 1, "source": {}}', b'{"app": "x", "source": {"a": 1}}',
     b'{"app": "x", "source": {}, "dryRun": "yes"}'],
)  # fmt: skip
async def test_a_body_that_is_no_deploy_is_refused(folder: Path, body: bytes) -> None:
    async with serve(version(folder)) as running, running.http() as http:
        answer = await http.post(ROUTE, content=body, headers=KEY | {"Content-Type": "application/json"})

        assert (answer.status_code, answer.json()["code"]) == (400, "BadJsonBody")


async def test_a_body_past_the_limit_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy_routes, "BODY_BYTES_MAX", 1_000)
    async with serve(version(folder)) as running, running.http() as http:
        answer = await http.post(ROUTE, json={"app": "x", "source": {"a": "#" * 1_000}}, headers=KEY)

        assert (answer.status_code, answer.json()["code"]) == (400, "BadJsonBody")


async def test_a_deploy_needs_the_admin_key(folder: Path) -> None:
    async with serve(version(folder)) as running, running.http() as http:
        body = {"app": "deployed", "source": source_of(folder, more=COUNT)}
        without = await http.post(ROUTE, json=body)
        wrong = await http.post(ROUTE, json=body, headers={"Authorization": "Convex someone|else"})

        assert (without.status_code, without.json()["code"]) == (403, "BadDeployKey")
        assert (wrong.status_code, wrong.json()["code"]) == (403, "BadDeployKey")
        assert running.database.runtime.tail.head == 1


async def test_two_at_once_are_one_too_many(folder: Path) -> None:
    async with serve(version(folder)) as running, running.http() as http:
        begun = running.database.begin_deploy(version(folder, more=COUNT))
        answer = await http.post(ROUTE, json={"app": "x", "source": source_of(folder)}, headers=KEY)
        running.database.end_deploy(begun)

        assert (answer.status_code, answer.json()["code"]) == (409, "DeployUnderWay")
        assert "a deploy of deployed is under way" in answer.json()["message"]


async def test_a_client_that_goes_away_cancels_its_deploy(folder: Path) -> None:
    old = version(folder, fields="size: int | str = 0", more=ODD)
    async with serve(old) as running, running.client() as client:
        await client.answered(0, "items:odd")
        source = source_of(folder, fields="size: int = 0", more=COUNT)
        running.disk.close()
        # The new code cannot read what this replaces, so the switch waits for the disk.
        await client.mutate(1, "items:mend")
        async with running.http() as http:
            request = http.build_request("POST", ROUTE, json={"app": "deployed", "source": source}, headers=KEY)
            answer = await http.send(request, stream=True)
            deploying = running.database
            await eventually(lambda: deploying.deploying is not None and deploying.deploying.validated)
            await answer.aclose()
        await eventually(lambda: running.database.deploying is None)
        running.disk.open()
        await client.response()

        assert running.database.executor.app is old
        async with running.http() as http:
            assert (await deploy(http, source))[-1]["entry"] == running.database.runtime.tail.head


async def test_the_entry_is_told_only_when_it_is_durable(folder: Path) -> None:
    async with serve(version(folder)) as running, running.http() as http, trio.open_nursery() as nursery:
        source = source_of(folder, more=COUNT)
        lines: list[str] = []
        running.disk.close()

        async def follow() -> None:
            body = {"app": "deployed", "source": source}
            async with http.stream("POST", ROUTE, json=body, headers=KEY) as answer:
                async for line in answer.aiter_lines():
                    lines.append(json.loads(line)["state"])

        nursery.start_soon(follow)
        await eventually(lambda: "validated" in lines)
        await eventually(lambda: running.disk.waiting == 1)
        assert "active" not in lines
        running.disk.open()
        await eventually(lambda: lines[-1] == "active")


async def test_a_server_without_an_app_waits_for_one_and_keeps_it(folder: Path) -> None:
    storage = MemoryStorage()
    async with serve(None, storage) as running, running.http() as http, running.client() as client:
        await client.modify(add(0, "items:names"))
        await client.transition()
        assert "Could not find public function" in client.results[0]["errorMessage"]
        assert (await deploy(http, source_of(folder)))[-1]["entry"] == 1
        await client.until(lambda: client.results[0].get("value") == [])
        await put(running, 2)
    async with serve(None, storage) as running, running.http() as http:
        answer = await http.post("/api/query", json={"path": "items:names", "args": {}})

        assert answer.json()["value"] == ["n0", "n1"]
        assert running.database.executor.app.name == "deployed"


async def test_a_refusal_shows_no_document_that_is_not_durable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended, end = trio.Event(), Database.end_deploy

    def noted(self: Database, deploy: Deploy) -> None:
        end(self, deploy)
        ended.set()

    monkeypatch.setattr(Database, "end_deploy", noted)
    async with serve(version(folder)) as running, running.client() as client, running.http() as http:
        await client.modify(add(0, "items:names"))
        running.disk.close()
        await client.mutate(0, "items:put", name="in flight")
        source = source_of(folder, fields="size: int", shown="'x'")
        lines: list[Json] = []
        async with trio.open_nursery() as nursery:

            async def follow() -> None:
                body = {"app": "deployed", "source": source}
                async with http.stream("POST", ROUTE, json=body, headers=KEY) as answer:
                    async for line in answer.aiter_lines():
                        lines.append(json.loads(line))

            nursery.start_soon(follow)
            await eventually(lambda: running.disk.waiting == 1)
            await ended.wait()
            for _ in range(5):
                await http.get("/version")  # Long enough for whatever is sent meanwhile.
            assert {line["state"] for line in lines} == {"pending"}
            running.disk.open()

        assert (lines[-1]["code"], lines[-1]["count"]) == ("SchemaMismatch", 1)
