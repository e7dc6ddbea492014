"""A subscription follows mutations: one's own, another client's, and those over HTTP."""

from __future__ import annotations

from typing import Any

from convex import ConvexClient
from convex.http_client import ConvexHttpClient

from .harness import URL, finish

client, other, http = ConvexClient(URL), ConvexClient(URL), ConvexHttpClient(URL)
subscription = client.subscribe("messages:list")
seen: list[Any] = [next(subscription)]
for sender, body in ((client, "own"), (other, "of another"), (http, "by HTTP")):
    sender.mutation("messages:send", {"author": "python", "body": body})
    seen.append(next(subscription))
subscription.unsubscribe()

finish(
    {
        "seen": [[message["body"] for message in messages] for messages in seen],
        "asked": [message["body"] for message in client.query("messages:list")],
        "by_http": [message["body"] for message in http.query("messages:list")],
        "added": [client.mutation("counters:add", {"name": "n", "amount": n}) for n in (1, 2, 3)],
    }
)
