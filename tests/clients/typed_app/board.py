"""One of everything that a typed client can be given and can give."""

from __future__ import annotations

import builtins
from typing import Any, Generic, Literal, TypeVar

from relive import (
    UNSET,
    ActionCtx,
    Document,
    Id,
    Int64,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Record,
    ScheduledFunction,
    Unset,
    action,
    field,
    index,
    internal_query,
    mutation,
    query,
)

T = TypeVar("T")


class Circle(Record, tag="circle"):
    radius: float


class Square(Record, tag="square"):
    side: int
    inner: builtins.list[Circle | Square] = field(default_factory=builtins.list)


class Box(Record, Generic[T]):
    content: T


class Team(Document):
    str: builtins.str
    """Called like a type, which its other fields are of."""
    name: builtins.str = "x"
    team_id: builtins.int = field(name="team id", default=0)


class Item(Document):
    team: Id[Team] = field()
    shape: Circle | Square
    amount: Int64
    data: bytes = b""
    limit: Int64 | None = None
    scores: dict[str, int] = field(default_factory=dict)
    state: Literal["open", 'it\'s "done" \\ grün', 3] = "open"
    extra: str | Unset = UNSET
    anything: Any = None
    by_team = index(team)


class Event(Document):
    at: float


class Click(Event, tag="click"):
    x: int


class Key(Event, tag="key"):
    key: str


@mutation
async def add_team(ctx: MutationCtx, name: str) -> Id[Team]:
    """Adds a "team"\\"""
    return await ctx.db.insert(Team(str=name))


@query
async def team(ctx: QueryCtx, team: Id[Team]) -> Team | None:
    return await ctx.db.get(team)


@mutation
async def add(
    ctx: MutationCtx,
    team: Id[Team],
    shape: Circle | Square,
    amount: Int64,
    data: bytes = b"none",
    limit: Int64 | None = None,
    scores: dict[str, int] | None = None,
    more: builtins.list[Box[Int64]] | None = None,
    state: Literal["open", 3] = "open",
    anything: Any = None,
) -> Item:
    """Adds an item.

    Gives it back.
    """
    total = Int64(amount + sum(box.content for box in more or []))
    id = await ctx.db.insert(
        Item(
            team=team,
            shape=shape,
            amount=total,
            data=data,
            limit=limit,
            scores=scores or {},
            state=state,
            anything=anything,
        )
    )
    item = await ctx.db.get(id)
    assert item is not None
    return item


@query
async def list(ctx: QueryCtx, team: Id[Team]) -> builtins.list[Item]:
    return await ctx.db.query(Item).index(Item.by_team, team).collect()


@query
async def page(ctx: QueryCtx, team: Id[Team], paginationOpts: PaginationOptions) -> Page[Item]:
    return await ctx.db.query(Item).index(Item.by_team, team).paginate(paginationOpts)


@mutation
async def happen(ctx: MutationCtx, given: int) -> builtins.list[Event]:
    await ctx.db.insert(Click(at=1.5, x=given))
    await ctx.db.insert(Key(at=2.5, key="a"))
    return await ctx.db.query(Event).collect()


@query
async def numbers(ctx: QueryCtx, self: builtins.list[Int64 | None]) -> dict[str, builtins.list[Int64 | None]]:
    return {"given": self}


@mutation
async def later(ctx: MutationCtx, name: builtins.str) -> Id[ScheduledFunction]:
    return await ctx.scheduler.run_after(3_600, add_team, name)


@query
async def job(ctx: QueryCtx, job: Id[ScheduledFunction]) -> ScheduledFunction | None:
    return await ctx.db.system.get(job)


@internal_query
async def hidden(ctx: QueryCtx) -> int:
    return 1


@action
async def describe(ctx: ActionCtx, team: Id[Team], word: str = "items") -> str:
    """How many items a team has."""
    items = await ctx.run_query(list, team)
    return f"{len(items)} {word}"
