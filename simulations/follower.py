"""A second executor, on tables of its own that are behind the newest commit: what a replica would be.

    mutate ──> catch up, but not quite ──> run on an old snapshot ──> commit through the one committer
                        ^                                                └──> conflict: again
                        └────────────────────────────────────────────────────┘   ──> the leader

With one executor the snapshot is always the newest entry and nothing ever conflicts.  With this one
validation, repeated runs, merges and the leader are needed for every result to be right.

Invariant: a transaction begins at most `lag` entries behind the newest commit.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from attrs import define, field

from ..actors.messages import Answer, Commit
from ..actors.requests import Requests
from ..actors.runtime import Runtime
from ..actors.supervisor import Supervisor
from ..actors.tables import Tables
from ..actors.tail import Committed, Tail
from ..engine.data.catalog import Catalog
from ..engine.database import Database
from ..engine.execution.calls import Call, Outcome, Request
from ..engine.execution.executor import Executor
from ..log.log import Log


@define(eq=False)
class Behind(Requests):
    """Requests as of an older entry; answers that are no entries are kept where all executors find them."""

    shared: Requests = field(factory=Requests, kw_only=True)

    def answer(self, session: bytes, request: int) -> object | None:
        return self.shared.answer(session, request)

    def keep_answer(self, session: bytes, request: int, answer: object, size: int) -> None:
        self.shared.keep_answer(session, request, answer, size)


@define(eq=False)
class Follower:
    """What an executor asks of the runtime, under the same names."""

    runtime: Runtime
    lag: int
    """In entries."""
    random: Random = field(repr=False)
    probe: Callable[[str], None]
    tables: Tables = field(init=False)
    requests: Requests = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tables = Tables.empty(self.runtime.tables.definition_of)
        self.start_over()
        rewind = self.runtime.rewind

        def rewind_both() -> None:
            rewind()
            self.start_over()

        self.runtime.rewind = rewind_both

    @property
    def tail(self) -> Tail:
        return self.runtime.tail

    @property
    def log(self) -> Log:
        return self.runtime.log

    @property
    def supervisor(self) -> Supervisor:
        return self.runtime.supervisor

    def commit(self, request: Commit) -> Answer:
        """Raises what the runtime does."""
        if request.snapshot < self.tail.head:
            self.probe("a commit from an old snapshot")
        answer = self.runtime.commit(request)
        if answer.lsn - 1 > request.snapshot:
            self.probe("a commit from an old snapshot was let through")
        return answer

    def catch_up(self) -> None:
        """Follow the tail, up to so many entries before its head."""
        behind = int(self.random.random() * (self.lag + 1))
        if not self.tail.holds_after(self.tables.position):
            self.start_over()
        for committed in self.tail.after(self.tables.position):
            if committed.entry.lsn > self.tail.head - behind:
                break
            self.apply(committed)

    def apply(self, committed: Committed) -> None:
        assert committed.entry.lsn == self.tables.position + 1, (committed.entry.lsn, self.tables.position)
        for change in committed.changes:
            keys = [(key.name.index, key.old, key.new) for key in change.keys]
            # The version is the committer's own, so that nothing has to be decoded again.
            self.tables.table(change.table).move(change.id, change.new, keys)
        self.tables.position = committed.entry.lsn
        self.requests.apply(committed.entry)

    def start_over(self) -> None:
        """Take over what the committer's tables hold: commits were taken back, or other code reads them."""
        theirs = self.runtime.tables
        fresh = Tables.empty(theirs.definition_of)
        for name, table in theirs.by_name.items():
            for id, version in table.versions.items():
                change = table.definition.change(id, None, version)
                fresh.table(name).move(id, version, [(key.name.index, None, key.new) for key in change.keys])
        fresh.position = theirs.position
        self.tables.definition_of = theirs.definition_of
        self.tables.become(fresh)
        self.requests = Behind(deepcopy(self.runtime.requests.sessions), shared=self.runtime.requests)


@define(eq=False)
class Leader:
    """The first executor, as the second one sees it."""

    first: Executor
    probe: Callable[[str], None]

    def mutate(self, call: Call, request: Request, *more: Any) -> Outcome:
        self.probe("the leader ran a mutation that always met conflicts")
        return self.first.mutate(call, request, *more)


@define(eq=False)
class SecondExecutor:
    """Runs mutations behind the newest commit, and all else where it always runs."""

    first: Executor
    follower: Follower
    second: Executor = field(init=False)

    def __attrs_post_init__(self) -> None:
        first, runtime, leader = self.first, any_(self.follower), any_(Leader(self.first, self.follower.probe))
        catalog = Catalog(self.follower.tables)
        self.second = Executor(runtime, catalog, first.env, first.secret, first.app, first.codecs, leader=leader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.first, name)

    def mutate(self, call: Call, request: Request, *more: Any) -> Outcome:
        second, first = self.second, self.first
        second.app, second.codecs = first.app, first.codecs  # Another version may have been deployed.
        self.follower.catch_up()
        conflicts = second.conflicts
        done = second.mutate(call, request, *more)
        if second.conflicts > conflicts:
            self.follower.probe("a mutation ran again after a conflict")
        return done


@define(eq=False)
class DatabaseBehind:
    """The database as a connection sees it, whose mutations run behind."""

    database: Database
    executor: SecondExecutor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)


def behind(database: Database, lag: int, random: Random, probe: Callable[[str], None]) -> Any:
    """The database, for connections whose mutations run up to ``lag`` entries behind."""
    follower = Follower(database.runtime, lag, random, probe)
    return DatabaseBehind(database, SecondExecutor(database.executor, follower))


def any_(value: object) -> Any:
    """Has what is asked of it, though not the class."""
    return value
