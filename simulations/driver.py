"""Runs a whole trio program so that one seed decides everything: order of tasks, and time.

    Schedule ──> order of each batch of runnable tasks
    Clock    ──> jumps to the next deadline when nothing is runnable; no other time exists

This is the one module that knows trio's private names.  `check` runs a small program twice, with the heap
changed in between, and refuses a version of trio with which the two are not the same.

Invariants
    * The wall clock is never looked at, no thread is started, nothing waits for the operating system.
    * After `drive`, returned or raised, trio is as it was.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import trio
import trio._core._run as trio_run
from attrs import Factory, define, field

from .errors import Deadlock, TooManySteps, TrioUnsupported
from .randomness import stream
from .schedule import FIFO, ONE, PCT, SHUFFLE, Schedule

T = TypeVar("T")

NANOSECONDS = 1_000_000_000
STEPS_MAX = 2_000_000
GRACE_STEPS = 100_000
"""What a program that was given up may still do to come to its end."""

PRIVATE_NAMES = ("_r", "_ALLOW_DETERMINISTIC_SCHEDULING", "setup_runner", "unrolled_run")


@define(eq=False)
class Clock(trio.abc.Clock):
    """Virtual time, in seconds since the start of the run."""

    seconds: float = 0.0

    @property
    def now_ns(self) -> int:
        return round(self.seconds * NANOSECONDS)

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self.seconds

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return deadline - self.seconds


@define(eq=False)
class Batches:
    """Stands where trio keeps its random generator: trio hands it each batch, sorted by the tasks' age."""

    schedule: Schedule
    runner: Any = None
    steps: int = 0
    first: int | None = None
    """The number of the run's first task; numbers are counted for the whole process."""

    def random(self) -> float:
        return 0.0

    def uniform(self, low: float, high: float) -> float:
        return low

    def shuffle(self, batch: list[Any]) -> None:
        if self.first is None:
            self.first = batch[0]._counter
        numbers = [task._counter - self.first for task in batch]
        order = self.schedule.order(numbers)
        self.steps += len(order)
        chosen = [batch[position] for position in order]
        if self.schedule.runs_one():
            # The others stay runnable, and are asked about again.
            self.runner.runq.extend(task for task in batch if task is not chosen[0])
        # trio takes from the end.
        batch[:] = reversed(chosen)


@define(eq=False)
class Driven:
    """One run under way."""

    clock: Clock
    batches: Batches
    scope: trio.CancelScope = Factory(trio.CancelScope)
    failure: Deadlock | TooManySteps | None = None
    steps_max: int = STEPS_MAX
    result: Any = field(default=None, init=False)

    async def root(self, program: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        with self.scope:
            self.result = await program(*args)

    def give_up(self, failure: Deadlock | TooManySteps) -> None:
        """Cancel everything, so that nothing is left behind; the second time there is no mercy."""
        if self.failure is not None:
            raise failure
        self.failure = failure
        self.steps_max = self.batches.steps + GRACE_STEPS
        self.scope.cancel()

    def loop(self, turns: Any, runner: Any) -> None:
        events: Any = None
        while True:
            try:
                timeout = turns.send(events)
            except StopIteration:
                return
            events = []  # There is no input and output.
            if timeout > 0:
                if runner.entry_queue.queue or runner.entry_queue.idempotent_queue:
                    # How trio wakes itself at its end.
                    events = runner.io_manager.get_events(0)
                elif not runner.waiting_for_idle:
                    self.wait(runner)
            if self.batches.steps > self.steps_max:
                self.give_up(TooManySteps(self.batches.steps))

    def wait(self, runner: Any) -> None:
        """Nothing is runnable: it is the time that somebody waits for."""
        deadline = runner.deadlines.next_deadline()
        if deadline == math.inf:
            names = sorted(task.name for task in runner.tasks if task is not runner.init_task)
            self.give_up(Deadlock(self.clock.now_ns, tuple(names)))
        else:
            self.clock.seconds = max(self.clock.seconds, deadline)


def drive(
    program: Callable[..., Awaitable[T]],
    *args: Any,
    schedule: Schedule,
    clock: Clock | None = None,
    steps_max: int = STEPS_MAX,
) -> T:
    """Run ``program`` to its end and return its result.  Raises what it raises, Deadlock, TooManySteps."""
    batches = Batches(schedule)
    driven = Driven(clock if clock is not None else Clock(), batches, steps_max=steps_max)
    with taken_over(batches):
        runner = trio_run.setup_runner(driven.clock, (), True, True)
        batches.runner = runner
        driven.loop(trio_run.unrolled_run(runner, driven.root, (program, args)), runner)
        outcome = runner.main_task_outcome
        if outcome is None:
            raise TrioUnsupported(trio.__version__, "a program ended without an outcome")
        outcome.unwrap()
    if driven.failure is not None:
        raise driven.failure
    result: T = driven.result
    return result


@contextmanager
def taken_over(batches: Batches) -> Iterator[None]:
    """Trio asks ``batches`` instead of chance, and the collector runs no finalisers in between."""
    run: Any = trio_run
    before = run._r, run._ALLOW_DETERMINISTIC_SCHEDULING
    collecting = gc.isenabled()
    gc.disable()
    run._r, run._ALLOW_DETERMINISTIC_SCHEDULING = batches, True
    try:
        yield
    finally:
        run._r, run._ALLOW_DETERMINISTIC_SCHEDULING = before
        if collecting:
            gc.enable()


_checked = False


def check() -> None:
    """Try the driver on this version of trio, once in a process.  Raises TrioUnsupported."""
    global _checked
    if _checked:
        return
    missing = [name for name in PRIVATE_NAMES if not hasattr(trio_run, name)]
    if missing:
        raise TrioUnsupported(trio.__version__, f"it has no {', '.join(missing)}")
    for policy in (SHUFFLE, FIFO, ONE, PCT):
        try:
            first = sample(policy)
            noise = [object() for _ in range(10_007)]
            second = sample(policy)
            del noise
        except (AttributeError, TypeError) as error:
            raise TrioUnsupported(trio.__version__, f"the driver fails on it with {error!r}") from error
        if first != second:
            raise TrioUnsupported(trio.__version__, f"two runs under {policy!r} are not the same")
    _checked = True


def sample(policy: str) -> list[str]:
    """The trace of a small program full of ties: common deadlines, a crowd cancelled at once."""
    trace: list[str] = []

    async def child(number: int, deadline: float) -> None:
        try:
            with trio.CancelScope(deadline=deadline):
                await trio.sleep_forever()
            trace.append(f"{number} past {trio.current_time():.3f}")
            await trio.sleep_forever()
        finally:
            trace.append(f"{number} cancelled {trio.current_time():.3f}")

    async def program() -> None:
        for turn in range(3):
            with trio.move_on_after(0.005):
                async with trio.open_nursery() as nursery:
                    for number in range(8):
                        nursery.start_soon(child, 10 * turn + number, trio.current_time() + 0.002)

    drive(program, schedule=Schedule(policy, stream(7, policy)))
    return trace
