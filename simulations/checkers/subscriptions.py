"""At every transition everything that a client shows, changed or not, is what the model says of that moment.

Looking at what has not changed is what finds a change that nobody was told of.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

from ..driver import NANOSECONDS
from ..excuses import moment_of
from ..history import History
from ..paging import is_page
from ..trace import Phase, Seen, Shown
from .violation import Violation

NAME = "subscriptions"
UNDER_WAY_NS: Final = NANOSECONDS
"""How long a change may be on its way to a client when all is well."""


def check(history: History) -> Iterator[Violation]:
    known: dict[tuple[int, str], bytes] = {}
    has_settled = False
    for position, (_, event) in enumerate(history.events):
        if isinstance(event, Phase):
            has_settled = event.name == "settled"
        elif isinstance(event, Shown):
            # When all has settled, it is the last moment that counts, whatever the client believes; but what runs
            # again and again goes on, and its newest change may be on its way.
            lsn = history.durable[position] if has_settled else moment_of(history, position, event.ts)
            first = long_ago(history, position) if has_settled else lsn
            if lsn > history.durable[position]:
                problem = f"client {event.client} is shown entry {lsn}; the disk had {history.durable[position]}"
                yield Violation(NAME, "nothing is shown before it is durable", problem, position)
            for seen in event.seen:
                if is_page(seen.path):
                    continue  # What it must be depends on where it ends: see `pages`.
                key = lsn, f"{seen.path} {seen.args}"
                if key not in known:
                    known[key] = history.answer(lsn, seen.path, seen.args)
                if seen.value != known[key] and not was_so(history, range(first, lsn), seen):
                    yield Violation(NAME, "what is shown is true", problem_of(event, seen, lsn, known[key]), position)


def long_ago(history: History, position: int) -> int:
    """The entry that everybody has been shown by now."""
    before = history.events[position][0] - UNDER_WAY_NS
    return history.durable[bisect_left(history.events, before, hi=position, key=itemgetter(0))]


def was_so(history: History, lsns: range, seen: Seen) -> bool:
    return any(history.answer(lsn, seen.path, seen.args) == seen.value for lsn in lsns)


def problem_of(shown: Shown, seen: Seen, lsn: int, expected: bytes) -> str:
    found = repr(seen.value) if seen.value is not None else seen.error
    return (
        f"client {shown.client} shows {found} for {seen.path} with {seen.args}; "
        f"as of entry {lsn}, time {shown.ts}, it is {expected!r}"
    )
