"""Carries out what the actors ask for; with `supervisor`, the only file here that knows trio.

    commit() ──> committer ──> Append: queued for the disk    (one task writes, in a thread)
                          └──> Apply:  tables and requests, at once
    written  ──> Durable ──> committer, gate ──> held items are released

While one batch is in fsync the next gathers: that is the group commit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, assert_never

import trio
from attrs import Factory, define, field

from ..log.entry import LSN, Kind
from ..log.errors import DiskFull, SyncFailed
from ..log.log import Log
from ..log.sites import Sites
from ..log.writer import Batch
from .checkpoints import load_newest
from .committer import Committer
from .errors import WritesRefused
from .gate import Gate
from .messages import Answer, Append, Apply, Commit, Durable, Effect, NotWritten, Undo
from .newest import Newest
from .requests import Requests
from .supervisor import Supervisor
from .tables import Tables
from .tail import Committed, Tail

InThread = Callable[[Callable[[Batch], LSN], Batch], Awaitable[LSN]]
"""Runs a blocking call off the trio thread; simulation runs it in place."""


class Held(Protocol):
    """Something that waits behind the release gate."""

    def release(self) -> None:
        """What it reflects is durable."""

    def wake(self) -> None:
        """Everything that could be released with it has been: go."""

    def drop(self, problem: str) -> None:
        """What it reflects was taken back; it must never leave."""


@define(eq=False)
class Runtime:
    log: Log
    tables: Tables
    requests: Requests
    committer: Committer
    gate: Gate[Held]
    supervisor: Supervisor
    in_thread: InThread
    rewind: Callable[[], None] = field(default=lambda: None)
    """Told when commits were taken back, so that followers beside the tables start over."""
    committed: Callable[[], None] = field(default=lambda: None)
    """Told of each commit, so that whoever follows by cursor can catch up."""
    became_durable: Callable[[], None] = field(default=lambda: None)
    """Told when entries have become durable."""
    woken: trio.Event = Factory(trio.Event)
    writing: bool = False
    stopping: bool = False

    @classmethod
    def start(cls, log: Log, tables: Tables, requests: Requests, in_thread: InThread) -> Runtime:
        """The actors over a log that has just been recovered into ``tables`` and ``requests``."""
        assert tables.position == log.last_lsn, (tables.position, log.last_lsn)
        committer = Committer(Tail(log.last_lsn, log.last_ts), requests, log.last_lsn, log.last_hash)
        return cls(
            log,
            tables,
            requests,
            committer,
            Gate(log.last_lsn),
            Supervisor(),
            in_thread,
        )

    @property
    def sites(self) -> Sites:
        return self.log.writer.sites

    @property
    def tail(self) -> Tail:
        return self.committer.tail

    def commit(self, request: Commit) -> Answer:
        """Make it an entry and apply it; it is not durable yet (see `hold`).

        Raises Conflict, AlreadyCommitted or WritesRefused; then nothing has changed.
        """
        self.supervisor.require_health()
        answer = None
        try:
            for effect in self.committer.receive(request):
                answer = self.perform(effect)
            assert answer is not None, "a commit is answered"
        except AssertionError as error:
            self.supervisor.stop("an invariant of the committer broke", error)
        except SyncFailed as error:
            self.supervisor.stop("the log could not be written", error)
        if self.writing:
            self.committed()  # Otherwise `write_log` says so, once the disk has something to do.
        return answer

    def catch_up(self) -> None:
        """The tables are at the head already: each commit brings them up."""
        assert self.tables.position == self.tail.head, (self.tables.position, self.tail.head)

    def perform(self, effect: Effect) -> Answer | None:
        match effect:
            case Append(entry, encoded):
                self.log.writer.queue(entry, encoded)
                self.woken.set()
            case Apply(committed):
                self.follow(committed)
            case Undo(committed):
                self.requests.undo(committed.entry)
                self.tables.undo(committed)
            case Answer():
                return effect
            case _:
                assert_never(effect)
        return None

    def follow(self, committed: Committed) -> None:
        self.requests.apply(committed.entry)
        try:
            self.tables.apply(committed)
            assert not self.sites.buggify("the tables fail"), "a simulation lets the tables fail"
            if self.sites.buggify("the tables are rebuilt for nothing"):
                self.rebuild_tables()
        except Exception as error:
            self.supervisor.follower_failed("tables", error, self.rebuild_tables)

    def rebuild_tables(self) -> None:
        """As at a start: the newest checkpoint, the log behind it, then what is still on its way to the disk."""
        self.sites.probe("tables are rebuilt")
        recovery, checkpoint = load_newest(self.log.reader.storage, leave_out)
        is_behind = checkpoint is None or checkpoint.lsn <= self.committer.durable
        newest = recovery.newest if is_behind else Newest()
        for entry in self.log.reader.entries(LSN(newest.position + 1)):
            if entry.lsn > self.committer.durable:
                break
            newest.apply(entry)
        fresh = Tables.empty(self.tables.definition_of)
        newest.fill(fresh, refuse_none)
        if self.tail.head > self.committer.durable:
            self.sites.probe("tables are rebuilt with entries on their way to the disk")
        flying = [committed.entry for committed in self.tail.after(self.committer.durable)]
        self.tail.replace(Committed(entry, fresh.replay(entry)) for entry in flying)
        self.tables.become(fresh)
        self.rewind()

    def hold(self, lsn: LSN, item: Held) -> None:
        """Release ``item`` once everything up to ``lsn`` is durable; at once if it is."""
        if self.gate.hold(lsn, item):
            self.sites.probe("something leaves at once: it is durable")
            item.release()
            item.wake()

    async def wait_durable(self, lsn: LSN) -> None:
        """Returns when ``lsn`` is durable.  Raises WritesRefused if it was taken back."""
        waiter = Waiter()
        self.hold(lsn, waiter)
        await waiter.done.wait()
        if waiter.problem:
            raise WritesRefused(waiter.problem)

    async def write_log(self) -> None:
        """The writer task: one batch at a time, until `stop` and nothing is left."""
        while True:
            batch = self.log.writer.take()
            if batch is None:
                if self.stopping:
                    return
                self.woken = trio.Event()
                await self.woken.wait()
                continue
            if self.sites.buggify("a batch waits for others"):
                await trio.lowlevel.checkpoint()
            self.writing = True
            self.committed()
            try:
                durable = await self.in_thread(self.log.writer.write, batch)
            except DiskFull as error:
                self.not_written(str(error))
            except Exception as error:
                # A failed fsync is never retried: the pages it lost are gone from the cache.
                self.supervisor.stop("the log could not be written", error)
            else:
                self.written(durable)
            self.writing = False

    def written(self, durable: LSN) -> None:
        self.committer.receive(Durable(durable))
        released = self.gate.release(durable)
        for item in released:
            item.release()
        # Only now, so that one client's messages go out in one write.
        for item in released:
            item.wake()
        self.became_durable()

    def not_written(self, problem: str) -> None:
        self.sites.probe("entries are taken back")
        for effect in self.committer.receive(NotWritten(self.committer.durable, problem)):
            if isinstance(effect, Undo) and effect.committed.entry.kind is Kind.DEPLOY:
                # Its code reads the tables already, and only a restart brings back the code before.
                self.supervisor.stop("a deploy could not be written", OSError(problem))
            self.perform(effect)
        self.log.writer.withdraw()
        self.rewind()
        for item in self.gate.drop():
            item.drop(problem)

    def stop(self) -> None:
        """Let `write_log` return once everything queued is durable."""
        self.stopping = True
        self.woken.set()


@define(eq=False)
class Waiter:
    done: trio.Event = Factory(trio.Event)
    problem: str = ""

    def release(self) -> None:
        pass

    def wake(self) -> None:
        self.done.set()

    def drop(self, problem: str) -> None:
        self.problem = problem
        self.done.set()


def leave_out(file: str, problem: str) -> None:
    """A checkpoint that cannot be used.  There is an older one, or the whole log."""


def refuse_none(table: str, id: str, error: Exception) -> None:
    """What was served a moment ago must fit."""
    raise error
