"""Failures of functions: with data, without, over the socket and over HTTP."""

from __future__ import annotations

from functools import partial
from typing import Any

from convex import ConvexClient
from convex.http_client import ConvexHttpClient

from .harness import URL, finish, rejection

DATA: list[Any] = [{"code": "full", "seats": 3}, "just text", None, [1, "two", None], 7.5]

client, http = ConvexClient(URL), ConvexHttpClient(URL)


def failures(data: Any) -> list[dict[str, Any]]:
    args: dict[str, Any] = {"data": data}
    return [
        rejection(partial(client.mutation, "failures:mutation_with_data", args)),
        rejection(partial(client.query, "failures:query_with_data", args)),
        rejection(partial(http.mutation, "failures:mutation_with_data", args)),
        rejection(partial(http.query, "failures:query_with_data", args)),
    ]


finish(
    {
        "with_data": [{"sent": data, "received": failures(data)} for data in DATA],
        "plain": [
            rejection(partial(client.mutation, "failures:mutation_plain")),
            rejection(partial(client.query, "failures:query_plain")),
            rejection(partial(http.mutation, "failures:mutation_plain")),
            rejection(partial(http.query, "failures:query_plain")),
        ],
        "unknown": [
            rejection(partial(client.mutation, "failures:nothing")),
            rejection(partial(client.query, "nothing:at_all")),
            rejection(partial(http.query, "nothing:at_all")),
        ],
        "still_connected": client.mutation("counters:add", {"name": "n"}),
    }
)
