"""The thread in which batches reach the disk: one at a time, for one database.

A thread of its own costs a fraction of `trio.to_thread`, and it is paid once for each batch, on the
thread that runs the handlers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

import outcome
import trio
from attrs import Factory, define

from ..log.entry import LSN
from ..log.writer import Batch


@define(eq=False)
class Job:
    write: Callable[[Batch], LSN]
    batch: Batch
    task: trio.lowlevel.Task
    token: trio.lowlevel.TrioToken

    def run(self) -> None:
        written = outcome.capture(self.write, self.batch)
        self.token.run_sync_soon(trio.lowlevel.reschedule, self.task, written)


@define(eq=False)
class LogThread:
    """Call it as ``await log_thread(write, batch)``; raises what ``write`` raises."""

    jobs: SimpleQueue[Job] = Factory(SimpleQueue)
    is_started: bool = False

    async def __call__(self, write: Callable[[Batch], LSN], batch: Batch) -> LSN:
        if not self.is_started:
            # A daemon: it waits for work when the process ends, and holds nothing that must be saved.
            threading.Thread(target=self.work, name="log", daemon=True).start()
            self.is_started = True
        self.jobs.put(Job(write, batch, trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()))
        # Not to be cancelled: whether a batch is durable must be known before anything else is done.
        lsn: LSN = await trio.lowlevel.wait_task_rescheduled(never_abort)
        return lsn

    def work(self) -> None:
        while True:
            self.jobs.get().run()


def never_abort(raise_cancel: Callable[[], None]) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED
