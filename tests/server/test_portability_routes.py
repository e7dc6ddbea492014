"""Exports and imports over HTTP: while others write, while others watch, and for tools of Convex."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx
import pytest
import trio
from relive.engine.application.app import App
from relive.engine.portability import exporting, importing
from relive.engine.server import import_routes
from relive.log.memory import MemoryStorage

from .harness import ADMIN_KEY, Json, Running, add, serve

KEY = {"Authorization": f"Convex {ADMIN_KEY}"}
ROWS = b"".join(json.dumps({"name": f"n{number}", "value": float(number)}).encode() + b"\n" for number in range(300))


async def send(http: httpx.AsyncClient, data: bytes = ROWS, **query: str) -> list[Json]:
    """The lines of the answer."""
    query = {"format": "jsonl", "table": "counters", "file": "rows.jsonl"} | query
    answer = await http.post("/api/relive/import", params=query, content=data, headers=KEY)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def call(http: httpx.AsyncClient, path: str, **args: Any) -> Any:
    answer = await http.post("/api/function", json={"path": path, "args": args, "format": "json"}, headers=KEY)
    assert answer.json()["status"] == "success", answer.text
    return answer.json()["value"]


def tables_in(data: bytes) -> dict[str, list[Json]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {
            name.partition("/")[0]: [json.loads(line) for line in archive.read(name).splitlines()]
            for name in archive.namelist()
            if name.endswith("/documents.jsonl")
        }


async def test_an_import_is_told_to_its_end_and_watched(running: Running) -> None:
    async with running.client() as client, running.http() as http:
        await client.modify(add(0, "counters:get", name="n7"))
        await client.until(lambda: client.value(0) == 0)
        *staging, last = await send(http)
        await client.until(lambda: client.value(0) == 7)

        assert {line["state"] for line in staging} <= {"staging"}
        assert last["state"] == "imported"
        assert last["tables"]["counters"]["inserted"] == 300
        assert running.database.runtime.committer.durable >= last["entry"]


async def test_an_export_is_of_one_moment_while_others_write(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "ROWS_PER_SLICE", 1)
    monkeypatch.setattr(exporting, "CHUNK_BYTES", 100)
    async with serve(app) as running, running.http() as http:
        await send(http)
        pieces: list[bytes] = []
        async with http.stream("GET", "/api/relive/export", headers=KEY) as answer:
            async for piece in answer.aiter_raw(200):
                if len(pieces) < 20:
                    # Each adds to one counter, and makes another: the sum of both would show a later moment.
                    await call(http, "counters:add", name="n1")
                    await call(http, "counters:add", name=f"new{len(pieces)}")
                pieces.append(piece)
        tables = tables_in(b"".join(pieces))

        assert len(pieces) > 20
        assert sorted(row["value"] for row in tables["counters"]) == list(range(300))
        assert await call(http, "counters:get", name="n1") == 21


async def test_others_are_served_while_rows_are_staged(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "ROWS_PER_SLICE", 1)
    monkeypatch.setattr(import_routes, "REPORT_S", 0)
    async with serve(app) as running, running.http() as http:
        lines: list[list[Json]] = []

        async def load() -> None:
            lines.append(await send(http, mode="append"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(load)
            while not lines:
                await call(http, "counters:add", name="other")
                await trio.lowlevel.checkpoint()

        staging = [line["rows"] for line in lines[0] if line["state"] == "staging"]
        assert len(set(staging)) > 3
        assert await call(http, "counters:get", name="n299") == 299


async def test_a_client_that_goes_away_cancels_its_import(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "ROWS_PER_SLICE", 1)
    monkeypatch.setattr(import_routes, "REPORT_S", 0)
    async with serve(app) as running, running.http() as http:
        query = {"format": "jsonl", "table": "counters", "file": "rows.jsonl"}
        before = running.database.runtime.tail.head
        async with http.stream("POST", "/api/relive/import", params=query, content=ROWS * 20, headers=KEY):
            pass  # It has begun, and nobody waits for its end.
        while (await send(http, mode="append", dryRun="true"))[-1].get("code") == "ImportUnderWay":
            await trio.lowlevel.checkpoint()

        assert running.database.runtime.tail.head == before


async def test_bad_rows_are_told_by_number(running: Running) -> None:
    async with running.http() as http:
        *_, last = await send(http, b'{"name": "a"}\n{"name": 1}\nrubbish\n')

        assert (last["state"], last["code"]) == ("failed", "RowsInvalid")
        assert [row["row"] for row in last["rows"]] == [2, 3]
        assert await call(http, "counters:get", name="a") == 0


@pytest.mark.parametrize(
    "query",
    [
        {"format": "xml"},
        {"mode": "sometimes"},
        {"dryRun": "maybe"},
        {"format": "zip"},
        {"table": "_tables"},
        {"mode": "replaceAll"},
    ],
)
async def test_what_cannot_be_asked_for_is_refused_before_anything_is_sent(running: Running, query: Json) -> None:
    async with running.http() as http:
        asked = {"format": "jsonl", "table": "counters"} | query
        answer = await http.post("/api/relive/import", params=asked, content=b"", headers=KEY)

        assert answer.status_code == 400


async def test_all_of_it_needs_the_admin_key(running: Running) -> None:
    async with running.http() as http:
        for method, path in [
            ("GET", "/api/relive/export"),
            ("GET", "/api/export/zip/1"),
            ("POST", "/api/export/request/zip"),
            ("POST", "/api/relive/import"),
            ("POST", "/api/import"),
            ("POST", "/api/import/start_upload"),
            ("POST", "/api/import/upload_part"),
            ("POST", "/api/import/finish_upload"),
            ("POST", "/api/perform_import"),
        ]:
            assert (await http.request(method, path)).status_code == 403, path


async def test_one_table_is_exported_by_itself(running: Running) -> None:
    async with running.http() as http:
        await call(http, "counters:add", name="a")
        answer = await http.get("/api/relive/export", params={"format": "csv", "table": "counters"}, headers=KEY)
        header, row = answer.text.splitlines()

        assert header == "_id,_creationTime,name,value"
        assert row.endswith(",a,1.0")
        missing = await http.get("/api/relive/export", params={"format": "csv", "table": "no"}, headers=KEY)
        assert missing.status_code == 404


async def upload(http: httpx.AsyncClient, parts: list[bytes], **about: Any) -> tuple[str, Json]:
    """As tools of Convex do it; the id of the import, and its state."""
    token = (await http.post("/api/import/start_upload", headers=KEY)).json()["uploadToken"]
    tokens = []
    for number, part in enumerate(parts, 1):
        query = {"uploadToken": token, "partNumber": str(number)}
        tokens.append((await http.post("/api/import/upload_part", params=query, content=part, headers=KEY)).json())
    asked = {"format": "jsonLines", "tableName": "counters", "mode": "requireEmpty"} | about
    body = {"import": asked, "uploadToken": token, "partTokens": tokens}
    id = (await http.post("/api/import/finish_upload", json=body, headers=KEY)).json()["importId"]
    return id, await state_of(http, id)


async def state_of(http: httpx.AsyncClient, id: str) -> Json:
    state: Json = (await call(http, "_system/cli/queryImport", importId=id))["state"]
    return state


async def test_a_file_that_comes_in_parts_waits_to_be_confirmed(running: Running) -> None:
    async with running.http() as http:
        id, state = await upload(http, [ROWS[:1_000], ROWS[1_000:]])
        assert state["state"] == "waiting_for_confirmation"
        assert await call(http, "counters:get", name="n7") == 0
        assert (await http.post("/api/perform_import", json={"importId": id}, headers=KEY)).status_code == 200

        assert await state_of(http, id) == {"state": "completed", "num_rows_written": "300"}
        assert await call(http, "counters:get", name="n7") == 7
        assert (await http.post("/api/perform_import", json={"importId": id}, headers=KEY)).status_code == 404


async def test_what_would_be_lost_is_told_before_it_is_confirmed(running: Running) -> None:
    async with running.http() as http:
        await call(http, "counters:add", name="a")
        _, kept = await upload(http, [ROWS], mode="append")
        _, lost = await upload(http, [ROWS], mode="replace")
        _, failed = await upload(http, [ROWS])

        assert kept["message_to_confirm"] == ""
        assert "300 documents come, 0 are replaced, 1 are deleted" in lost["message_to_confirm"]
        assert "holds documents already" in failed["error_message"]


async def test_parts_come_in_order_and_uploads_are_few(running: Running) -> None:
    async with running.http() as http:
        token = (await http.post("/api/import/start_upload", headers=KEY)).json()["uploadToken"]
        query = {"uploadToken": token, "partNumber": "2"}
        assert (await http.post("/api/import/upload_part", params=query, content=b"", headers=KEY)).status_code == 400
        assert (await http.post("/api/import/upload_part", params=query, content=b"", headers=KEY)).status_code == 404
        answers = [await http.post("/api/import/start_upload", headers=KEY) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 409, 409]


async def test_an_export_that_tools_of_convex_ask_for_is_of_the_moment_of_asking(running: Running) -> None:
    async with running.http() as http:
        await call(http, "counters:add", name="a")
        await http.post("/api/export/request/zip", params={"includeStorage": "false"}, headers=KEY)
        await call(http, "counters:add", name="b")
        state = await call(http, "_system/cli/exports:getLatest")
        answer = await http.get(f"/api/export/zip/{state['start_ts']}", headers=KEY)

        assert state["state"] == "completed"
        assert [row["name"] for row in tables_in(answer.content)["counters"]] == ["a"]
        assert (await http.get("/api/export/zip/12345", headers=KEY)).status_code == 404


async def test_what_was_told_to_be_imported_is_there_after_a_crash(app: App) -> None:
    storage = MemoryStorage()
    async with serve(app, storage=storage) as running, running.http() as http:
        *_, last = await send(http)
        assert last["state"] == "imported"
        storage.crash()
    async with serve(app, storage=storage) as running, running.http() as http:
        assert await call(http, "counters:get", name="n299") == 299
