"""Files of a server in a process of its own: killed, and with its files in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import httpx
import pytest

from ..cli.conftest import Running, begin
from ..ports import free_port

APP = Path(__file__).parent / "app"


class Servers:
    """Servers of the app, one after another or beside each other; killed at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[Running] = []

    def serve(self, data: str, *options: str) -> str:
        """Where it is served."""
        port = free_port()
        running = begin(self.folder, "serve", APP, "--data", data, "--port", str(port), "--show-errors", *options)
        self.running.append(running)
        running.wait(lambda: bool(running.out))
        return f"http://127.0.0.1:{port}"

    def refused(self, data: str, *options: str) -> str:
        """What a server says that does not start."""
        running = begin(self.folder, "serve", APP, "--data", data, "--port", str(free_port()), *options)
        self.running.append(running)
        assert running.ended() != 0
        return "\n".join(running.err)

    def kill(self) -> None:
        for running in self.running:
            running.kill()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    made = Servers(tmp_path)
    yield made
    made.kill()


def call(url: str, kind: str, path: str, **args: str) -> str:
    answer = httpx.post(f"{url}/api/{kind}", json={"path": f"pictures:{path}", "args": args, "format": "json"}).json()
    assert answer["status"] == "success", answer
    value: str = answer["value"]
    return value


def upload(url: str, data: bytes) -> str:
    answer = httpx.post(call(url, "mutation", "upload_url"), content=data, headers={"Content-Type": "image/png"})
    id: str = answer.json()["storageId"]
    return id


@pytest.mark.parametrize("where", ["folder", "s3"])
def test_files_are_there_after_a_kill_and_addresses_follow_the_server(
    servers: Servers, s3_environment: dict[str, str], where: str
) -> None:
    bucket = f"files-{uuid4()}"
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": s3_environment["AWS_REGION"]})
    options = ("--files", f"s3://{bucket}/mine") if where == "s3" else ()
    url = servers.serve("data", *options)
    data = bytes(range(256)) * 50_000
    kept, gone = upload(url, data), upload(url, b"gone")
    call(url, "mutation", "remove", file=gone)
    servers.kill()

    url = servers.serve("data", *options)
    address = call(url, "query", "url", file=kept)
    assert address.startswith(url)
    assert httpx.get(address).content == data
    assert httpx.get(address, headers={"Range": "bytes=12000000-12000009"}).content == data[12_000_000:12_000_010]
    assert call(url, "query", "url", file=gone) is None
    if where == "s3":
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
        assert f"mine/{address.rpartition('/')[2]}" in keys
        assert not (servers.folder / "data" / "files").exists()
        said = servers.refused("other", *options)
        assert "they belong to the deployment" in said
        assert "secret" not in said


def test_addresses_begin_as_it_was_said(servers: Servers) -> None:
    url = servers.serve("data", "--public-url", "https://files.example/")
    assert call(url, "mutation", "upload_url").startswith("https://files.example/api/storage/upload?token=")


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("/tmp/x", "a place for files is s3://BUCKET"),
        ("s3://", "a place for files is"),
        ("s3://absent-bucket", "NoSuchBucket"),
    ],
)
def test_a_place_that_is_none_is_refused(
    servers: Servers, s3_environment: dict[str, str], place: str, problem: str
) -> None:
    assert problem in servers.refused("data", "--files", place)
