"""Pages without a subscription, over the socket and over HTTP, and one that is watched."""

from __future__ import annotations

from functools import partial
from typing import Any

from convex import ConvexClient
from convex.http_client import ConvexHttpClient

from .harness import URL, finish, rejection

client: Any = ConvexClient(URL)
http: Any = ConvexHttpClient(URL)
ranks = [n * 7 % 23 for n in range(23)]
client.mutation("posts:add", {"board": "a", "ranks": ranks})


def pages(reader: Any, args: dict[str, Any], count: int) -> list[list[str]]:
    """The pages of a list, each from where the one before ended."""
    found: list[list[str]] = []
    cursor = None
    while True:
        options = {"numItems": count, "cursor": cursor}
        page = reader.query("posts:list", {**args, "paginationOpts": options})
        found.append([post["_id"] for post in page["page"]])
        if page["isDone"]:
            return found
        cursor = page["continueCursor"]


lists = []
chosen: list[dict[str, Any]] = [
    {"where": {"board": "a"}},
    {"where": {"board": "a", "least": 4}, "order": "desc"},
    {"where": {"board": "nobody's"}},
]
for args in chosen:
    whole = [post["_id"] for post in client.query("posts:whole", args)]
    lists.append({"whole": whole, "http": pages(http, args, 5), "socket": pages(client, args, 4)})

first = {"where": {"board": "a"}, "paginationOpts": {"numItems": 3, "cursor": None}}
subscription = client.subscribe("posts:list", first)
watched = [next(subscription)]
client.mutation("posts:add", {"board": "a", "ranks": [1]})
watched.append(next(subscription))
client.mutation("posts:add", {"board": "a", "ranks": [2, 9]})  # Both are behind the 2 where the page ended.
client.mutation("posts:remove", {"ids": [watched[0]["page"][0]["_id"]]})
while (value := next(subscription)) == watched[-1]:
    pass  # The client repeats itself at every transition.
watched.append(value)
subscription.unsubscribe()

wrong = {"where": {"board": "b"}, "paginationOpts": {"numItems": 2, "cursor": watched[0]["continueCursor"]}}
finish(
    {
        "lists": lists,
        "watched": [[post["rank"] for post in page["page"]] for page in watched],
        "failures": [rejection(partial(reader.query, "posts:list", wrong)) for reader in (client, http)],
    }
)
