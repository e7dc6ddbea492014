"""Attachments: the browser asks for an address, posts the file there, and gives the id to `attach`."""

from __future__ import annotations

from relive import ApplicationError, Id, MutationCtx, StoredFile, mutation

from .people import signed_in
from .schema import Attachment, Ticket
from .tickets import existing


@mutation
async def upload_url(ctx: MutationCtx) -> str:
    await signed_in(ctx)
    return await ctx.storage.generate_upload_url()


@mutation
async def attach(ctx: MutationCtx, ticket: Id[Ticket], name: str, file: Id[StoredFile]) -> Id[Attachment]:
    await signed_in(ctx)
    await existing(ctx, ticket)
    if await ctx.db.system.get(file) is None:
        raise ApplicationError({"code": "no_file", "message": "There is no such file any more."})
    return await ctx.db.insert(Attachment(ticket=ticket, name=name[:200], file=file))


@mutation
async def remove(ctx: MutationCtx, ticket: Id[Ticket], name: str) -> None:
    """The row and the file go together, or neither does."""
    await signed_in(ctx)
    for attachment in await ctx.db.query(Attachment).index(Attachment.by_ticket, ticket).take(50):
        if attachment.name == name:
            await ctx.storage.delete(attachment.file)
            await ctx.db.delete(attachment.id)
