"""An app with files."""

from __future__ import annotations

from collections.abc import AsyncIterator

from relive import (
    ActionCtx,
    ApplicationError,
    Document,
    Id,
    MutationCtx,
    QueryCtx,
    StoredFile,
    action,
    mutation,
    query,
)


class Picture(Document):
    file: Id[StoredFile]
    name: str


@mutation
async def upload_url(ctx: MutationCtx) -> str:
    return await ctx.storage.generate_upload_url()


@mutation
async def two_upload_urls(ctx: MutationCtx) -> list[str]:
    return [await ctx.storage.generate_upload_url(), await ctx.storage.generate_upload_url()]


@mutation
async def keep(ctx: MutationCtx, file: Id[StoredFile], name: str) -> Id[Picture]:
    return await ctx.db.insert(Picture(file=file, name=name))


@mutation
async def remove(ctx: MutationCtx, file: Id[StoredFile]) -> None:
    await ctx.storage.delete(file)


@mutation
async def remove_and_fail(ctx: MutationCtx, file: Id[StoredFile]) -> None:
    await ctx.storage.delete(file)
    raise ApplicationError("never mind")


@query
async def url(ctx: QueryCtx, file: Id[StoredFile]) -> str | None:
    return await ctx.storage.get_url(file)


@query
async def about(ctx: QueryCtx, file: Id[StoredFile]) -> StoredFile | None:
    return await ctx.db.system.get(file)


@query
async def sizes(ctx: QueryCtx) -> list[int]:
    return [row.size for row in await ctx.db.system.query("_storage").collect()]


async def repeated(text: str, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield text.encode()


async def interrupted() -> AsyncIterator[bytes]:
    yield b"some"
    raise ApplicationError("no more")


@action
async def store(ctx: ActionCtx, text: str, sha256: str | None = None) -> Id[StoredFile]:
    return await ctx.storage.store(text.encode(), content_type="text/plain", sha256=sha256)


@action
async def store_parts(ctx: ActionCtx, text: str, count: int) -> Id[StoredFile]:
    return await ctx.storage.store(repeated(text, count))


@action(runtime="asyncio")
async def store_parts_elsewhere(ctx: ActionCtx, text: str, count: int) -> Id[StoredFile]:
    return await ctx.storage.store(repeated(text, count))


@action
async def store_and_fail(ctx: ActionCtx) -> Id[StoredFile]:
    return await ctx.storage.store(interrupted())


@action(runtime="asyncio")
async def store_and_fail_elsewhere(ctx: ActionCtx) -> Id[StoredFile]:
    return await ctx.storage.store(interrupted())


async def read_all(ctx: ActionCtx, file: Id[StoredFile]) -> str | None:
    found = await ctx.storage.get(file)
    if found is None:
        return None
    text = (await found.read()).decode()
    assert text == b"".join([part async for part in found]).decode()
    assert found.size == len(text)
    return text


@action
async def read(ctx: ActionCtx, file: Id[StoredFile]) -> str | None:
    return await read_all(ctx, file)


@action(runtime="asyncio")
async def read_elsewhere(ctx: ActionCtx, file: Id[StoredFile]) -> str | None:
    return await read_all(ctx, file)


@action
async def address(ctx: ActionCtx, file: Id[StoredFile]) -> str | None:
    return await ctx.storage.get_url(file)


@action
async def address_for_upload(ctx: ActionCtx) -> str:
    return await ctx.storage.generate_upload_url()


@action
async def remove_in_action(ctx: ActionCtx, file: Id[StoredFile]) -> None:
    await ctx.storage.delete(file)
