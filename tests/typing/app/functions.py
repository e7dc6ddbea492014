"""Every use that type checkers must allow."""

from __future__ import annotations

from relive import (
    ANY,
    UNSET,
    ActionCtx,
    Document,
    Id,
    Int64,
    MutationCtx,
    Nearest,
    Page,
    PaginationOptions,
    Query,
    QueryCtx,
    SearchQuery,
    action,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)

from .schema import Address, Box, Channel, Click, Event, Message, Picture, Scroll, Text, User


@query
async def newest(ctx: QueryCtx, channel: Id[Channel], limit: int = 50) -> list[Message]:
    return await ctx.db.query(Message).index(Message.by_channel, channel).order("desc").take(limit)


@query
async def page(ctx: QueryCtx, channel: Id[Channel], paginationOpts: PaginationOptions) -> Page[Message]:
    return await ctx.db.query(Message).index(Message.by_channel, channel).paginate(paginationOpts)


@query
async def ranges(ctx: QueryCtx, author: Id[User], since: float) -> list[Message]:
    messages = ctx.db.query(Message)
    queries: list[Query[Message]] = [
        messages.index(Message.by_channel),
        messages.index(Message.by_author, gte=author),
        messages.index(Message.by_author, author, gte=3, lt=10),
        messages.index(Message.by_author, author, 3, gt=since),
        messages.index(Message.by_three, author, 3, gte=Int64(5)),
        messages.index(Message.by_three, author, 3, Int64(5), lt=since),
        messages.index(Message.by_four, author, 3, Int64(5), "sent", gt=since),
        messages.index(Message.by_four, author, 3),
        messages.index(Message.by_creation_time, gte=since),
        messages.index(Document.by_id, gt=""),
        messages.filter(lambda message: message.likes > 3),
    ]
    return [message for one in queries for message in await one.collect()]


@query
async def searches(ctx: QueryCtx, channel: Id[Channel], words: str) -> list[Message]:
    messages = ctx.db.query(Message)
    found: list[SearchQuery[Message]] = [
        messages.search(Message.by_words, words),
        messages.search(Message.by_words, words, channel),
        messages.search(Message.by_words, words, channel, 3),
        messages.search(Message.by_words, words, ANY, 3).filter(lambda message: message.likes > 3),
    ]
    user: User | None = await ctx.db.query(User).search(User.by_words, words).first()
    print(user, await ctx.db.query(User).search(User.by_email_words, words, "Oslo").count())
    listed = [message async for message in found[0]]
    return listed + [message for one in found for message in [*await one.collect(), *await one.take(3)]]


@query
async def faces(ctx: QueryCtx, face: list[float], city: str) -> list[User]:
    found: list[Nearest[User]] = await ctx.vector_search(User.by_face, face, limit=3, filter={"name": "ada"})
    some = [*found, *await ctx.vector_search(User.by_face, (1, 2.0, 3), filter=[{"address.city": city}, {"name": "x"}])]
    print(sum(score for _, score in some))
    return [user for each in some if (user := await ctx.db.get(each.id)) is not None]


@internal_action
async def nearest_face(ctx: ActionCtx, face: list[float]) -> Id[User] | None:
    return next((id for id, _ in await ctx.vector_search(User.by_face, face, limit=1)), None)


@query
async def users(ctx: QueryCtx, city: str) -> list[str]:
    near = await ctx.db.query(User).index(User.by_city, city, "ada").unique()
    nowhere = await ctx.db.query(User).index(User.by_second, UNSET).collect()
    mailed = await ctx.db.query(User).index(User.by_email, None).first()
    archived = await ctx.db.query(Channel).index(Channel.by_archived, UNSET).collect()
    names = [near.name] if near is not None else []
    names += [user.second.city async for user in ctx.db.query(User) if user.second is not None]
    names += [row["name"] for row in await ctx.db.query("imports").index("by_creation_time", gte=3.0).collect()]
    return names + [user.name for user in nowhere] + ([mailed.name] if mailed else []) + [c.name for c in archived]


@query
async def events(ctx: QueryCtx) -> list[Event]:
    clicks: list[Click] = await ctx.db.query(Click).index(Click.by_x, 3).collect()
    found: list[Event] = [*clicks, *await ctx.db.query(Event).index(Event.by_at, gte=1).collect()]
    for event in found:
        match event:
            case Click():
                print(event.x)
            case Scroll():
                print(event.y)
            case _:
                pass
    return found


@query
async def boxes(ctx: QueryCtx, given: Box[Id[User]]) -> Box[User | None]:
    return Box(content=await ctx.db.get(given.content), more=[await ctx.db.get(user) for user in given.more])


@internal_query
async def counted(ctx: QueryCtx) -> int:
    return await ctx.db.query(Message).count() if await ctx.db.query(Message).exists() else 0


@mutation
async def send(ctx: MutationCtx, channel: Id[Channel], author: Id[User], text: str) -> Id[Message]:
    return await ctx.db.insert(Message(channel=channel, author=author, content=Text(text=text)))


@mutation
async def change(ctx: MutationCtx, message: Id[Message], user: Id[User], event: Id[Event]) -> str:
    changed = await ctx.db.patch(message, likes=3, state="deleted", content=Picture(png=b""))
    await ctx.db.patch(user, address=Address(city="Oslo"), email=None)
    replaced: Event = await ctx.db.replace(event, Scroll(at=1.0, y=2))
    clicked: Id[Event] = await ctx.db.insert(Click(at=1.0, x=3))
    plain: str = await ctx.db.insert("imports", {"name": "x"})
    await ctx.db.delete(clicked)
    return f"{changed.likes} {replaced.at} {plain} {ctx.db.normalize_id(User, plain)}"


@internal_mutation
async def calls(ctx: MutationCtx, channel: Id[Channel], author: Id[User]) -> int:
    messages = await newest(ctx, channel, limit=3)
    one: Id[Message] = await send(ctx, channel, author, text="x")
    await send(ctx, channel=channel, author=author, text="x")
    return len(messages) + len(one) + await counted(ctx)


async def outside(url: str, times: int = 1) -> str:
    return url * times


@action
async def ask(ctx: ActionCtx, channel: Id[Channel]) -> int:
    messages: list[Message] = await ctx.run_query(newest, channel, limit=3)
    await ctx.run_query("functions:newest", {"channel": channel})
    return messages[0].likes


@internal_action(runtime="asyncio", durable=True)
async def ask_surely(ctx: ActionCtx, channel: Id[Channel]) -> str:
    likes: int = await ctx.run_action(ask, channel)
    text: str = await ctx.step(outside, "x", times=likes, retries=2, backoff=0.5, name="ask")
    messages: list[Message] = await ctx.step(newest, channel)
    await ctx.sleep(1.5)
    identity = await ctx.auth.get_user_identity()
    return (
        text + ctx.env["NAME"] + ctx.meta.request_id + str(messages[0].likes) + (identity.subject if identity else "")
    )
