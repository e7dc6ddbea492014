"""Messages: read those of a channel page by page, send one, like one.

Arguments and results are checked against the type hints, and the TypeScript types of the web page
are generated from them.  So the code below only asks what a type cannot say.
"""

from __future__ import annotations

from relive import ApplicationError, Id, MutationCtx, Page, PaginationOptions, QueryCtx, mutation, query

from .schema import Channel, Message

AUTHOR_CHARACTERS_MAX = 40
BODY_CHARACTERS_MAX = 2000


# Clients call this function `messages:list`; the argument's name is the one that React's hook uses.
@query
async def list(ctx: QueryCtx, channel: Id[Channel], paginationOpts: PaginationOptions) -> Page[Message]:
    """The messages of a channel, newest first, a page at a time.

    A query is live: relive remembers which part of which index it read, and runs it again when a
    mutation writes there.  A message in another channel does not wake this one up, nor does a like
    in one page wake the others.
    """
    return await ctx.db.query(Message).index(Message.by_channel, channel).order("desc").paginate(paginationOpts)


@mutation
async def send(ctx: MutationCtx, channel: Id[Channel], author: str, body: str) -> Id[Message]:
    """Write a message.

    A mutation is a transaction: when it raises, nothing that it wrote has happened.  What
    `ApplicationError` carries reaches the client as data, so that the page can tell one problem
    from another; any other exception reaches it as an opaque server error.
    """
    author, body = author.strip(), body.strip()
    if not author:
        raise ApplicationError({"code": "no_author", "message": "Tell the others your name first."})
    if len(author) > AUTHOR_CHARACTERS_MAX:
        raise ApplicationError(
            {"code": "too_long", "message": f"A name has at most {AUTHOR_CHARACTERS_MAX} characters."}
        )
    if not body:
        raise ApplicationError({"code": "empty", "message": "Write something first."})
    if len(body) > BODY_CHARACTERS_MAX:
        raise ApplicationError(
            {"code": "too_long", "message": f"A message has at most {BODY_CHARACTERS_MAX} characters."}
        )
    # The type says that this is the id of a channel; only the database knows if it still exists.
    if await ctx.db.get(channel) is None:
        raise ApplicationError({"code": "no_channel", "message": "This channel no longer exists."})

    return await ctx.db.insert(Message(channel=channel, author=author, body=body))


@mutation
async def like(ctx: MutationCtx, message: Id[Message]) -> int:
    """Like a message once more.  Returns how many likes it has now."""
    found = await ctx.db.get(message)
    if found is None:
        raise ApplicationError({"code": "no_message", "message": "This message no longer exists."})

    # No like is lost when two people press at once: mutations take effect one after another.
    likes = found.likes + 1
    await ctx.db.patch(message, likes=likes)
    return likes
