"""Which page a client watches next: what `usePaginatedQuery` does of it, and nothing of React.

first page, cursor None ──> more ──> the page from its end on
a page that can be split ──> split ──> two, the second of which ends where it ended
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from attrs import frozen

from ..protocol.messages import QueryFailed, QueryUpdated
from .trace import Subscribed

PAGES = ("chat:page",)
"""Functions that give pages."""
OPTIONS = "paginationOpts"


def is_page(path: str) -> bool:
    return path in PAGES


@frozen
class ShownPage:
    """A page that a client watches."""

    query: int
    path: str
    args: dict[str, Any]
    value: dict[str, Any]

    def starting(self, cursor: str, end: str | None) -> tuple[str, dict[str, Any]]:
        """Another page of the same list."""
        options = {"numItems": self.args[OPTIONS]["numItems"], "cursor": cursor, "endCursor": end}
        return self.path, {**self.args, OPTIONS: options}

    def halves(self) -> Iterator[tuple[str, dict[str, Any]]]:
        split, end = self.value["splitCursor"], self.value["continueCursor"]
        yield self.starting(self.args[OPTIONS]["cursor"], split)
        yield self.starting(split, end)


def shown_page(query: int, asked: Subscribed, result: QueryUpdated | QueryFailed | None) -> ShownPage | None:
    """None if it is no page, or nothing is shown yet."""
    if not is_page(asked.path) or not isinstance(result, QueryUpdated):
        return None
    return ShownPage(query, asked.path, asked.args, json.loads(result.value))


def list_of(args: dict[str, Any]) -> dict[str, Any]:
    """Of which list it is a page: the arguments without where it starts and ends."""
    return {name: value for name, value in args.items() if name != OPTIONS}


def followers(pages: list[ShownPage]) -> list[tuple[str, dict[str, Any]]]:
    """The pages after those that nobody watches the follower of."""
    starts = [(each.path, list_of(each.args), each.args[OPTIONS]["cursor"]) for each in pages]
    return [
        each.starting(each.value["continueCursor"], None)
        for each in pages
        if not each.value["isDone"] and (each.path, list_of(each.args), each.value["continueCursor"]) not in starts
    ]


def splittable(pages: list[ShownPage]) -> list[ShownPage]:
    return [each for each in pages if each.value["splitCursor"] is not None]
