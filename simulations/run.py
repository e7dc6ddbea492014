"""``run(plan) -> Run``: the whole program under the driver, and the log that it left behind."""

from __future__ import annotations

from hashlib import sha256

from attrs import define, field

from ..engine.application.app import App
from ..engine.execution.executions import Execution
from ..log.entry import Entry
from ..log.errors import Damaged
from ..log.memory import MemoryStorage
from ..log.recovery import recover
from . import driver
from .apps import versions
from .driver import Clock
from .errors import Deadlock, TooManySteps
from .plan import Plan
from .randomness import stream
from .schedule import Schedule
from .trace import Stuck, Trace
from .world import World

STEPS_MAX = 400_000


@define(eq=False)
class Run:
    plan: Plan
    trace: Trace
    entries: tuple[Entry, ...]
    """Of the log, at the end."""
    damage: str
    """Why the log could not be read to its end; empty if it could."""
    choices: tuple[int, ...] = field(repr=False)
    """Of the scheduler, for `replayed`."""
    storage: MemoryStorage | None = field(default=None, repr=False)
    """What is on the disk at the end."""
    executions: tuple[Execution, ...] = field(default=(), repr=False)
    """Of an app of somebody's own: the newest of each process."""

    def text(self) -> str:
        """Everything that must be the same for the same plan."""
        hashes = "".join(f"{entry.lsn} {entry.ts} {entry.function} {entry.prev.hex()}\n" for entry in self.entries)
        return f"{self.trace.text()}{hashes}{len(self.choices)} choices\n"

    def digest(self) -> str:
        return sha256(self.text().encode()).hexdigest()


def simulated_app() -> App:
    return versions()[0]


def run(plan: Plan, authored: App | None = None) -> Run:
    """Run a plan to its end, whatever happens in it: with the simulator's own app, or with somebody's.

    Raises TrioUnsupported.
    """
    driver.check()
    clock = Clock()
    world = World(plan, authored if authored is not None else simulated_app(), clock, authored is not None)
    schedule = Schedule(plan.policy, stream(plan.seed, "schedule"), plan.choices)
    try:
        driver.drive(world.run, schedule=schedule, clock=clock, steps_max=STEPS_MAX)
    except (Deadlock, TooManySteps) as error:
        world.trace.add(Stuck(str(error)))
    entries: list[Entry] = []
    damage = ""
    try:
        if world.ledger is not None:
            entries = world.ledger
        else:
            recover(world.storage, entries.append)
    except Damaged as error:
        damage = str(error)
    left = world.storage if world.ledger is None else None
    choices, executions = tuple(schedule.choices), tuple(world.executions)
    return Run(plan, world.trace, tuple(entries), damage, choices, left, executions)
