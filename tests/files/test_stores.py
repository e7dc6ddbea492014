"""What keeps bytes: a dictionary, a folder and a bucket do the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast
from uuid import uuid4

import boto3
import pytest
import trio
from relive.engine.files.errors import FileGone, FilesUnavailable
from relive.engine.files.file_store import FileStore
from relive.engine.files.folder_files import PART, FolderFiles, write_all
from relive.engine.files.memory_files import MemoryFiles
from relive.engine.files.s3_files import PART_BYTES, S3Files

BIG = bytes(range(256)) * (PART_BYTES // 256 * 2 + 100)


@pytest.fixture
def bucket(s3_environment: dict[str, str]) -> str:
    name = f"files-{uuid4()}"
    boto3.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3_environment["AWS_REGION"]}
    )
    return name


@pytest.fixture(params=["memory", "folder", "s3", "s3 with a prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileStore]:
    match request.param:
        case "memory":
            yield MemoryFiles()
        case "folder":
            yield FolderFiles(tmp_path / "files")
        case kind:
            files = S3Files.at(request.getfixturevalue("bucket"), "a/prefix/" if "prefix" in kind else "")
            files.claim("tests")
            yield files


async def put(store: FileStore, *parts: bytes) -> str:
    name = str(uuid4())
    writer = await store.begin(name)
    for part in parts:
        await writer.write(part)
    await writer.keep()
    return name


async def get(store: FileStore, name: str, start: int, stop: int) -> bytes:
    return b"".join([part async for part in store.read(name, start, stop)])


@pytest.mark.parametrize("parts", [(b"",), (b"a", b"bc"), (BIG,), (BIG[:PART_BYTES], BIG[PART_BYTES:], b"x")])
async def test_what_was_kept_can_be_read_whole_and_in_part(store: FileStore, parts: tuple[bytes, ...]) -> None:
    name, whole = await put(store, *parts), b"".join(parts)

    assert await get(store, name, 0, len(whole)) == whole
    assert await get(store, name, len(whole) // 3, len(whole) // 2) == whole[len(whole) // 3 : len(whole) // 2]
    assert await store.names() == [name]


@pytest.mark.parametrize("data", [b"abc", BIG])
async def test_what_was_dropped_was_never_there(store: FileStore, data: bytes) -> None:
    name = str(uuid4())
    writer = await store.begin(name)
    await writer.write(data)
    assert await store.names() == []
    with trio.CancelScope() as scope:
        scope.cancel()
        await writer.drop()

    assert await store.names() == []
    with pytest.raises(FileGone):
        await get(store, name, 0, 1)


async def test_what_was_kept_can_still_be_dropped(store: FileStore) -> None:
    name = str(uuid4())
    writer = await store.begin(name)
    await writer.write(BIG)
    await writer.keep()
    await writer.drop()
    assert await store.names() == []


async def test_what_was_deleted_is_gone_and_the_rest_is_there(store: FileStore) -> None:
    one, other = await put(store, b"one"), await put(store, b"other")
    await store.delete([one, str(uuid4())])

    assert await store.names() == [other]
    with pytest.raises(FileGone):
        await get(store, one, 0, 3)
    assert await get(store, other, 0, 5) == b"other"


async def test_what_a_former_process_left_half_written_is_tidied_away(tmp_path: Path, bucket: str) -> None:
    folder, s3 = FolderFiles(tmp_path / "files"), S3Files.at(bucket)
    for store in (folder, s3):
        kept = await put(store, b"kept")
        writer = await store.begin(str(uuid4()))
        await writer.write(BIG)
        await store.tidy()
        assert await store.names() == [kept]
        with suppress(FilesUnavailable):  # The upload of S3 is gone by now.
            await writer.drop()
    assert not list(folder.folder.glob(f"*{PART}"))
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=bucket)


async def test_a_file_on_disk_that_is_shorter_than_its_row_says_is_not_passed_off_as_whole(tmp_path: Path) -> None:
    store = FolderFiles(tmp_path / "files")
    name = await put(store, b"abcdef")
    (store.folder / name).write_bytes(b"abc")
    with pytest.raises(FileGone):
        await get(store, name, 0, 6)


def test_a_bucket_of_another_deployment_is_left_alone(bucket: str) -> None:
    S3Files.at(bucket, "x").claim("ours")
    S3Files.at(bucket, "/x/").claim("ours")
    S3Files.at(bucket, "y").claim("theirs")
    with pytest.raises(FilesUnavailable, match="belong to the deployment ours, and this is theirs"):
        S3Files.at(bucket, "x").claim("theirs")


async def test_a_bucket_that_is_not_there_is_named(s3_environment: dict[str, str]) -> None:
    store = S3Files.at("no-such-bucket")
    with pytest.raises(FilesUnavailable, match=r"files in s3://no-such-bucket: .*NoSuchBucket"):
        store.claim("ours")
    with pytest.raises(FilesUnavailable, match="NoSuchBucket"):
        await put(store, b"x")


def test_a_disk_that_takes_a_little_at_a_time_gets_all_of_it(tmp_path: Path) -> None:
    taken: list[bytes] = []

    class Slow:
        def write(self, data: memoryview) -> int:
            taken.append(bytes(data[:3]))
            return len(taken[-1])

    write_all(cast("BinaryIO", Slow()), bytearray(b"abcdefgh"))
    assert taken == [b"abc", b"def", b"gh"]
