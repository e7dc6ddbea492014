"""Every line marked E is refused by type checkers, and no other is; one of them alone may be named."""

from __future__ import annotations

from typing import Any

from relive import (
    ActionCtx,
    Id,
    Int64,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Record,
    ScheduledFunction,
    action,
    index,
    internal_query,
    mutation,
    query,
)

from .functions import ask, newest, outside, page, send
from .schema import Address, Box, Channel, Click, Event, Message, Picture, Scroll, Text, User


@query  # E: a query's handler wants a MutationCtx
async def writes(ctx: MutationCtx) -> None: ...


@internal_query  # E: so does this one
async def writes_as_well(ctx: MutationCtx, text: str) -> str:
    return text


@query  # E: a handler is async
def waits_for_nothing(ctx: QueryCtx) -> int:
    return 1


@query
async def reads(ctx: QueryCtx, channel: Id[Channel], user: Id[User], options: PaginationOptions) -> int:
    await ctx.db.insert(Channel(name="x"))  # E: a query cannot insert
    await ctx.db.patch(channel, name="x")  # E: nor patch
    await ctx.db.delete(channel)  # E: nor delete
    await ctx.db.get("abc")  # E: plain text is no id
    found = await ctx.db.query(Message).first()
    print(found.likes)  # E: may be None
    found_user = await ctx.db.get(user)
    if found_user is not None:
        print(found_user.likes)  # E: users have no likes
        print(found_user.second.city)  # E: there may be no second address
    for event in await ctx.db.query(Event).collect():
        print(event.x)  # E: not every event is a click
    wrong: Id[Channel] = user  # E: the id of another table
    messages: list[Message] = await ctx.db.query(User).collect()  # E: users are no messages
    print(wrong, messages)
    ctx.db.query(Message).filter(lambda message: message.boody == "x")  # E: misspelt
    ctx.db.query(Record)  # E: no table
    await ctx.db.query(Message).order("down").collect()  # E: no such order
    await ctx.db.query(Message).take("3")  # E: a number
    await ctx.db.query(Message).paginate(3)  # E: options
    paged: Page[User] = await ctx.db.query(Message).paginate(options)  # E: a page of messages
    print(paged)
    return "x"  # E: an int was promised


@query
async def ranges(ctx: QueryCtx, channel: Id[Channel], user: Id[User]) -> None:
    messages = ctx.db.query(Message)
    await ctx.vector_search(User.by_name, [1.0])  # E: an index of another kind
    await ctx.vector_search(User.by_face, "x")  # E: numbers
    await ctx.vector_search(User.by_face, [1.0], limit="3")  # E: a number
    await ctx.vector_search(User.by_face, [1.0], filter="name")  # E: fields and what they hold
    face: Id[Message] = (await ctx.vector_search(User.by_face, [1.0]))[0].id  # E: an id of another table
    print(face)
    messages.search(Message.by_words, "x", user)  # E: an id of another table
    messages.search(Message.by_words, "x", channel, "3")  # E: likes are numbers
    messages.search(Message.by_words, "x", channel, 3, 4)  # E: two filter fields
    messages.search(Message.by_words)  # E: for what?
    messages.search(Message.by_words, 3)  # E: words are text
    messages.search(Message.by_author, "x")  # E: an index of another kind
    messages.index(Message.by_words)  # E: and the other way round
    ctx.db.query(User).search(User.by_words, "x", 3)  # E: no filter fields
    messages.index(Message.by_channel, user)  # E: an id of another table
    messages.index(Message.by_channel, channel, channel)  # E: one field
    messages.index(Message.by_channel, channel, gt="x")  # E: the creation time is next
    messages.index(Message.by_channel, gt=3)  # E: bounds of an id
    messages.index(Message.by_author, user, "3")  # E: likes are numbers
    messages.index(Message.by_author, user, gt="3")  # E: bounds as well
    messages.index(Message.by_author, user, 3, gt="3")  # E: creation time
    messages.index(Message.by_three, user, 3, 5)  # E: an Int64
    messages.index(Message.by_four, user, 3, Int64(5), "gone")  # E(mypy): pyright takes any text for a state
    messages.index(Message.by_creation_time, gt="x")  # E: a time
    messages.index(Message.by_creation_time, 3.0)  # E: bounds only
    messages.index(Message.by_id, gt=3)  # E: an id
    messages.index(Message.by_channel, between=3)  # E: no such bound
    ctx.db.query(User).index(User.by_city, 3)  # E: a city is text
    ctx.db.query(User).index(User.by_town, "x")  # E: no such index
    ctx.db.query(Event).index(Click.by_x, "3")  # E: a number
    ctx.db.query(User).index(User.name, "x")  # E: a field is no index


@query
async def system(ctx: QueryCtx, job: Id[ScheduledFunction], user: Id[User]) -> None:
    row = await ctx.db.system.get(job)
    print(row.state)  # E: there may be none
    named = await ctx.db.system.query("_scheduled_functions").first()
    state: int = named.state.kind if named is not None else 0  # E: a word
    wrong: Id[User] = job  # E: the id of another table
    ctx.db.system.insert(3)  # E: nobody writes them
    ctx.db.system.query(3)  # E: no table
    await ctx.db.system.get("abc")  # E: plain text is no id
    print(state, wrong)


@mutation
async def writes_wrongly(ctx: MutationCtx, channel: Id[Channel], user: Id[User], event: Id[Event]) -> Id[Message]:
    text = Text(text="x")
    await ctx.db.insert(Message(channel=channel, author=channel, content=text))  # E: the author is no channel
    await ctx.db.insert(Message(channel=channel, author=user))  # E: content is missing
    await ctx.db.insert(Message(channel=channel, author=user, content=text, boody="x"))  # E: no such field
    await ctx.db.insert(Message(channel=channel, author=user, content=Address(city="x")))  # E: no variant
    await ctx.db.insert(Message(channel=channel, author=user, content=text, state="gone"))  # E: no such state
    await ctx.db.insert(Message(channel=channel, author=user, content=text, amount=3))  # E: an Int64
    await ctx.db.insert(Channel("x"))  # E: fields are named
    await ctx.db.insert(Channel(name="x", id="y"))  # E: ids are given by the database
    await ctx.db.insert(Click(at=1.0))  # E: a field of the variant is missing
    await ctx.db.insert(text)  # E: a record is no document
    await ctx.db.insert("imports")  # E: no document
    await ctx.db.replace(event, 3)  # E: no document
    await ctx.db.delete(3)  # E: no id
    patched: Channel = await ctx.db.patch(user, name="x")  # E: a user
    print(patched)
    found = await ctx.db.get(user)
    assert found is not None
    found.name = "x"  # E: read-only
    found.address.city = "x"  # E: records are, too
    return await ctx.db.insert(Channel(name="x"))  # E: the id of another table


@mutation
async def calls_wrongly(ctx: MutationCtx, channel: Id[Channel], user: Id[User]) -> int:
    await send(ctx, channel, user)  # E: the text is missing
    await send(ctx, channel, user, text=3)  # E: text is text
    await send(ctx, channel, user, text="x", colour="red")  # E: no such argument
    await send(ctx, user, user, text="x")  # E: no channel
    await send(channel, user, "x")  # E: ctx is missing
    await newest(ctx, channel, limit="3")  # E: a number
    await page(ctx, channel, {"numItems": 3})  # E: a mapping is no record
    count: int = await newest(ctx, channel)  # E: a list
    return count


@query
async def calls_from_a_query(ctx: QueryCtx, channel: Id[Channel], user: Id[User]) -> None:
    await send(ctx, channel, user, "x")  # E: a mutation needs a MutationCtx


@query
async def boxes(ctx: QueryCtx, given: Box[Id[User]]) -> Box[int]:
    Box[int](content="x")  # E: not what stands for T
    await ctx.db.get(given.content, 3)  # E: one id
    number: int = given.content  # E: an id
    print(number)
    return Box(content="x")  # E: another box


class Wrong(Record):
    size: int = "x"  # E: text is no int
    by_size = index("size", staged=3)  # E: staged is a bool


def unfinished(message: Message, scroll: Scroll, picture: Picture) -> Any:
    print(message.content.text)  # E: a picture has no text
    print(scroll.x)  # E: only clicks have
    print(picture.png.wide)  # E: bytes are bytes
    return message.by_chanel  # E: misspelt


@action  # E: an action's handler wants an ActionCtx
async def acts(ctx: MutationCtx) -> None: ...


@action(runtime="threads")  # E: no such runtime
async def runs(ctx: ActionCtx, channel: Id[Channel]) -> None:
    await ctx.db.get(channel)  # E: an action has no database
    await ctx.run_query(send, channel, "x")  # E: a mutation
    await ctx.run_query(newest)  # E: an argument is missing
    await ctx.run_action(ask, "x")  # E: plain text is no id
    await (await ctx.step(outside, "x")).nothing()  # E: it gives text
