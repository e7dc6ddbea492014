"""Begins what is due: reads the log by cursor, asks the queue, and carries out what it says.

    durable entries ──> queue ──> mutation ──> its entry, and "success" in it
                              └─> action ──> "inProgress" is durable ──> runs ──> "success" or "failed"

Invariants
    * Nothing begins that was scheduled by an entry which is not durable: it could be taken back.
    * Between one job and the next everybody else has a turn.
    * A job that the disk refuses waits longer each time, and takes nothing else with it when it is tried again.
    * Crons that are due begin as scheduled functions, and are then like any other.
    * While the deployment is paused, or where it may not act on the world outside, nothing begins.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import trio
from attrs import Factory, define, field

from ...actors.errors import Conflict, WritesRefused
from ...actors.scheduler import Begin, Gone, Look, Over, Queue, Waits
from ...log.entry import BEFORE_FIRST, LSN
from ..actions.actions import Actions
from ..actions.job import Job as ActionJob
from ..application.app import App
from ..application.functions import ActionFunction
from ..data.system_tables import ScheduledFunction
from ..errors import ActionStopped, TooManyActions
from ..execution.executor import Executor
from ..execution.pause import is_paused
from ..limits import SCHEDULED_ACTIONS_MAX, SCHEDULED_FORGOTTEN_MAX, SCHEDULED_MUTATIONS_MAX
from ..transactions.scheduling import JOBS
from .backoff import Backoff
from .crons import CronRuns
from .jobs import INTERRUPTED, Job, Jobs

logger = logging.getLogger("relive")

RETRY_S = 1.0
"""How long to wait when the log takes nothing now, there is no room for actions, or all is paused."""
WAIT_S_MAX = 1.0
"""The wall clock may be set while somebody waits for a time: how often to look at it."""
FORGET_S = 60.0
"""How often to look for rows that need not be kept any longer."""
STOP_S_MAX = 1.0
"""How long a stop waits for actions that have ended to be noted as such."""


@define(eq=False)
class Schedules:
    """The scheduled functions of one database.  `run` drives them; without it they wait."""

    executor: Executor
    actions: Actions
    jobs: Jobs = field(init=False)
    crons: CronRuns = field(init=False)
    sealed: bool = False
    """Whether this deployment may begin nothing by itself."""
    queue: Queue = field(init=False)
    wait_durable: Callable[[LSN], Awaitable[None]] = field(init=False)
    position: LSN = BEFORE_FIRST
    """What is durable up to here has been read."""
    app: App | None = None
    """The code for which the queue was made; None if it must be made anew."""
    running: dict[str, None] = Factory(dict[str, None])
    """Scheduled actions, from before they begin until their end is noted."""
    woken: trio.Event = Factory(trio.Event)
    backoff: Backoff = Factory(Backoff)
    stopping: bool = False
    was_paused: bool = False
    """Since crons were last begun."""
    forgotten_ms: float = 0.0
    """When rows that need not be kept were last looked for."""

    def __attrs_post_init__(self) -> None:
        self.jobs = Jobs(self.executor)
        self.crons = CronRuns(self.executor)
        self.wait_durable = self.executor.runtime.wait_durable
        self.queue = Queue.with_room(mutation=SCHEDULED_MUTATIONS_MAX, action=SCHEDULED_ACTIONS_MAX)

    # What the queue holds.

    def wake(self) -> None:
        """Something became durable."""
        self.woken.set()

    def rewind(self) -> None:
        """Entries were taken back, or other code is served: what was read may not be so."""
        self.app = None
        self.woken.set()

    def follow(self) -> None:
        """Read what became durable since the last time."""
        runtime, durable = self.executor.runtime, self.executor.runtime.committer.durable
        if self.app is not self.executor.app or not runtime.tail.holds_after(self.position):
            self.reload()
        changed: dict[str, None] = {}
        for committed in runtime.tail.newest_first():
            if committed.entry.lsn <= self.position:
                break
            if committed.entry.lsn <= durable:
                changed.update((change.id, None) for change in committed.changes if change.table == JOBS)
        for id in changed:
            self.see(id)
        self.position = max(self.position, durable)

    def reload(self) -> None:
        """As of the newest commit, without what is not durable yet: that is read when it is."""
        durable = self.executor.runtime.committer.durable
        self.queue = Queue.with_room(mutation=SCHEDULED_MUTATIONS_MAX, action=SCHEDULED_ACTIONS_MAX)
        self.queue.lanes["action"].running.update(dict.fromkeys(self.running))
        self.app, self.position = self.executor.app, durable
        for job in self.jobs.all():
            if job.lsn <= durable:
                self.put(job)

    def see(self, id: str) -> None:
        job = self.jobs.get(id)
        if job is None or job.row.state.kind != "pending":
            self.backoff.refused.pop(id, None)
            self.queue.receive(Gone(id))
        else:
            self.put(job)

    def put(self, job: Job) -> None:
        row = job.row
        if row.state.kind == "pending":
            lane = "action" if self.action_of(row) is not None else "mutation"
            due = self.backoff.due(row.id, row.scheduled_time)
            self.queue.receive(Waits(row.id, due, row.creation_time, lane))

    def action_of(self, row: ScheduledFunction) -> ActionFunction[..., object] | None:
        endpoint = self.executor.app.endpoints.get(row.name)
        function = endpoint.function if endpoint is not None else None
        return function if isinstance(function, ActionFunction) else None

    # What is due.

    async def run(self) -> None:
        """Until cancelled.  Ends what was interrupted by the last stop, then begins what is due."""
        if self.sealed:
            await self.say_sealed()
        async with trio.open_nursery() as nursery:
            await self.end_interrupted(nursery)
            while True:
                self.woken = trio.Event()
                try:
                    if await self.turn(nursery):
                        await trio.lowlevel.checkpoint()
                    else:
                        await self.wait()
                except WritesRefused:
                    self.rewind()
                    await trio.sleep(RETRY_S)

    async def say_sealed(self) -> None:
        waiting = sum(job.row.state.kind == "pending" for job in self.jobs.all())
        if waiting:
            logger.info("%s scheduled functions wait, and do so for ever: this fork runs none", f"{waiting:,}")
        await trio.sleep_forever()

    async def turn(self, nursery: trio.Nursery) -> bool:
        """Begin what may begin now; False if that is nothing.  Raises WritesRefused."""
        if self.stopping or self.is_paused():
            return False
        self.follow()
        self.begin_crons()
        begun = self.queue.receive(Look(self.now_ms()))
        for begin in begun:
            if begin.lane == "action":
                self.running[begin.id] = None
                nursery.start_soon(self.act, begin.id)
        try:
            await self.mutate_all([begin.id for begin in begun if begin.lane == "mutation"])
        finally:
            self.over(begun)
        return self.forget() or bool(begun)

    async def mutate_all(self, ids: list[str]) -> None:
        """Run mutations whose turn it is, in that order, until they are durable.  Raises WritesRefused."""
        flying: dict[str, LSN] = {}
        try:
            for id in ids:
                alone = self.backoff.runs_alone(id)
                if alone:
                    await self.land(flying)
                lsn = self.mutate(id)
                if lsn is not None:
                    flying[id] = lsn
                if alone:
                    await self.land(flying)
                await trio.lowlevel.checkpoint()
            await self.land(flying)
        except WritesRefused:
            # What was on its way to the disk has been taken back, all of it.
            taken_back = [id for id in flying if self.is_pending(id)]
            self.backoff.note(taken_back, self.now_ms())
            raise

    def is_pending(self, id: str) -> bool:
        job = self.jobs.get(id)
        return job is not None and job.row.state.kind == "pending"

    async def land(self, flying: dict[str, LSN]) -> None:
        """Wait until what these jobs wrote is durable.  Raises WritesRefused."""
        if flying:
            if any(map(self.is_pending, flying)):
                # Taken back while others had their turn: that LSN may never come, or be of another entry.
                raise WritesRefused("the disk did not take what scheduled functions wrote")
            await self.wait_durable(max(flying.values()))
            self.backoff.written(flying)
            flying.clear()

    def is_paused(self) -> bool:
        paused = is_paused(self.executor.runtime.tables)
        self.was_paused = self.was_paused or paused
        return paused

    def begin_crons(self) -> int:
        """What fell due during a pause is skipped; how many fell due.  Raises WritesRefused."""
        begun = self.crons.begin(self.now_ms(), skip=self.was_paused)
        self.was_paused = False
        return begun

    def over(self, begun: tuple[Begin, ...]) -> None:
        for begin in begun:
            if begin.id not in self.running:
                self.queue.receive(Over(begin.id))

    def mutate(self, id: str) -> LSN | None:
        """Raises WritesRefused."""
        job = self.jobs.get(id)
        if job is None or job.row.state.kind != "pending":
            return None  # Cancelled a moment ago.
        if is_paused(self.executor.runtime.tables):
            self.rewind()  # It waits again.
            return None
        return self.jobs.mutate(job)

    async def wait(self) -> None:
        """Until something is due, or has changed."""
        due = self.queue.next_due()
        cron = self.crons.next_due()
        if cron is not None:
            due = cron if due is None else min(due, cron)
        seconds = WAIT_S_MAX if due is None else min(max(due - self.now_ms(), 0.0) / 1000, WAIT_S_MAX)
        if self.stopping or is_paused(self.executor.runtime.tables):
            seconds = RETRY_S  # What is due does not begin.
        with trio.move_on_after(seconds):
            await self.woken.wait()
        await trio.lowlevel.checkpoint()

    def now_ms(self) -> float:
        """As functions see it: if the clock was set back, what is scheduled for now need not wait for it."""
        return self.executor.clock() / 1e6

    def forget(self) -> bool:
        """Let some old rows go, if it is time; whether there are more.  Raises WritesRefused."""
        if abs(self.now_ms() - self.forgotten_ms) < FORGET_S * 1000:
            return False
        if self.jobs.forget() == SCHEDULED_FORGOTTEN_MAX:
            return True
        self.forgotten_ms = self.now_ms()
        return False

    # Actions.

    async def act(self, id: str) -> None:
        """A scheduled action, from before it begins until its end is noted."""
        try:
            job = self.jobs.get(id)
            if job is None or job.row.state.kind != "pending":
                return
            if not self.has_room():
                await trio.sleep(RETRY_S)
                return
            begun = self.jobs.begin(job)
            await self.wait_durable(begun.lsn)
            if not begun.value:
                return
            if not self.has_room():
                await self.note(lambda: self.jobs.put_back(job).lsn)
                await trio.sleep(RETRY_S)
                return
            await self.attend(job)
        except (WritesRefused, Conflict):
            logger.warning("the scheduled function %s could not begin: it is tried again", id)
            await trio.sleep(RETRY_S)
        finally:
            self.running.pop(id, None)
            self.queue.receive(Over(id))
            self.look_again(id)

    def look_again(self, id: str) -> None:
        """It may be pending still."""
        job = self.jobs.get(id)
        if job is not None and job.lsn <= self.position:
            self.put(job)  # Otherwise it is seen when that is durable.
        self.woken.set()

    def has_room(self) -> bool:
        if self.stopping or is_paused(self.executor.runtime.tables):
            return False
        try:
            self.actions.require_room(None)
        except (ActionStopped, TooManyActions):
            return False
        return True

    async def attend(self, job: Job) -> None:
        """Run an action that is noted as begun, and note how it ends."""
        action = self.actions.start(job.call, job.request())
        outcome = await action.wait()
        if not self.goes_on(action):
            await self.note(lambda: self.jobs.end(job, outcome).lsn)

    def goes_on(self, action: ActionJob) -> bool:
        """Whether it is a durable action that has only been interrupted."""
        return action.durable is not None and isinstance(action.reason, ActionStopped)

    async def note(self, write: Callable[[], LSN]) -> None:
        """Write how something has ended: as soon as it can be written."""
        while True:
            try:
                await self.wait_durable(write())
                return
            except (WritesRefused, Conflict):
                await trio.sleep(RETRY_S)

    async def end_interrupted(self, nursery: trio.Nursery) -> None:
        """What was under way at the last stop: durable actions go on, all others have failed."""
        for job in [job for job in self.jobs.all() if job.row.state.kind == "inProgress"]:
            action = self.action_of(job.row)
            if action is not None and action.durable:
                self.running[job.id] = None
                nursery.start_soon(self.go_on, job)
            else:
                logger.error("scheduled action %s (%s) was interrupted: it has failed", job.row.name, job.id)
                await self.note(lambda job=job: self.jobs.fail(job, INTERRUPTED).lsn)  # type: ignore[misc]

    async def go_on(self, job: Job) -> None:
        try:
            await self.attend(job)
        finally:
            self.running.pop(job.id, None)
            self.queue.receive(Over(job.id))
            self.woken.set()

    async def stop(self) -> None:
        """Begin nothing more; the actions that were begun have been stopped, and their ends are noted."""
        self.stopping = True
        with trio.move_on_after(STOP_S_MAX):
            while self.running:
                self.woken = trio.Event()
                await self.woken.wait()
