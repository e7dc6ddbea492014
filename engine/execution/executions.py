"""The newest executions of functions: what ran, how it ended, what it printed.

Kept in memory for whoever operates the server, who sees failures in full even if clients do not.
Arguments, results and credentials are not in it; what mutations did, the log has.

Invariants
    * Cursors increase strictly, also over restarts as long as the clock does not go back.
    * At most `EXECUTIONS_MAX` are kept, with at most `EXECUTION_BYTES_MAX` of text; the oldest go first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import takewhile

import trio
from attrs import Factory, define, evolve, frozen

from ...log.entry import LSN
from ..limits import EXECUTION_BYTES_MAX, EXECUTIONS_MAX

OVERHEAD_BYTES = 600
"""Of an execution that printed nothing."""


@frozen
class Used:
    """What an execution read and wrote."""

    documents_read: int
    bytes_read: int
    documents_written: int
    bytes_written: int


NOTHING = Used(0, 0, 0, 0)


@frozen
class Execution:
    cursor: int
    """Microseconds since the Unix epoch, about: when it ended, and later than the one before."""
    started_ns: int
    duration_ns: int
    path: str
    kind: str
    """query, mutation, action; system for what the server itself writes."""
    cause: str
    """client, http and so on; as in the entries of the log."""
    request_id: str
    error: str | None
    """Why it failed, in full; None if it succeeded."""
    log_lines: tuple[str, ...]
    lsn: LSN | None
    """The entry that it became, if it wrote anything."""
    cached: bool
    """Answered with the result of an execution before it."""
    retries: int
    """How often it ran again because what it had read was changed."""
    used: Used
    size: int
    """Bytes it takes, about."""

    @property
    def success(self) -> bool:
        return self.error is None


@define(eq=False)
class Executions:
    clock_ns: Callable[[], int]
    kept: deque[Execution] = Factory(deque[Execution])
    bytes: int = 0
    newest: int = 0
    """The greatest cursor given out."""
    waiting: int = 0
    """Tasks in `wait_after`."""
    stopping: bool = False
    ended: trio.Event = Factory(trio.Event)
    """Set by the next execution that ends, if anybody waits."""

    def record(
        self,
        started_ns: int,
        path: str,
        kind: str,
        cause: str,
        request_id: str,
        *,
        error: str | None = None,
        log_lines: tuple[str, ...] = (),
        lsn: LSN | None = None,
        cached: bool = False,
        retries: int = 0,
        used: Used = NOTHING,
    ) -> None:
        """An execution that began at ``started_ns`` has ended now."""
        now_ns = self.clock_ns()
        self.newest = max(now_ns // 1000, self.newest + 1)
        size = OVERHEAD_BYTES + len(path)
        if log_lines:
            size += sum(map(len, log_lines))
        if error is not None:
            size += len(error)
        execution = Execution(
            self.newest,
            started_ns,
            max(now_ns - started_ns, 0),
            path,
            kind,
            cause,
            request_id,
            error,
            log_lines,
            lsn,
            cached,
            retries,
            used,
            size,
        )
        self.kept.append(execution)
        self.bytes += size
        while self.bytes > EXECUTION_BYTES_MAX or len(self.kept) > EXECUTIONS_MAX:
            self.bytes -= self.kept.popleft().size
        if self.waiting:
            self.wake()

    def wake(self) -> None:
        self.ended.set()
        self.ended = trio.Event()

    def stop(self) -> None:
        """Let nobody wait any more."""
        self.stopping = True
        self.wake()

    def after(self, cursor: int) -> tuple[Execution, ...]:
        """Those that ended after ``cursor``, oldest first."""
        newer: Iterator[Execution] = takewhile(lambda execution: execution.cursor > cursor, reversed(self.kept))
        return tuple(newer)[::-1]

    async def wait_after(self, cursor: int) -> tuple[Execution, ...]:
        """The same; waits until there is one, or the server stops."""
        # A cursor of the future would wait for ever: it is from before the clock was set back.
        cursor = min(cursor, max(self.newest, self.clock_ns() // 1000 - 1))
        while not (newer := self.after(cursor)) and not self.stopping:
            self.waiting += 1
            try:
                await self.ended.wait()
            finally:
                self.waiting -= 1
        return newer

    def take_back(self, head: LSN, problem: str) -> None:
        """Entries after ``head`` have not become durable: what wrote them has failed after all."""
        for position, execution in enumerate(self.kept):
            if execution.lsn is not None and execution.lsn > head:
                self.kept[position] = evolve(execution, error=problem, lsn=None)
