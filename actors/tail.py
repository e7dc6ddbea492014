"""The newest commits, held in memory: for validation, for followers, for the recent past.

Invariants
    * LSNs are dense: `oldest` is the first one held, `head` the last.
    * A commit is dropped only when it is durable and older than the window that is kept.
    * From `known_from` on every moment can be told apart: what was committed after it is held.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from attrs import Factory, define, field, frozen

from ..log.entry import LSN, Entry, Timestamp
from .version import Change

TAIL_COMMITS_MAX = 50_000
"""Commits held at most, whatever their age; more than a client can lag behind."""


@frozen(eq=False)
class Committed:
    """An entry together with what it changes in the tables."""

    entry: Entry
    changes: tuple[Change, ...]


@define(eq=False)
class Tail:
    head: LSN
    """The newest commit, durable or still in flight."""
    head_ts: Timestamp
    commits: deque[Committed] = Factory(deque[Committed])
    known_from: Timestamp = field(init=False)
    """When the newest commit that is not held was made.  It may be long ago: until the next commit,
    nothing changed."""

    def __attrs_post_init__(self) -> None:
        self.known_from = self.head_ts

    @property
    def oldest(self) -> LSN:
        """The first LSN that is held; one past `head` if none is."""
        return LSN(self.head - len(self.commits) + 1)

    def push(self, commit: Committed) -> None:
        assert commit.entry.lsn == self.head + 1, (commit.entry.lsn, self.head)
        assert commit.entry.ts > self.head_ts, (commit.entry.ts, self.head_ts)
        self.commits.append(commit)
        self.head, self.head_ts = commit.entry.lsn, commit.entry.ts

    def pop(self) -> Committed:
        """Take back the newest commit; its timestamp stays used up."""
        commit = self.commits.pop()
        assert commit.entry.lsn == self.head, (commit.entry.lsn, self.head)
        self.head = LSN(self.head - 1)
        return commit

    def holds_after(self, lsn: LSN) -> bool:
        """True if every commit after ``lsn`` is still here."""
        return lsn + 1 >= self.oldest

    def after(self, lsn: LSN) -> Iterator[Committed]:
        """Commits after ``lsn``, oldest first."""
        assert self.holds_after(lsn), (lsn, self.oldest)
        if lsn >= self.head:
            return iter(())
        return islice(self.commits, lsn + 1 - self.oldest, None)

    def newest_first(self) -> Iterator[Committed]:
        return reversed(self.commits)

    def replace(self, commits: Iterable[Committed]) -> deque[Committed]:
        """Hold these instead, which must end at `head`; what was held before."""
        before, self.commits = self.commits, deque(commits)
        for dropped in before:
            if dropped.entry.lsn >= self.oldest:
                break
            self.known_from = dropped.entry.ts
        self.check()
        return before

    def skip_to(self, ts: Timestamp) -> None:
        """Give out no timestamp up to ``ts``: somebody may have seen it already."""
        self.head_ts = max(self.head_ts, ts)

    def trim(self, durable: LSN, keep_from: Timestamp) -> None:
        """Drop durable commits from before ``keep_from``, and any above `TAIL_COMMITS_MAX`."""
        while self.commits:
            oldest = self.commits[0].entry
            if oldest.lsn > durable:
                break
            if oldest.ts >= keep_from and len(self.commits) <= TAIL_COMMITS_MAX:
                break
            self.known_from = self.commits.popleft().entry.ts

    def check(self) -> None:
        assert [commit.entry.lsn for commit in self.commits] == list(range(self.oldest, self.head + 1))
        times = [commit.entry.ts for commit in self.commits]
        assert times == sorted(set(times))
        assert not times or self.known_from < times[0]
        assert not times or times[-1] <= self.head_ts
