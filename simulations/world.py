"""Everything that a server process and its clients know of the outside, for one plan.

    warm-up ──> chaos: faults at their times ──> heal ──> liveness: all get done ──> settle ──> stop

Invariants
    * Nothing in here, and nothing that runs in here, depends on more than the plan.
    * After `heal` nothing fails any more.
"""

from __future__ import annotations

from copy import deepcopy
from itertools import count
from random import Random
from typing import Any, Final

import trio
from attrs import Factory, define, field

from ..actors.definition import BY_CREATION_TIME
from ..engine.application.app import App
from ..engine.database import Database
from ..engine.env import Env, Watchdog
from ..engine.execution.executions import Execution
from ..engine.files.memory_files import MemoryFiles
from ..log.entry import Entry
from ..log.errors import Damaged
from ..log.memory import MemoryStorage
from ..log.recovery import recover
from ..protocol.client_session import ClientSession
from .authored import references
from .caller import Caller
from .client import Client, same, session_id
from .damage import lost_checkpoints, misread, rot
from .driver import NANOSECONDS, Clock
from .network import Link, Pipe
from .operator import Operator
from .plan import (
    CHECKPOINT_DIES,
    CLOCK,
    CRASH,
    CRASH_AT_CHANGE,
    CUT,
    DELAY,
    DISK_FULL,
    DUPLICATE,
    FOLLOWER,
    HALF_OPEN,
    KILL,
    MISREAD,
    ROT_CHECKPOINT,
    ROT_LOG,
    SYNC_FAILS,
    SYNC_LIES,
    WRITE_FAILS,
    Fault,
    Operation,
    Plan,
)
from .process import CRASHED, DISK, FAILED, KILLED, STOPPED, Process
from .randomness import stream
from .sites import TABLES_FAIL, Chance
from .trace import Ended, Faulted, Forgotten, Objected, Phase, Started, Stuck, Trace, Unlike, Wrote
from .wire import websocket_link, write_now

EPOCH_NS: Final = 1_800_000_000 * NANOSECONDS
LIVENESS_S: Final = 60.0
"""So long after everything is well, everybody must be done."""
SETTLE_S: Final = 5.0
DISK_FULL_S: Final = 0.3
CHAOS_TAIL_S: Final = 0.1
FAILURES_MAX: Final = 10
"""So many processes in a row may fail; nothing that comes after would be another thing."""
HALF: Final = 50


@define(eq=False)
class World:
    plan: Plan
    app: App
    clock: Clock
    is_authored: bool = False
    """Whether the app is somebody's own: its functions run twice, and plans name documents by their number."""
    executions: list[Execution] = Factory(list[Execution])
    """Of processes that have ended, if the app is somebody's own."""
    trace: Trace = field(init=False)
    storage: MemoryStorage = field(init=False)
    env: Env = field(init=False)
    latencies: Random = field(init=False, repr=False)
    syncs: Random = field(init=False, repr=False)
    crashes: Random = field(init=False, repr=False)
    follower_random: Random = field(init=False, repr=False)
    damages: Random = field(init=False, repr=False)
    chance: Chance = field(init=False)
    ledger: list[Entry] | None = None
    """What the log held before a disk that had lied forgot some of it; the run is over then."""
    nursery: trio.Nursery | None = field(default=None, repr=False)
    operator: Operator = field(init=False)
    process: Process | None = None
    processes: int = 0
    skew_ns: int = 0
    """By how much the wall clock has jumped so far."""
    skew_ns_max: int = 0
    files: MemoryFiles = Factory(MemoryFiles)
    lost_checkpoints: set[str] = Factory(set[str])
    """What no start can use: something of them, or of what they cover, that a disk had confirmed is gone."""
    looked: int = 0
    """How often somebody looked at the monotonic clock."""
    clients: list[Client] = Factory(list[Client])
    last: Database | None = None
    """Of the process that ended last."""
    is_stopping: bool = False
    has_given_up: bool = False
    """No process gets going any more."""

    def __attrs_post_init__(self) -> None:
        seed = self.plan.seed
        self.trace = Trace(self.clock)
        self.storage = MemoryStorage(page_bytes=self.plan.knobs.page_bytes)
        self.chance = Chance(seed, self.plan.knobs.buggify, self.trace.probe)
        self.operator = Operator(self.app, self.trace.probe)
        self.follower_random, self.damages = stream(seed, "follower"), stream(seed, "damages")
        self.env = Env(
            self.wall_clock_ns,
            stream(seed, "entropy").randbytes,
            self.monotonic_ns,
            write_now=write_now,
            watchdog=Watchdog(lambda seconds: None, lambda: None),
            sites=self.chance.sites,
        )
        self.latencies, self.syncs, self.crashes = (stream(seed, name) for name in ("latencies", "syncs", "crashes"))

    # What comes in from outside.

    def wall_clock_ns(self) -> int:
        return EPOCH_NS + self.clock.now_ns + self.skew_ns

    def monotonic_ns(self) -> int:
        self.looked += 1
        return self.clock.now_ns + self.looked * self.plan.knobs.clock_step_ns

    def latency_s(self) -> float:
        return self.latencies.random() * self.plan.knobs.latency_ms_max / 1000

    def sync_s(self) -> float:
        return self.syncs.random() * self.plan.knobs.sync_ms_max / 1000

    def dial(self, client: int) -> Link | None:
        if self.process is None or not self.process.is_open:
            return None
        knobs = self.plan.knobs
        if knobs.full_stack:
            objected = lambda problem: self.trace.add(Objected(client, problem))  # noqa: E731
            link = websocket_link(client, self.pipe, objected, knobs.window)
        else:
            link = Link(client, self.pipe(Pipe, 2**30), self.pipe(Pipe, knobs.window))
        self.process.accept(link)
        return link

    def dial_for_call(self) -> Link | None:
        if self.process is None or not self.process.is_open:
            return None
        link = Link(len(self.plan.clients), self.pipe(Pipe, 2**30), self.pipe(Pipe, self.plan.knobs.window))
        self.process.accept(link)
        return link

    def pipe(self, kind: type[Pipe], window: int) -> Pipe:
        return kind(self.clock, self.latency_s, window)

    # The course of a run.

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            nursery.start_soon(self.keep_serving)
            self.trace.add(Phase("warm-up"))
            for number, operations in enumerate(self.plan.clients):
                self.start_client(nursery, number, operations)
            numbers = count(1)
            if self.plan.knobs.full_stack and self.plan.knobs.calls:
                for operations in self.plan.clients:
                    nursery.start_soon(Caller(self.dial_for_call, self.trace, numbers).run, operations)
            for fault in self.plan.faults:
                await trio.sleep_until(fault.at_ms / 1000)
                nursery.start_soon(self.inflict, fault)
            await trio.sleep(CHAOS_TAIL_S)
            self.heal()
            await self.finish(nursery)
            nursery.cancel_scope.cancel()

    def start_client(self, nursery: trio.Nursery, number: int, operations: tuple[Operation, ...]) -> Client:
        knobs = self.plan.knobs
        session = ClientSession(session_id(self.plan.seed, number))
        reconnect_s = knobs.reconnect_ms / 1000
        operate = self.operator.ask
        resolve = self.resolve if self.is_authored else same
        client = Client(number, session, self.dial, self.trace, reconnect_s, knobs.pipelined, operate, resolve)
        self.clients.append(client)
        nursery.start_soon(client.run, operations)
        return client

    async def finish(self, nursery: trio.Nursery) -> None:
        """Everybody gets done; then a client that was never there before sees what all others see."""
        if not await self.wait_done():
            return
        newcomer = self.start_client(nursery, len(self.clients), ())
        asked = {repr((each.path, each.args)): each for client in self.clients for each in client.queries.values()}
        for each in asked.values():
            newcomer.subscribe(each.path, each.args)
        await trio.sleep(SETTLE_S)
        self.trace.add(Phase("settled"))
        for client in self.clients:
            if client.link is None:
                self.trace.add(Stuck(f"client {client.number} has no connection"))
            else:
                client.note_transition(())
        self.is_stopping = True
        if self.process is not None and self.process.server is not None:
            self.process.server.stop()
        with trio.move_on_after(LIVENESS_S) as patience:
            while self.process is not None:  # noqa: ASYNC110
                await trio.sleep(0.01)
        if patience.cancelled_caught:
            self.trace.add(Stuck("the server does not stop"))

    async def wait_done(self) -> bool:
        with trio.move_on_after(LIVENESS_S):
            while not (self.operator.is_done and all(client.has_done_all for client in self.clients)):
                if self.has_given_up:
                    return False
                await trio.sleep(0.05)
            return True
        if not self.operator.is_done:
            self.trace.add(Stuck(f"version {self.operator.version} is not deployed, or its migration is not done"))
        for client in self.clients:
            if not client.has_done_all:
                self.trace.add(Stuck(f"client {client.number} waits for {sorted(client.session.unresolved)}"))
        return False

    async def keep_serving(self) -> None:
        failures = 0
        while not self.is_stopping:
            self.processes += 1
            self.chance.forced.clear()
            knobs = self.plan.knobs
            self.process = process = Process(
                self.processes,
                self.storage,
                self.operator.app,
                self.env,
                self.trace,
                self.sync_s,
                knobs.segment_bytes,
                knobs.follower_lag,
                self.follower_random,
                self.operator,
                knobs.full_stack,
                knobs.checkpoint_ms,
                runs_twice=self.is_authored,
                files=self.files,
                lost_checkpoints=self.lost_checkpoints,
            )
            how = await process.run()
            self.note_executions(process)
            if how == CRASHED and process.how != CRASHED:
                self.crash(HALF)  # In the middle of a write.
            elif how.startswith((DISK, FAILED)):
                self.leave(process)
            self.process = None
            self.trace.add(Ended(process.number, how))
            failures = failures + 1 if how.startswith(FAILED) else 0
            if failures == FAILURES_MAX:
                self.trace.add(Stuck(f"{failures} processes in a row have failed"))
                self.has_given_up = True
            if how == STOPPED or self.has_given_up:
                return
            await trio.sleep(knobs.restart_ms / 1000)

    def note_executions(self, process: Process) -> None:
        if self.is_authored and process.server is not None:
            self.last = process.server.database
            for executor in process.server.executors():
                self.executions += executor.executions.kept

    def resolve(self, args: dict[str, Any]) -> dict[str, Any] | None:
        """Arguments with ids of documents that there are; None if there is none."""
        server = self.process.server if self.process is not None else None
        database = server.database if server is not None else self.last
        if database is None:
            return None
        tables = database.runtime.tables

        def ids(name: str) -> list[str]:
            return [version.id for version in tables.table(name).indexes[BY_CREATION_TIME].entries.values()]

        try:
            resolved: dict[str, Any] = references.resolve(args, ids)
        except references.NoDocument:
            return None
        return resolved

    # Faults.

    async def inflict(self, fault: Fault) -> None:
        if self.ledger is not None:
            return  # The run is over.
        self.trace.add(Faulted(fault.kind, fault.target, fault.amount))
        self.trace.probe(f"fault {fault.kind}")
        match fault.kind:
            case _ if fault.kind in (CRASH, KILL):
                self.stop_process(fault)
            case _ if fault.kind == CRASH_AT_CHANGE:
                self.storage.stops_after = fault.amount
            case _ if fault.kind == SYNC_FAILS:
                self.storage.failing_syncs += 1
            case _ if fault.kind == WRITE_FAILS:
                self.storage.failing_writes += 1
            case _ if fault.kind == DISK_FULL:
                await self.fill_disk(fault.amount)
            case _ if fault.kind == SYNC_LIES:
                self.storage.lying_syncs += fault.amount
            case _ if fault.kind == FOLLOWER:
                self.fail_tables(fault.amount)
            case _ if fault.kind == CHECKPOINT_DIES:
                if self.process is not None:
                    self.process.maker_dies.append(fault.amount)
            case _ if fault.kind in (ROT_LOG, ROT_CHECKPOINT, MISREAD):
                self.damage(fault)
            case _ if fault.kind == CLOCK:
                self.skew_ns += fault.amount * 1_000_000
                self.skew_ns_max = max(self.skew_ns_max, self.skew_ns)
            case _:
                self.disturb(fault)

    def fail_tables(self, times: int) -> None:
        process = self.process
        if process is not None and process.server is not None:
            self.chance.forced[TABLES_FAIL] = times
            process.failures += times

    def damage(self, fault: Fault) -> None:
        """What would a start make of it?  On a copy."""
        number = self.process.number if self.process is not None else self.processes
        if fault.kind == MISREAD:
            outcome, problem = misread(self.storage, self.damages)
        else:
            outcome, problem = rot(self.storage, self.damages, in_checkpoint=fault.kind == ROT_CHECKPOINT)
        if outcome:
            self.trace.probe(outcome)
        if problem:
            self.trace.add(Unlike(number, problem))

    def stop_process(self, fault: Fault) -> None:
        process = self.process
        if fault.kind == CRASH:
            self.crash(fault.amount)
        elif process is not None:
            self.leave(process)
        if process is not None:
            process.end(CRASHED if fault.kind == CRASH else KILLED)

    def crash(self, survivors: int) -> None:
        """The machine stops, and some of what was not synced is left."""
        before = self.storage
        held: list[Entry] | None = None
        confirmed: dict[str, bytes] = {}
        if before.has_lied:
            held = []
            recover(before.copy(), held.append)
            confirmed = before.contents()
        before.crash(lambda name, page: self.crashes.random() * 100 < survivors)
        # What the dead process still does, it does to a disk that nobody has any more.
        self.storage = deepcopy(before)
        self.lost_checkpoints |= lost_checkpoints(self.storage, confirmed)
        if held is not None:
            self.count_losses(held)

    def count_losses(self, held: list[Entry]) -> None:
        """The disk had lied: what it had confirmed may be gone, from some entry on.  If so, the run ends here."""
        left: list[Entry] = []
        refused = False
        try:
            recover(self.storage.copy(), left.append)
        except Damaged:
            refused = True
        # A start confirms, too: it has written the end of the log again, whatever a former process made of it.
        confirmed = max((event.lsn for _, event in self.trace.events if isinstance(event, Wrote | Started)), default=0)
        if not refused and len(left) >= confirmed:
            self.trace.probe("a disk lied, and nothing was lost")
            return
        self.trace.probe("a disk lied, and a start refuses" if refused else "a disk lied, and entries are gone")
        if held[: len(left)] != left:
            self.trace.add(Unlike(self.processes, "what is left after a disk lied is not the beginning of the log"))
        self.trace.add(Forgotten(len(left), refused))
        self.ledger, self.has_given_up = held, True
        assert self.nursery is not None
        self.nursery.cancel_scope.cancel()

    def leave(self, process: Process) -> None:
        """The process is gone, the machine goes on: what was not synced is still in the page cache."""
        self.storage = deepcopy(process.storage)
        self.storage.unlock()
        self.storage.stops_after = None

    async def fill_disk(self, bytes_left: int) -> None:
        used = sum(map(self.storage.size, self.storage.names()))
        self.storage.space = used + bytes_left
        await trio.sleep(DISK_FULL_S)
        self.storage.space = None

    def disturb(self, fault: Fault) -> None:
        link = self.clients[fault.target].link if fault.target < len(self.clients) else None
        if link is None:
            return
        until = self.clock.seconds + fault.amount / 1000
        if fault.kind == CUT:
            link.cut()
        elif fault.kind == HALF_OPEN:
            if link.to_server.under_way:
                self.trace.probe("requests arrive after their connection was cut")
            link.half_open(until)
        elif fault.kind == DUPLICATE:
            link.half_open(self.clock.seconds)
        else:
            link.to_client.stall(until)
            if fault.kind == DELAY:
                link.to_server.stall(until)

    def heal(self) -> None:
        self.trace.add(Phase("healed"))
        # Whoever has seen a time that no entry kept is served again once the clock is past it.
        self.skew_ns = self.skew_ns_max
        self.chance.calm()
        storage = self.storage
        storage.lying_syncs = 0
        storage.space, storage.failing_syncs, storage.failing_writes, storage.stops_after = None, 0, 0, None
