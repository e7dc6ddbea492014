"""A node that follows the committer's tail at its own pace, and commits through it what it ran on its own tables.

It has what an executor asks of the runtime, under the same names.  Like a process that follows the
log it is behind until it catches up, so its snapshots are old; unlike one it shares the versions
with the committer's tables, so nothing has to be decoded.
"""

from __future__ import annotations

from copy import deepcopy

from attrs import Factory, define
from relive.actors.messages import Answer, Commit
from relive.actors.requests import Requests
from relive.actors.runtime import Runtime
from relive.actors.tables import Tables
from relive.actors.tail import Committed, Tail
from relive.log.entry import LSN
from relive.log.log import Log


@define(eq=False)
class Replica:
    runtime: Runtime
    tables: Tables
    requests: Requests = Factory(Requests)

    @classmethod
    def of(cls, runtime: Runtime) -> Replica:
        """A replica that is at the head now, and starts over there whenever commits were taken back."""
        replica = cls(runtime, Tables.empty(runtime.tables.definition_of))
        replica.start_over()
        rewind = runtime.rewind

        def rewind_all() -> None:
            rewind()
            replica.start_over()

        runtime.rewind = rewind_all
        return replica

    @property
    def tail(self) -> Tail:
        return self.runtime.tail

    @property
    def log(self) -> Log:
        return self.runtime.log

    def commit(self, request: Commit) -> Answer:
        """Raises what the runtime does.  What was committed is seen here after the next `catch_up`."""
        return self.runtime.commit(request)

    def catch_up(self, lsn: LSN | None = None) -> None:
        """Follow the tail up to ``lsn``, or to its head."""
        if not self.tail.holds_after(self.tables.position):
            self.start_over()
        for committed in self.tail.after(self.tables.position):
            if lsn is not None and committed.entry.lsn > lsn:
                break
            self.apply(committed)

    def apply(self, committed: Committed) -> None:
        assert committed.entry.lsn == self.tables.position + 1, (committed.entry.lsn, self.tables.position)
        for change in committed.changes:
            table = self.tables.table(change.table)
            assert table.versions.get(change.id) is change.old, ("followed out of order", change.id)
            table.move(change.id, change.new, [(key.name.index, key.old, key.new) for key in change.keys])
        self.tables.position = committed.entry.lsn
        self.requests.apply(committed.entry)

    def start_over(self) -> None:
        """Take over what the committer's tables hold."""
        theirs = self.runtime.tables
        fresh = Tables.empty(theirs.definition_of)
        for name, table in theirs.by_name.items():
            for id, version in table.versions.items():
                change = table.definition.change(id, None, version)
                fresh.table(name).move(id, version, [(key.name.index, None, key.new) for key in change.keys])
        fresh.position = theirs.position
        self.tables.become(fresh)
        self.requests.sessions = deepcopy(self.runtime.requests.sessions)
