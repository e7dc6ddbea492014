"""The typed client that was generated for `typed_app`, against the server; also put before type checkers."""

from __future__ import annotations

import os
import sys
from typing import assert_never

from convex import ConvexClient

sys.path.insert(0, os.environ["GENERATED"])

from typed_client import (
    UNSET,
    BoxOfInt64,
    Circle,
    Click,
    Client,
    Event,
    Item,
    Key,
    PaginationOptionsArgument,
    ScheduledFunctionsId,
    SquareArgument,
    Subscription,
    TeamId,
)

from .harness import URL, finish


def place(event: Event) -> str:
    match event:
        case Click(x=x):
            return f"{x + 1}"
        case Key():
            return event.key.upper()
        case _:
            assert_never(event)


def area(item: Item) -> float:
    if item.shape.type == "circle":
        return item.shape.radius
    return item.shape.side + sum(inner.radius for inner in item.shape.inner if isinstance(inner, Circle))


def next_of(subscription: Subscription[list[Item]], before: list[Item]) -> list[Item]:
    """The next result that is another one: the client gives one again when another query of its own comes or goes."""
    while (result := next(subscription)) == before:
        pass
    return result


client = Client(ConvexClient(URL))
team: TeamId = client.board.add_team(name="red")
subscription = client.board.list.subscribe(team=team)
seen: list[list[Item]] = [next(subscription)]
description: str = client.board.describe(team=team, word="things")
assert description == "0 things", description
scheduled: ScheduledFunctionsId = client.board.later(name="blue")
job = client.board.job(job=scheduled)
assert job is not None
circle = client.board.add(team=team, shape=Circle(radius=2.5), amount=2**60)
seen.append(next_of(subscription, seen[-1]))
square = client.board.add(
    team=team,
    shape=SquareArgument(side=3, inner=[Circle(radius=1.5), SquareArgument(side=1)]),
    amount=1,
    data=b"\x00\xff",
    limit=5,
    scores={"a": 1},
    more=(BoxOfInt64(content=2**61), BoxOfInt64(content=1)),
    state=3,
    anything={"deep": [1.5, None]},
)
seen.append(next_of(subscription, seen[-1]))
subscription.unsubscribe()
page = client.board.page(team=team, paginationOpts=PaginationOptionsArgument(num_items=1, cursor=None))
rest = client.board.page(
    team=team, paginationOpts=PaginationOptionsArgument(num_items=5, cursor=page.continue_cursor, end_cursor=None)
)
found = client.board.team(team=team)
assert found is not None
assert square.extra is UNSET

finish(
    {
        "seen": [[item.id for item in items] for items in seen],
        "ids": [circle.id, square.id],
        "circle": [area(circle), circle.amount, circle.data.hex(), circle.limit, circle.scores, circle.state],
        "square": [area(square), square.amount, square.data.hex(), square.limit, square.scores, square.state],
        "types": [type(value).__name__ for value in (circle.amount, square.state, square.limit, found.team_id)],
        "anything": square.anything,
        "pages": [[item.id for item in page.page], [item.id for item in rest.page], page.is_done, rest.is_done],
        "team": [found.str, found.name, found.team_id],
        "events": [place(event) for event in client.board.happen(given=7)],
        "numbers": client.board.numbers(self=[1, None, 2**62])["given"],
        "deep": [client.folder.inner.deep(), client.folder.inner.deep(text="x"), client.folder.inner.default()],
        "job": [job.name, job.state.kind, job.args == [{"name": "blue"}]],
        "equal": client.board.list(team=team) == [circle, square],
    }
)
