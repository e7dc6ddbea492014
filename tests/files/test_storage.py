"""Files, over HTTP and in functions: from bytes to a row and back, and nothing left behind."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import AsyncIterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import define, evolve
from relive.engine.application.app import App, load_app
from relive.engine.env import real_env
from relive.engine.files import files as housekeeping
from relive.engine.files import folder_files
from relive.engine.files.files import Files
from relive.engine.files.folder_files import FolderFiles
from relive.engine.files.memory_files import MemoryFiles
from relive.engine.transactions.upload_tokens import VALID_MS
from relive.log.memory import MemoryStorage

from ..server.harness import Running, eventually, serve

FOLDER = Path(__file__).parent
DATA = bytes(range(256)) * 4_000
NOWHERE = "00000000-0000-0000-0000-000000000000"


@define
class House:
    """A server with files in a folder, and a client."""

    running: Running
    http: httpx.AsyncClient
    folder: Path

    async def call(self, kind: str, path: str, **args: Any) -> Any:
        body = {"path": f"pictures:{path}", "args": args, "format": "json"}
        answer = (await self.http.post(f"/api/{kind}", json=body)).json()
        return answer["value"] if answer["status"] == "success" else answer["errorMessage"]

    async def mutation(self, path: str, **args: Any) -> Any:
        return await self.call("mutation", path, **args)

    async def query(self, path: str, **args: Any) -> Any:
        return await self.call("query", path, **args)

    async def action(self, path: str, **args: Any) -> Any:
        return await self.call("action", path, **args)

    async def post(self, data: Any, url: str | None = None, **headers: str) -> httpx.Response:
        return await self.http.post(url or await self.mutation("upload_url"), content=data, headers=headers)

    async def upload(self, data: bytes = DATA, content_type: str = "image/png") -> str:
        answer = await self.post(data, **{"Content-Type": content_type})
        assert answer.status_code == 200, answer.text
        id: str = answer.json()["storageId"]
        return id

    @property
    def kept(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []


@pytest.fixture(scope="module")
def app() -> App:
    return load_app(FOLDER / "app")


@pytest.fixture
async def house(app: App, tmp_path: Path) -> AsyncIterator[House]:
    folder = tmp_path / "files"
    async with serve(app, store=FolderFiles(folder)) as running, running.http() as http:
        yield House(running, http, folder)


def base64_sha256(data: bytes) -> str:
    return b64encode(sha256(data).digest()).decode()


async def test_what_was_posted_is_a_row_and_can_be_fetched(house: House) -> None:
    id = await house.upload()
    about, url = await house.query("about", file=id), await house.query("url", file=id)
    got = await house.http.get(url)

    assert {name: about[name] for name in about if name[0] != "_"} == {
        "sha256": base64_sha256(DATA),
        "size": len(DATA),
        "contentType": "image/png",
    }
    assert url.startswith(f"{house.running.url}/api/storage/")
    assert url.rpartition("/")[2] not in str(about), "who sees the row does not know the address"
    assert (got.status_code, got.content) == (200, DATA)
    assert got.headers["content-type"] == "image/png"
    assert got.headers["content-length"] == str(len(DATA))
    assert got.headers["digest"] == f"sha-256={base64_sha256(DATA)}"
    assert got.headers["accept-ranges"] == "bytes"
    assert got.headers["cache-control"] == "private, max-age=2592000"
    assert got.headers["x-content-type-options"] == "nosniff"


async def test_an_empty_file_is_a_file(house: House) -> None:
    id = await house.upload(b"")
    got = await house.http.get(await house.query("url", file=id))
    assert (got.status_code, got.content, got.headers["content-length"]) == (200, b"", "0")


async def test_an_address_is_good_for_several_files_and_each_is_its_own(house: House) -> None:
    url = await house.mutation("upload_url")
    ids = {(await house.post(text, url)).json()["storageId"] for text in (b"a", b"b", b"a")}
    assert len(ids) == 3
    assert await house.query("sizes") == [1, 1, 1]
    one, other = await house.mutation("two_upload_urls")
    assert one != other


async def test_a_part_of_a_file_can_be_fetched(house: House) -> None:
    url = await house.query("url", file=await house.upload())

    async def get(header: str) -> httpx.Response:
        return await house.http.get(url, headers={"Range": header})

    part = await get("bytes=1000-1999")
    assert (part.status_code, part.content) == (206, DATA[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(DATA)}"
    assert "digest" not in part.headers
    assert (await get("bytes=-5")).content == DATA[-5:]
    assert (await get(f"bytes={len(DATA) - 3}-")).content == DATA[-3:]
    assert (await get("lines=1-2")).content == DATA
    for wrong in (f"bytes={len(DATA)}-", "bytes=0-1,3-4"):
        refused = await get(wrong)
        assert (refused.status_code, refused.headers["content-range"]) == (416, f"bytes */{len(DATA)}")


async def test_files_that_nobody_reads_to_their_end_are_as_many_as_there_are_descriptors_for(house: House) -> None:
    url = await house.query("url", file=await house.upload(bytes(16 * 2**20)))
    descriptors = house.running.server.descriptors
    before = descriptors.held
    async with await house.running.raw() as slow:
        await slow.send_all(f"GET {httpx.URL(url).path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        await eventually(lambda: descriptors.held == before + 2)
        descriptors.most = descriptors.held
        refused = await house.http.get(url)
        assert (refused.status_code, refused.json()["code"]) == (503, "TooManyConnections")
    await eventually(lambda: descriptors.held == before)

    assert len((await house.http.get(url)).content) == 16 * 2**20


async def test_what_a_browser_has_already_is_not_sent_again(house: House) -> None:
    url = await house.query("url", file=await house.upload())
    first = await house.http.get(url)
    again = await house.http.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await house.http.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(DATA)))


async def test_a_page_of_another_origin_may_post_and_fetch(house: House) -> None:
    url = await house.mutation("upload_url")
    asks = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    asked = await house.http.options(url, headers={**asks, "Access-Control-Request-Headers": "content-type"})
    assert asked.headers["access-control-allow-origin"] == "https://shop.example"
    posted = await house.post(b"x", url, Origin="https://shop.example")
    assert posted.headers["access-control-allow-origin"] == "https://shop.example"


async def test_bytes_that_are_not_those_that_were_announced_are_not_kept(house: House) -> None:
    right = await house.post(DATA, Digest=f"md5=xyz,SHA-256={base64_sha256(DATA)}")
    wrong = await house.post(DATA, Digest=f"sha-256={base64_sha256(b'other')}")
    strange = await house.post(b"x", Digest="sha-256=short")

    assert right.status_code == 200
    assert (wrong.status_code, wrong.json()["code"]) == (400, "Sha256Mismatch")
    assert (strange.status_code, strange.json()["code"]) == (400, "InvalidUpload")
    assert len(house.kept) == 1
    assert await house.query("sizes") == [len(DATA)]


@pytest.mark.parametrize("told", [True, False])
async def test_a_file_that_is_too_large_is_not_kept(house: House, told: bool) -> None:
    # So little that a client has sent all of it before it is answered.
    house.running.database.files.bytes_max = 2

    async def parts() -> AsyncIterator[bytes]:
        yield b"abc"

    answer = await house.post(b"abc" if told else parts())
    assert (answer.status_code, answer.json()["code"]) == (400, "FileTooLarge")
    assert house.kept == []
    assert not house.running.database.files.under_way


async def test_who_is_refused_can_go_on_with_the_same_connection(house: House) -> None:
    for _ in range(3):
        refused = await house.post(DATA, "/api/storage/upload?token=forged")
        assert (refused.status_code, refused.json()["code"]) == (401, "StorageTokenInvalid")
        await house.upload(b"next")
    assert await house.query("sizes") == [4, 4, 4]


async def test_an_upload_that_is_cut_off_leaves_nothing(house: House) -> None:
    url = await house.mutation("upload_url")
    path = url.removeprefix(house.running.url)
    stream = await house.running.raw()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
    await stream.send_all(head.encode() + bytes(600_000))
    await eventually(lambda: len(house.kept) == 1)
    assert house.kept[0].endswith(".part")
    await stream.aclose()

    await eventually(lambda: house.kept == [])
    assert await house.query("sizes") == []
    assert not house.running.database.files.under_way


async def test_an_upload_that_hardly_comes_does_not_keep_the_place_of_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relive.engine.server.storage_routes.UPLOAD_PAUSE_S_MAX", 0.3)
    monkeypatch.setattr("relive.engine.server.storage_routes.DRAIN_S_MAX", 0.1)
    url = await house.mutation("upload_url")
    head = f"POST {url.removeprefix(house.running.url)} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
    async with await house.running.raw() as stream:
        await stream.send_all(head.encode())
        received = b""
        with trio.fail_after(10):
            while not received:
                await stream.send_all(b"x")
                with trio.move_on_after(0.05):
                    received = bytes(await stream.receive_some())
        assert received.startswith(b"HTTP/1.1 408")

    assert house.kept == []
    assert not house.running.database.files.under_way
    assert await house.upload()


async def test_a_page_that_was_posted_sees_nothing_of_other_pages_of_its_address(house: House) -> None:
    for kind in ("text/html", "image/svg+xml", "TEXT/HTML; charset=utf-8", "application/xhtml+xml", "unheard/of"):
        got = await house.http.get(await house.query("url", file=await house.upload(b"<html>", kind)))
        policy = got.headers["content-security-policy"]
        assert policy.startswith("sandbox ")
        assert "allow-same-origin" not in policy
    pdf = await house.http.get(await house.query("url", file=await house.upload(b"%PDF", "application/pdf")))
    assert "content-security-policy" not in pdf.headers


@pytest.mark.parametrize("token", ["", "?token=", "?token=abc", "?token=" + "A" * 5_000, "?token=%00%ff"])
async def test_nobody_posts_without_a_token(house: House, token: str) -> None:
    answer = await house.post(b"x", f"/api/storage/upload{token}")
    assert (answer.status_code, answer.json()["code"]) == (401, "StorageTokenInvalid")
    assert house.kept == []


async def test_an_address_ends_after_an_hour(app: App) -> None:
    later_ns, real = [0], real_env()
    env = evolve(real, clock_ns=lambda: real.clock_ns() + later_ns[0])
    async with serve(app, env=env, store=MemoryFiles()) as running, running.http() as http:
        house = House(running, http, Path())
        url = await house.mutation("upload_url")
        later_ns[0] = (VALID_MS - 60_000) * 1_000_000
        assert (await house.post(b"x", url)).status_code == 200
        later_ns[0] = VALID_MS * 1_000_000
        answer = await house.post(b"x", url)
    assert (answer.status_code, answer.json()["code"]) == (401, "StorageTokenExpired")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (NOWHERE, 404, "FileNotFound"),
        ("x", 400, "InvalidStoragePath"),
        (f"{NOWHERE}/..", 400, "InvalidStoragePath"),
        ("..%2f..%2fsettings.json", 400, "InvalidStoragePath"),
        (NOWHERE.replace("0", "%30") + "%00", 400, "InvalidStoragePath"),
        (f"..%2ffiles%2f{NOWHERE}", 400, "InvalidStoragePath"),
        (NOWHERE.replace("0", "A"), 400, "InvalidStoragePath"),
    ],
)
async def test_a_path_is_the_name_of_a_file_or_nothing(house: House, path: str, status: int, code: str) -> None:
    await house.upload()
    answer = b""
    async with await house.running.raw() as stream:
        await stream.send_all(f"GET /api/storage/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        while part := await stream.receive_some():
            answer += part
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert code.encode() in answer


async def test_a_file_goes_with_its_row_and_its_bytes_when_that_is_durable(house: House) -> None:
    id = await house.upload()
    url = await house.query("url", file=id)
    disk = house.running.disk
    async with house.running.client() as client:
        await client.connect()
        await client.watch(1, "pictures:url", file=id)
        await client.until(lambda: client.value(1) == url)
        disk.close()
        await client.mutate(0, "pictures:remove", file=id)
        await eventually(lambda: house.running.database.files.find(id) is None)
        await house.running.database.files.carry_out_deletions()
        assert len(house.kept) == 1, "what is not durable may be taken back"
        disk.open()
        await client.until(lambda: client.value(1) is None)

    await house.running.database.files.carry_out_deletions()
    assert house.kept == []
    assert (await house.http.get(url)).status_code == 404
    assert "no document" in await house.mutation("remove", file=id)


async def test_a_file_that_comes_and_goes_between_two_looks_leaves_nothing(house: House) -> None:
    files = house.running.database.files
    await files.look_after()
    await files.look_after()
    await house.mutation("remove", file=await house.upload())
    await files.look_after()
    assert house.kept == []


async def test_a_mutation_that_fails_deletes_no_file(house: House) -> None:
    id = await house.upload()
    await house.mutation("remove_and_fail", file=id)
    await house.running.database.files.carry_out_deletions()
    assert (await house.http.get(await house.query("url", file=id))).content == DATA


async def test_bytes_without_a_row_are_swept_and_no_others(house: House) -> None:
    id = await house.upload()
    (house.folder / NOWHERE).write_bytes(b"of an upload whose row was never written")
    (house.folder / "notes.txt").write_bytes(b"not ours")
    files = house.running.database.files
    upload = await files.begin(None, None, "http")
    await upload.write(b"on its way")
    await files.sweep()

    assert NOWHERE not in house.kept
    assert "notes.txt" in house.kept
    other = await upload.finish()
    await files.sweep()
    for each in (id, other):
        assert (await house.http.get(await house.query("url", file=each))).status_code == 200


async def test_an_upload_whose_row_cannot_be_written_leaves_nothing(app: App, tmp_path: Path) -> None:
    storage, folder = MemoryStorage(), tmp_path / "files"
    async with serve(app, storage, store=FolderFiles(folder)) as running, running.http() as http:
        house = House(running, http, folder)
        url = await house.mutation("upload_url")
        storage.space = sum(storage.size(name) for name in storage.names()) + 64
        answers = [await house.post(DATA, url) for _ in range(2)]
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "DiskFull")] * 2
        await running.database.files.sweep()
        assert house.kept == []


async def test_files_leave_some_of_the_disk_to_the_log(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    id = await house.upload()
    disk = os.statvfs(house.folder)
    monkeypatch.setattr(folder_files, "LEFT_RATIO", 1.0)
    monkeypatch.setattr(folder_files, "LEFT_BYTES", disk.f_bavail * disk.f_frsize + 2**40)
    refused = await house.post(DATA)
    assert (refused.status_code, refused.json()["code"]) == (503, "DiskFull")

    assert await house.mutation("remove", file=id) is None
    await eventually(lambda: house.kept == [])
    monkeypatch.setattr(folder_files, "LEFT_BYTES", 0)
    assert await house.upload()


async def test_a_full_disk_under_a_sweep_ends_neither_the_server_nor_a_file(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by seed 572 of the simulator: what the sweep waited for was taken back, and the server ended."""
    monkeypatch.setattr(housekeeping, "TIDY_S", 0.005)
    monkeypatch.setattr(housekeeping, "FAILED_S", 0.005)
    monkeypatch.setattr(housekeeping, "SWEEP_S", 0.0)
    storage, folder, sweeps, sweep = MemoryStorage(), tmp_path / "files", 0, Files.sweep

    async def counted(self: Files) -> None:
        nonlocal sweeps
        await sweep(self)
        sweeps += 1

    monkeypatch.setattr(Files, "sweep", counted)
    async with serve(app, storage, store=FolderFiles(folder)) as running, running.http() as http:
        house = House(running, http, folder)
        id = await house.upload()
        address = await house.query("url", file=id)
        running.disk.close()
        async with trio.open_nursery() as nursery:
            removal = {"path": "pictures:remove", "args": {"file": id}, "format": "json"}
            nursery.start_soon(partial(http.post, "/api/mutation", json=removal))
            await eventually(lambda: running.disk.waiting > 0)
            before = sweeps
            await trio.sleep(0.05)
            assert sweeps == before, "it waits until the row is gone for good"
            storage.space = 0
            running.disk.open()
        storage.space = None
        await eventually(lambda: sweeps > before)
        assert (await http.get(address)).content == DATA


async def test_files_are_as_they_were_after_a_restart(app: App, tmp_path: Path) -> None:
    storage, folder = MemoryStorage(), tmp_path / "files"
    async with serve(app, storage, store=FolderFiles(folder)) as running, running.http() as http:
        house = House(running, http, folder)
        ids = [await house.upload(text) for text in (b"one", b"two", b"three")]
        await house.mutation("remove", file=ids[1])
        before = running.url
    (folder / f"{NOWHERE}.part").write_bytes(b"cut off")
    (folder / NOWHERE).write_bytes(b"no row yet")
    async with serve(app, storage, store=FolderFiles(folder)) as running, running.http() as http:
        house = House(running, http, folder)
        await eventually(lambda: len(house.kept) == 2)
        urls = [await house.query("url", file=id) for id in ids]
        assert urls[1] is None
        assert all(url.startswith(running.url) for url in urls if url), "it is reached elsewhere now"
        assert before != running.url
        assert [(await http.get(url)).content for url in urls if url] == [b"one", b"three"]


@pytest.mark.parametrize("elsewhere", ["", "_elsewhere"])
async def test_actions_store_and_read_files(house: House, elsewhere: str) -> None:
    id = await house.action(f"store_parts{elsewhere}", text="abc" * 10_000, count=100)
    assert await house.action(f"read{elsewhere}", file=id) == "abc" * 1_000_000
    url = await house.action("address", file=id)
    assert url == await house.query("url", file=id)
    assert (await house.http.get(url)).headers.get("content-type") is None
    assert await house.action("remove_in_action", file=id) is None
    assert await house.action(f"read{elsewhere}", file=id) is None


@pytest.mark.parametrize("path", ["store_and_fail", "store_and_fail_elsewhere"])
async def test_what_an_action_did_not_store_to_the_end_is_not_kept(house: House, path: str) -> None:
    assert "no more" in await house.action(path)
    assert house.kept == []
    assert not house.running.database.files.under_way


async def test_an_action_says_what_the_bytes_have_to_be(house: House) -> None:
    assert "nothing was kept" in await house.action("store", text="a", sha256=base64_sha256(b"b"))
    assert len(await house.action("store", text="a", sha256=base64_sha256(b"a"))) > 30
    assert (await house.post(b"x", await house.action("address_for_upload"))).status_code == 200
    assert await house.query("sizes") == [1, 1]


async def test_what_an_address_begins_with_can_be_said(app: App) -> None:
    async with serve(app, store=MemoryFiles()) as running, running.http() as http:
        house = House(running, http, Path())
        running.database.files.reached_at("https://files.example/")
        assert (await house.mutation("upload_url")).startswith("https://files.example/api/storage/upload?token=")
        running.database.files.reached_at("https://other.example")
        assert (await house.mutation("upload_url")).startswith("https://other.example/api/storage/upload?token=")


async def test_a_mutation_that_makes_an_address_makes_the_same_when_it_is_run_again(house: House) -> None:
    executor = house.running.database.executor
    executor.twice = True
    first = await house.mutation("two_upload_urls")
    assert len(set(first)) == 2
    assert all("token=" in url for url in first)
