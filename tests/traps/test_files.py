"""Files: whoever has an address has the file, until its row is gone."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from relive.engine.application.app import App, load_app
from relive.engine.files.memory_files import MemoryFiles

from ..files.test_export import KEY
from ..files.test_storage import House
from ..server.harness import serve

SOURCE = Path(__file__).parent.parent / "files" / "app"


@pytest.fixture(scope="module")
def app() -> App:
    return load_app(SOURCE)


async def test_an_address_needs_no_token_and_cannot_be_guessed_from_the_id(app: App) -> None:
    """What is meant for one person is found by whoever counts up."""
    async with serve(app, store=MemoryFiles()) as running, running.http() as http:
        house = House(running, http, Path())
        id = await house.upload(b"secret")
        url = await house.query("url", file=id)
        assert (await http.get(url)).content == b"secret"
        assert id not in url
        assert (await http.get(f"/api/storage/{id}")).status_code == 400
        assert "internal" not in str(await house.query("about", file=id))


async def test_deleting_a_file_is_part_of_the_transaction_and_its_bytes_go_later(app: App) -> None:
    """A mutation that fails after all has lost the file, or a row that is there has no bytes."""
    store = MemoryFiles()
    async with serve(app, store=store) as running, running.http() as http:
        house = House(running, http, Path())
        id = await house.upload(b"x")
        await house.mutation("remove_and_fail", file=id)
        url = await house.query("url", file=id)
        assert (await http.get(url)).content == b"x"

        running.disk.close()
        async with running.client() as client:
            await client.connect()
            await client.mutate(0, "pictures:remove", file=id)
            while running.database.files.find(id) is not None:
                await client.websocket.ping(b"")
            await running.database.files.carry_out_deletions()
            assert len(store.files) == 1
            running.disk.open()
            await client.response()
        await running.database.files.carry_out_deletions()
        assert store.files == {}


async def test_an_address_is_a_read_of_the_row_so_deleting_the_file_withdraws_it(app: App) -> None:
    """A page goes on showing an address that leads nowhere."""
    async with serve(app, store=MemoryFiles()) as running, running.http() as http, running.client() as client:
        house = House(running, http, Path())
        id = await house.upload(b"x")
        url = await house.query("url", file=id)
        await client.connect()
        await client.watch(1, "pictures:url", file=id)
        await client.until(lambda: client.value(1) == url)
        await house.mutation("remove", file=id)
        await client.until(lambda: client.value(1) is None)
        assert (await http.get(url)).status_code == 404


async def test_an_export_is_one_moment_of_tables_and_files(app: App) -> None:
    """A document refers to a file that the export does not have, for both were read one after the other."""
    async with serve(app, store=MemoryFiles()) as running, running.http() as http:
        house = House(running, http, Path())
        first = await house.upload(b"1" * 300_000)
        await house.mutation("keep", file=first, name="first")
        query = {"includeStorage": "true"}
        async with http.stream("GET", "/api/relive/export", params=query, headers=KEY) as answer:
            later = await house.upload(b"2")
            await house.mutation("keep", file=later, name="later")
            await house.mutation("remove", file=first)
            data = b"".join([part async for part in answer.aiter_bytes()])
        archive = ZipFile(BytesIO(data))
        pictures = [json.loads(line) for line in archive.read("pictures/documents.jsonl").splitlines()]
        files = [json.loads(line) for line in archive.read("_storage/documents.jsonl").splitlines()]
        assert [picture["file"] for picture in pictures] == [file["_id"] for file in files] == [first]
        assert archive.read(f"_storage/{first}.png") == b"1" * 300_000
