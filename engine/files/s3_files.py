"""Files in a bucket of Amazon S3, or of whatever speaks its API.

    <prefix>/<uuid>    a file
    <prefix>/owner     which deployment keeps its files there: another one must not sweep them

A file of more than `PART_BYTES` is sent as a multipart upload while it comes, so that no more than one part of it is in
memory; it is there when the upload is completed.  Credentials, region and endpoint are where boto3 looks for them, such
as AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL_S3.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

import boto3
import trio
from attrs import Factory, define, field, frozen
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .errors import FileGone, FilesUnavailable
from .file_store import NAME, READ_BYTES
from .in_thread import in_thread

T = TypeVar("T")

PART_BYTES: Final = 8 * 2**20
"""S3 takes no part of less than 5 MiB but the last."""
OWNER: Final = "owner"
DELETED_AT_ONCE: Final = 1_000
GONE: Final = ("NoSuchKey", "404")


@frozen(eq=False)
class S3Files:
    bucket: str
    prefix: str
    """Empty, or with a slash at the end."""
    client: Any = field(repr=False)

    @classmethod
    def at(cls, bucket: str, prefix: str = "") -> S3Files:
        """Raises FilesUnavailable for credentials or a region that are missing."""
        # Others than Amazon do not know the checksums that newer clients send by themselves.
        config = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
        with told(f"s3://{bucket}"):
            client: Any = boto3.client("s3", config=config)
        prefix = prefix.strip("/")
        return cls(bucket, f"{prefix}/" if prefix else "", client)

    @property
    def where(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def claim(self, deployment: str) -> None:
        """Say whose files these are.  Blocks.  Raises FilesUnavailable if they are somebody else's."""
        owner = self.owner()
        if owner is None:
            with told(self.where):
                self.client.put_object(Bucket=self.bucket, Key=self.key(OWNER), Body=deployment.encode())
            owner = self.owner()
        if owner != deployment:
            problem = f"they belong to the deployment {owner}, and this is {deployment}: name another bucket or prefix"
            raise FilesUnavailable(self.where, problem)

    def owner(self) -> str | None:
        try:
            with told(self.where):
                found: bytes = self.client.get_object(Bucket=self.bucket, Key=self.key(OWNER))["Body"].read()
        except FileGone:
            return None
        return found.decode("utf-8", "replace")

    def key(self, name: str) -> str:
        assert NAME.fullmatch(name) or name == OWNER, "names of files are ours"
        return f"{self.prefix}{name}"

    async def begin(self, name: str) -> S3Writer:
        return S3Writer(self, name)

    async def read(self, name: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        if start >= stop:
            return
        wanted = {"Bucket": self.bucket, "Key": self.key(name), "Range": f"bytes={start}-{stop - 1}"}
        body = (await self.ask(partial(self.client.get_object, **wanted)))["Body"]
        try:
            while data := await self.ask(partial(body.read, READ_BYTES)):
                yield data
        finally:
            body.close()

    async def delete(self, names: Iterable[str]) -> None:
        keys = [{"Key": self.key(name)} for name in names]
        for first in range(0, len(keys), DELETED_AT_ONCE):
            objects = keys[first : first + DELETED_AT_ONCE]
            wanted = {"Bucket": self.bucket, "Delete": {"Objects": objects, "Quiet": True}}
            answer = await self.ask(partial(self.client.delete_objects, **wanted))
            if errors := answer.get("Errors"):
                raise FilesUnavailable(self.where, f"{len(errors)} not deleted: {errors[0].get('Message')}")

    async def names(self) -> list[str]:
        found: list[str] = await self.ask(self.list_names)
        return found

    def list_names(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return [name for key in keys if NAME.fullmatch(name := key.removeprefix(self.prefix))]

    async def tidy(self) -> None:
        await self.ask(self.abort_uploads)

    def abort_uploads(self) -> None:
        pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=self.prefix)
        for upload in [upload for page in pages for upload in page.get("Uploads", ())]:
            if NAME.fullmatch(upload["Key"].removeprefix(self.prefix)):
                wanted = {"Bucket": self.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
                self.client.abort_multipart_upload(**wanted)

    async def ask(self, work: Callable[[], T]) -> T:
        """Raises FileGone, FilesUnavailable."""

        def ask() -> T:
            with told(self.where):
                return work()

        return await in_thread(ask)


@define(eq=False)
class S3Writer:
    files: S3Files
    name: str
    waiting: bytearray = Factory(bytearray)
    upload: str | None = None
    """Id of the multipart upload, once there is one."""
    parts: list[dict[str, Any]] = Factory(list[dict[str, Any]])
    kept: bool = False

    @property
    def place(self) -> dict[str, str]:
        return {"Bucket": self.files.bucket, "Key": self.files.key(self.name)}

    async def write(self, data: bytes) -> None:
        self.waiting += data
        if len(self.waiting) >= PART_BYTES:
            await self.send_part()

    async def send_part(self) -> None:
        client, data = self.files.client, bytes(self.waiting)
        self.waiting = bytearray()
        if self.upload is None:
            made = await self.files.ask(partial(client.create_multipart_upload, **self.place))
            self.upload = str(made["UploadId"])
        number = len(self.parts) + 1
        part = {**self.place, "UploadId": self.upload, "PartNumber": number, "Body": data}
        sent = await self.files.ask(partial(client.upload_part, **part))
        self.parts.append({"ETag": sent["ETag"], "PartNumber": number})

    async def keep(self) -> None:
        client = self.files.client
        if self.upload is None:
            self.kept = True  # Perhaps also if it fails now.
            await self.files.ask(partial(client.put_object, **self.place, Body=bytes(self.waiting)))
            return
        if self.waiting:
            await self.send_part()
        self.kept = True
        done = {**self.place, "UploadId": self.upload, "MultipartUpload": {"Parts": self.parts}}
        await self.files.ask(partial(client.complete_multipart_upload, **done))

    async def drop(self) -> None:
        with trio.CancelScope(shield=True):
            if self.kept:
                await self.files.delete([self.name])
            elif self.upload is not None:
                abort = partial(self.files.client.abort_multipart_upload, **self.place, UploadId=self.upload)
                await self.files.ask(abort)


@contextmanager
def told(where: str) -> Iterator[None]:
    """What boto3 raises, as what it means here.  Raises FileGone, FilesUnavailable."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in GONE:
            raise FileGone(where) from None
        raise FilesUnavailable(where, str(error)) from None
    except BotoCoreError as error:
        raise FilesUnavailable(where, str(error)) from None
