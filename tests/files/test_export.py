"""Files in exports and imports: as of one moment, with their bytes, or not at all."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from relive.engine.application.app import App, load_app
from relive.engine.files.memory_files import MemoryFiles
from relive.engine.portability.errors import FileInvalid, ImportRefused, RowsInvalid
from relive.engine.portability.importing import Imported, Importer
from relive.engine.portability.sources import Wanted

from ..server.harness import ADMIN_KEY, serve
from .test_storage import House

KEY = {"Authorization": f"Convex {ADMIN_KEY}"}
STORED = "_storage/documents.jsonl"


@pytest.fixture(scope="module")
def app() -> App:
    return load_app(Path(__file__).parent / "app")


@pytest.fixture
async def houses(app: App) -> AsyncIterator[tuple[House, House]]:
    """Two servers of the same app, with files in memory."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            running = await stack.enter_async_context(serve(app, store=MemoryFiles()))
            made.append(House(running, await stack.enter_async_context(running.http()), Path()))
        yield made[0], made[1]


async def exported(house: House, **query: str) -> zipfile.ZipFile:
    query = {"includeStorage": "true", "format": "zip"} | query
    answer = await house.http.get("/api/relive/export", params=query, headers=KEY)
    assert answer.status_code == 200, answer.text
    return zipfile.ZipFile(io.BytesIO(answer.content))


async def imported(house: House, archive: zipfile.ZipFile, mode: Any = "requireEmpty", **changed: bytes) -> Imported:
    """``changed``: other contents, by a part of the name."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as copy:
        for name in archive.namelist():
            found = [content for part, content in changed.items() if part in name]
            copy.writestr(name, found[0] if found else archive.read(name))
    done = await Importer(house.running.database).run(Wanted("x.zip", "00", "zip", mode), data)
    if done.lsn is not None:
        await house.running.database.runtime.wait_durable(done.lsn)
    return done


def store_of(house: House) -> dict[str, bytes]:
    store = house.running.database.store
    assert isinstance(store, MemoryFiles)
    return store.files


async def test_an_export_has_the_rows_and_the_bytes_and_an_import_brings_both(houses: tuple[House, House]) -> None:
    here, there = houses
    ids = [
        await here.upload(b"one", "image/png"),
        await here.upload(b"", "text/plain"),
        await here.upload(b"3" * 99_999),
    ]
    await here.mutation("keep", file=ids[0], name="first")
    archive = await exported(here)

    rows = [json.loads(line) for line in archive.read(STORED).splitlines()]
    assert {row["_id"] for row in rows} == set(ids)
    assert rows[0].keys() == {"_id", "_creationTime", "sha256", "size", "contentType", "internalId"}
    assert archive.read(f"_storage/{ids[0]}.png") == b"one"
    done = await imported(there, archive)
    assert (done.notes, done.tables["_storage"].inserted) == ((), 3)
    for id in ids:
        url, other = await here.query("url", file=id), await there.query("url", file=id)
        assert url.rpartition("/")[2] == other.rpartition("/")[2], "addresses stay, but for where the server is"
        assert (await there.http.get(other)).content == (await here.http.get(url)).content
        assert await there.query("about", file=id) == await here.query("about", file=id)
    assert (await imported(there, archive, "append", **{"pictures/documents": b""})).lsn is None, (
        "it is all there already"
    )


async def test_without_asking_for_files_there_are_none(houses: tuple[House, House]) -> None:
    here, _ = houses
    await here.upload(b"x")
    assert not [name for name in (await exported(here, includeStorage="false")).namelist() if "_storage" in name]
    refused = await here.http.get("/api/relive/export", params={"includeStorage": "true", "format": "csv"}, headers=KEY)
    assert refused.status_code == 400


async def test_files_that_are_deleted_meanwhile_are_still_exported(houses: tuple[House, House]) -> None:
    here, _ = houses
    id, files = await here.upload(b"going"), here.running.database.files
    with files.hold():
        assert await here.mutation("remove", file=id) is None
        await files.look_after()
        assert list(store_of(here).values()) == [b"going"]
    await files.look_after()
    assert store_of(here) == {}


@pytest.mark.parametrize(
    ("part", "content", "error", "problem"),
    [
        (".png", b"other", ImportRefused, "its row says otherwise"),
        (STORED, b'{"_id":5}\n', RowsInvalid, "`_id` is the id of a file"),
        (STORED, b"rubbish\n", RowsInvalid, "JSON"),
    ],
)
async def test_bytes_and_rows_that_do_not_fit_are_refused_and_nothing_is_kept(
    houses: tuple[House, House], part: str, content: bytes, error: type[Exception], problem: str
) -> None:
    here, there = houses
    await here.upload(b"one", "image/png")
    await here.upload(b"two", "image/png")
    with pytest.raises(error, match=problem):
        await imported(there, await exported(here), **{part: content})
    assert store_of(there) == {}
    assert await there.query("sizes") == []
    assert not there.running.database.files.under_way


async def test_a_row_without_bytes_and_a_path_for_a_name_are_refused(houses: tuple[House, House]) -> None:
    here, there = houses
    id = await here.upload(b"one", "image/png")
    archive = await exported(here)
    row = json.loads(archive.read(STORED))
    other = json.dumps({**row, "_id": await here.upload(b"another")}).encode()
    with pytest.raises(RowsInvalid, match="are not in the ZIP"):
        await imported(there, archive, **{STORED: other})
    path = json.dumps({**row, "internalId": "../../settings.json"}).encode()
    with pytest.raises(RowsInvalid, match="`internalId` is a UUID"):
        await imported(there, archive, **{STORED: path})
    assert store_of(there) == {}
    assert (await imported(there, archive)).tables["_storage"].inserted == 1
    assert await there.query("url", file=id) is not None


async def test_files_with_ids_of_another_kind_are_left_out_and_told_of(houses: tuple[House, House]) -> None:
    here, there = houses
    id = await here.upload(b"one", "image/png")
    stranger = await here.mutation("keep", file=id, name="x")
    archive = await exported(here)
    row = json.dumps({**json.loads(archive.read(STORED)), "_id": stranger}).encode()
    try:
        done = await imported(there, archive, **{STORED: row, "pictures/documents": b""})
    except FileInvalid:
        pytest.fail("the rest of the file can be imported")
    assert done.notes[0].startswith("stored files are left out: their ids are of table 10001")
    assert store_of(there) == {}
