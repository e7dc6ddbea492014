"""Tickets: open one, find it again, see which are like it, solve it."""

from __future__ import annotations

from datetime import timedelta

from relive import (
    ANY,
    ActionCtx,
    ApplicationError,
    Id,
    LimitReached,
    MutationCtx,
    QueryCtx,
    Record,
    ScheduledFunction,
    TokenBucket,
    field,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)

from .embedding import embed, topic_of
from .people import signed_in
from .schema import Attachment, Comment, State, Ticket

TITLE_CHARACTERS_MAX = 120
BODY_CHARACTERS_MAX = 5_000
LIKE_MIN = 0.5

# Five in a row, and then one every ten seconds: enough for people, not for a loop gone wild.
opens = TokenBucket("tickets opened", rate=6, per=timedelta(minutes=1), capacity=5)


class Summary(Record):
    """A ticket in a list."""

    id: Id[Ticket]
    title: str
    author: str
    state: State
    urgency: int
    topic: str | None


class Attached(Record):
    name: str
    url: str | None
    content_type: str | None = field(name="contentType")
    size: int


class Details(Record):
    """All about one ticket."""

    ticket: Summary
    body: str
    comments: list[Comment]
    attachments: list[Attached]
    ahead_of: int = field(name="aheadOf")
    """How many open tickets are less urgent."""
    reminder: str | None
    """How the scheduled reminder stands: `pending`, `success`, `canceled`...; None if there never was one."""


class Counts(Record):
    open: int
    solved: int
    urgent: int
    """Open ones of the highest urgency."""
    average_urgency: float = field(name="averageUrgency")
    """Of the open ones; 0 if there are none."""


class Alike(Record):
    ticket: Summary
    score: float


def summary(ticket: Ticket) -> Summary:
    return Summary(
        id=ticket.id,
        title=ticket.title,
        author=ticket.author,
        state=ticket.state,
        urgency=ticket.urgency,
        topic=ticket.topic,
    )


async def existing(ctx: QueryCtx, id: Id[Ticket]) -> Ticket:
    ticket = await ctx.db.get(id)
    if ticket is None:
        raise ApplicationError({"code": "gone", "message": "This ticket no longer exists."})
    return ticket


@query
async def find(ctx: QueryCtx, words: str, state: State | None = None) -> list[Summary]:
    """The newest tickets, or with words those that have them, the best first: live, as somebody types."""
    await signed_in(ctx)
    tickets = ctx.db.query(Ticket)
    if words.strip():
        try:
            found = await tickets.search(Ticket.by_text, words, ANY if state is None else state).take(50)
        except LimitReached:
            return []  # Somebody pasted a page of text.
    elif state is not None:
        found = await tickets.index(Ticket.counts, state).order("desc").take(50)  # The most urgent first.
    else:
        found = await tickets.order("desc").take(50)
    return [summary(ticket) for ticket in found]


@query
async def details(ctx: QueryCtx, ticket: str) -> Details | None:
    """None if there is no such ticket, which may be any text: it stands in the page's address."""
    await signed_in(ctx)
    id = ctx.db.normalize_id(Ticket, ticket)
    found = await ctx.db.get(id) if id is not None else None
    if found is None:
        return None
    job = await ctx.db.system.get(found.reminder) if found.reminder is not None else None
    attachments: list[Attached] = []
    for attachment in await ctx.db.query(Attachment).index(Attachment.by_ticket, found.id).take(50):
        file = await ctx.db.system.get(attachment.file)
        attachments.append(
            Attached(
                name=attachment.name,
                url=await ctx.storage.get_url(attachment.file),
                content_type=(file.content_type or None) if file is not None else None,
                size=file.size if file is not None else 0,
            )
        )
    return Details(
        ticket=summary(found),
        body=found.body,
        comments=await ctx.db.query(Comment).index(Comment.by_ticket, found.id).take(200),
        attachments=attachments,
        ahead_of=await ctx.db.aggregate(Ticket.counts, "open").rank(found.urgency),
        reminder=job.state.kind if job is not None else None,
    )


@query
async def counts(ctx: QueryCtx) -> Counts:
    """Read from the aggregate: as fast with a million tickets as with ten."""
    await signed_in(ctx)
    opened, solved = (ctx.db.aggregate(Ticket.counts, state) for state in ("open", "solved"))
    count = await opened.count()
    return Counts(
        open=count,
        solved=await solved.count(),
        urgent=await ctx.db.aggregate(Ticket.counts, "open", 3).count(),
        average_urgency=await opened.sum() / count if count else 0.0,
    )


@query
async def similar(ctx: QueryCtx, ticket: Id[Ticket]) -> list[Alike]:
    """Solved and open tickets that are about the same; live, so one that comes later shows up by itself."""
    await signed_in(ctx)
    found = await ctx.db.get(ticket)
    if found is None or found.embedding is None:
        return []
    alike: list[Alike] = []
    for id, score in await ctx.vector_search(Ticket.by_embedding, found.embedding, limit=6):
        other = await ctx.db.get(id)
        if id != ticket and other is not None and score >= LIKE_MIN:
            alike.append(Alike(ticket=summary(other), score=score))
    return alike


@mutation
async def open(ctx: MutationCtx, title: str, body: str, urgency: int) -> Id[Ticket]:
    author = await signed_in(ctx)
    await opens.require(ctx, author)
    return await create(ctx, author, title, body, urgency)


async def create(ctx: MutationCtx, author: str, title: str, body: str, urgency: int) -> Id[Ticket]:
    title, body = title.strip(), body.strip()
    if not title:
        raise ApplicationError({"code": "empty", "message": "A ticket needs a title."})
    if len(title) > TITLE_CHARACTERS_MAX or len(body) > BODY_CHARACTERS_MAX:
        raise ApplicationError({"code": "too_long", "message": "That is too long for a ticket."})
    if urgency not in (1, 2, 3):
        raise ApplicationError({"code": "urgency", "message": "The urgency is 1, 2 or 3."})
    ticket = await ctx.db.insert(
        Ticket(title=title, text=f"{title}\n{body}", body=body, author=author, state="open", urgency=urgency)
    )
    # It may take as long as a model takes, so it is not part of the transaction; that it will happen is.
    await ctx.scheduler.run_after(0, classify, ticket)
    return ticket


@internal_mutation
async def received(ctx: MutationCtx, sender: str, title: str, body: str) -> Id[Ticket]:
    """From the webhook: nobody has signed in there, so all of it shares one limit."""
    await opens.require(ctx, "webhook")
    return await create(ctx, sender, title, body, urgency=2)


@internal_query
async def text_of(ctx: QueryCtx, ticket: Id[Ticket]) -> str | None:
    found = await ctx.db.get(ticket)
    return found.text if found is not None else None


@internal_action
async def classify(ctx: ActionCtx, ticket: Id[Ticket]) -> None:
    """Find out what a ticket is about.  An action: here an app would ask a model over the network."""
    text = await ctx.run_query(text_of, ticket)
    if text is not None:
        await ctx.run_mutation(classified, ticket, topic_of(text), embed(text))


@internal_mutation
async def classified(ctx: MutationCtx, ticket: Id[Ticket], topic: str, embedding: list[float]) -> None:
    if await ctx.db.get(ticket) is not None:
        await ctx.db.patch(ticket, topic=topic, embedding=embedding)


@mutation
async def comment(ctx: MutationCtx, ticket: Id[Ticket], body: str) -> Id[Comment]:
    author = await signed_in(ctx)
    await existing(ctx, ticket)
    if not body.strip():
        raise ApplicationError({"code": "empty", "message": "Write something first."})
    return await ctx.db.insert(Comment(ticket=ticket, author=author, body=body.strip()[:BODY_CHARACTERS_MAX]))


@mutation
async def set_state(ctx: MutationCtx, ticket: Id[Ticket], state: State) -> None:
    await signed_in(ctx)
    found = await existing(ctx, ticket)
    if state == "solved":
        await take_back(ctx, found)
    await ctx.db.patch(ticket, state=state)


@mutation
async def remind(ctx: MutationCtx, ticket: Id[Ticket], seconds: float) -> Id[ScheduledFunction]:
    """A comment after so many seconds, exactly once, whatever crashes meanwhile; `forget_reminder` takes it back."""
    author = await signed_in(ctx)
    found = await existing(ctx, ticket)
    if not 0 < seconds <= 90 * 86_400:
        raise ApplicationError({"code": "seconds", "message": "Choose a time within the next 90 days."})
    await take_back(ctx, found)
    job = await ctx.scheduler.run_after(seconds, reminded, ticket, author)
    await ctx.db.patch(ticket, reminder=job)
    return job


@mutation
async def forget_reminder(ctx: MutationCtx, ticket: Id[Ticket]) -> None:
    await signed_in(ctx)
    await take_back(ctx, await existing(ctx, ticket))


async def take_back(ctx: MutationCtx, ticket: Ticket) -> None:
    """Cancel the reminder, if there is one that has not been given: what has ended cannot be cancelled."""
    job = await ctx.db.system.get(ticket.reminder) if ticket.reminder is not None else None
    if job is not None and job.state.kind == "pending":
        await ctx.scheduler.cancel(job.id)


@internal_mutation
async def reminded(ctx: MutationCtx, ticket: Id[Ticket], who: str) -> None:
    if await ctx.db.get(ticket) is not None:
        await ctx.db.insert(Comment(ticket=ticket, author="Reminder", body=f"{who} wanted to look at this again."))
