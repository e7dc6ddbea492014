"""Pages of one moment fit together: put one after another, they are the list as the model has it, so far.

    page from the start ──> page from its end ──> ... ──> one that says that nothing follows

Where a page ends only the server knows.  But what it shows must begin where the page before it ends, and be all
there is up to its own end; so any chain of pages from the start is a beginning of the list, and one that is done is
the whole list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..excuses import moment_of
from ..history import History
from ..paging import OPTIONS, is_page, list_of
from ..trace import Phase, Seen, Shown
from .violation import Violation

NAME = "pages"
CHAINS_MAX = 64
"""Chains looked at for one list in one moment: while pages are split there are several."""


def check(history: History) -> Iterator[Violation]:
    yield from check_ends(history)
    has_settled = False
    known: set[tuple[int, str]] = set()
    for position, (_, event) in enumerate(history.events):
        if isinstance(event, Phase):
            has_settled = event.name == "settled"
        elif isinstance(event, Shown):
            seen = [each for each in event.seen if is_page(each.path)]
            lsn = len(history.states) - 1 if has_settled else moment_of(history, position, event.ts)
            moment = lsn, repr(seen)
            if seen and moment not in known:
                known.add(moment)
                yield from check_moment(history, position, event, lsn, seen)


def check_ends(history: History) -> Iterator[Violation]:
    """A page ends where it ended when it was shown first, as long as somebody watches it."""
    ends: dict[tuple[int, int], tuple[bytes, str]] = {}
    for position, (_, event) in enumerate(history.events):
        if not isinstance(event, Shown):
            continue
        for seen in event.seen:
            if not is_page(seen.path) or seen.value is None:
                continue
            key = event.client, seen.query
            value, end = ends.get(key, (b"", ""))
            if value == seen.value:
                continue
            cursor: str = json.loads(seen.value)["continueCursor"]
            ends[key] = seen.value, cursor
            if end not in ("", cursor):
                problem = (
                    f"query {seen.query} of client {event.client}, {seen.path} with {seen.args}, ended elsewhere before"
                )
                yield Violation(NAME, "a page ends where it ended", problem, position)


def check_moment(history: History, position: int, shown: Shown, lsn: int, seen: list[Seen]) -> Iterator[Violation]:
    where = f"client {shown.client} as of entry {lsn}"
    lists: dict[str, list[tuple[Seen, dict[str, Any]]]] = {}
    for each in seen:
        if each.value is None:
            problem = f"{where}: {each.path} with {each.args} shows {each.error}"
            yield Violation(NAME, "a page has a result", problem, position)
        else:
            lists.setdefault(f"{each.path} {list_of(each.args)}", []).append((each, json.loads(each.value)))
    for name, pages in lists.items():
        first = pages[0][0]
        whole: list[Any] = json.loads(history.answer(lsn, first.path, list_of(first.args)))
        for problem in misfits(whole, pages):
            yield Violation(NAME, "pages fit together", f"{where}: {name}: {problem}", position)


def misfits(whole: list[Any], pages: list[tuple[Seen, dict[str, Any]]]) -> Iterator[str]:
    by_start: dict[str | None, list[tuple[Seen, dict[str, Any]]]] = {}
    for seen, page in pages:
        by_start.setdefault(seen.args[OPTIONS]["cursor"], []).append((seen, page))
    chains: list[tuple[str | None, list[Any], tuple[int, ...]]] = [(None, [], ())]
    for _ in range(CHAINS_MAX):
        if not chains:
            return
        start, so_far, queries = chains.pop()
        for seen, page in by_start.get(start, []):
            items, chain = [*so_far, *page["page"]], (*queries, seen.query)
            problem = misfit(whole, items, page)
            if problem:
                yield f"pages of queries {list(chain)} show {items}, {problem}"
            elif seen.query not in queries and not page["isDone"]:
                chains.append((page["continueCursor"], items, chain))


def misfit(whole: list[Any], items: list[Any], page: dict[str, Any]) -> str:
    if items != whole[: len(items)]:
        return f"which is no beginning of {whole}"
    if page["isDone"] and len(items) < len(whole):
        return f"and the last says that nothing follows; the list is {whole}"
    return ""
