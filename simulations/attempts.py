"""Many seeds, attempted here or in worker processes, each of which takes many.

    seeds ──> chunks ──> workers ──> Outcome, in the order of the seeds

What comes back from a worker is small: the plan if it failed, and what was reached.  Whoever wants the run
attempts the plan again.

Invariants
    * Outcomes come in the order of the seeds, whoever was faster: the first failure is that of the first seed.
    * A worker that fails is `SimulatorFailed`, with the seed; never a seed that counts as passed.
"""

from __future__ import annotations

import gc
import logging
import os
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context

from attrs import define, frozen

from ..engine.determinism.hash_seed import VARIABLE
from .checkers.verdict import Verdict
from .errors import InvariantFailed, SimulatorFailed, TrioUnsupported
from .plan import Plan, to_bytes
from .subject import Maker, Subject

COLLECT_EVERY = 20
"""Runs are done without the garbage collector, so it is their turn in between."""
CHUNK = 5
"""Seeds that a worker takes at a time."""
CHUNKS_PER_WORKER = 3
"""So many wait for each, so that none is idle."""


@frozen
class Outcome:
    """What is known of one seed afterwards."""

    seed: int
    kinds: tuple[str, ...]
    """Of the violations, each once; empty if nothing is wrong."""
    plan: bytes
    """Of a failure; else empty."""
    probes: dict[str, int]
    steps: int
    """Events of the trace."""


@define(eq=False)
class Worker:
    """What a process knows between one seed and the next."""

    subject: Subject
    done: int = 0

    def attempt(self, plan: Plan) -> Verdict:
        """Raises InvariantFailed, SimulatorFailed, TrioUnsupported."""
        try:
            return self.subject.attempt(plan)
        except (InvariantFailed, SimulatorFailed, TrioUnsupported):
            raise
        except Exception as error:  # A checker or the world has a bug: that is no finding about what ships.
            raise SimulatorFailed(plan.seed, "".join(traceback.format_exception(error))) from error
        finally:
            self.done += 1
            if self.done % COLLECT_EVERY == 0:
                gc.collect()

    def outcome(self, seed: int, kinds: tuple[str, ...]) -> Outcome:
        try:
            plan = self.subject.draw(seed, kinds)
        except Exception as error:
            raise SimulatorFailed(seed, "".join(traceback.format_exception(error))) from error
        verdict = self.attempt(plan)
        found = tuple(dict.fromkeys(violation.kind for violation in verdict.violations))
        trace = verdict.run.trace
        return Outcome(seed, found, to_bytes(plan) if found else b"", dict(trace.probes), len(trace.events))


_worker: Worker | None = None
"""Of this process, if it is one that takes seeds."""


def start_worker(make: Maker, quiet: bool) -> None:
    global _worker
    if quiet:
        logging.disable()
    _worker = Worker(make())


def work(seeds: tuple[int, ...], kinds: tuple[str, ...]) -> list[Outcome]:
    assert _worker is not None
    return [_worker.outcome(seed, kinds) for seed in seeds]


def trace_of(seed: int, kinds: tuple[str, ...]) -> str:
    """Everything that must be the same, whatever process it runs in."""
    assert _worker is not None
    return _worker.attempt(_worker.subject.draw(seed, kinds)).run.text()


def outcomes(make: Maker, seeds: Iterable[int], kinds: tuple[str, ...], jobs: int) -> Iterator[Outcome]:
    """Of each seed, in order; stop asking whenever you know enough.  Raises SimulatorFailed, TrioUnsupported."""
    assert jobs >= 1, jobs
    if jobs == 1:
        worker = Worker(make())
        for seed in seeds:
            yield worker.outcome(seed, kinds)
    else:
        yield from outcomes_of_workers(make, iter(seeds), kinds, jobs)


def outcomes_of_workers(make: Maker, seeds: Iterator[int], kinds: tuple[str, ...], jobs: int) -> Iterator[Outcome]:
    waiting: deque[Future[list[Outcome]]] = deque()
    with workers(make, jobs) as pool:
        while True:
            while len(waiting) < jobs * CHUNKS_PER_WORKER and (chunk := tuple(islice(seeds, CHUNK))):
                waiting.append(pool.submit(work, chunk, kinds))
            if not waiting:
                return
            yield from result_of(waiting.popleft())


def result_of(future: Future[list[Outcome]]) -> list[Outcome]:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise SimulatorFailed(None, "a worker process ended in the middle of its work") from error


@contextmanager
def workers(make: Maker, jobs: int, hash_seed: int | None = None) -> Iterator[ProcessPoolExecutor]:
    """Processes of their own, started anew; ``hash_seed`` is what they hash text with, if not as this one does."""
    before = os.environ.get(VARIABLE)
    if hash_seed is not None:
        os.environ[VARIABLE] = str(hash_seed)
    quiet = logging.root.manager.disable >= logging.CRITICAL
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=start_worker, initargs=(make, quiet))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        if hash_seed is not None:
            restore(before)


def restore(value: str | None) -> None:
    if value is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = value
