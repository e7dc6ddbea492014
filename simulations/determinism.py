"""Some seeds attempted again in another process with another hash seed: the same plan, the same trace.

What differs without anybody noticing (the order of a set, an address, a clock) would make every other finding
worthless, so it is looked for in every campaign that is asked to.
"""

from __future__ import annotations

from itertools import zip_longest

from attrs import frozen

from .attempts import Worker, trace_of, workers
from .randomness import stream
from .subject import Maker

OTHER_HASH_SEED = 4_001
"""Any other than the one under which campaigns run."""


@frozen
class Difference:
    seed: int
    line: int
    """The first that differs, from 1; lines of `Run.text`."""
    here: str
    there: str

    def __str__(self) -> str:
        return (
            f"seed {self.seed} is not the same in another process: line {self.line} of its trace is\n"
            f"    {self.here}\nand there\n    {self.there}"
        )


def is_chosen(seed: int, share: float) -> bool:
    """Whether a seed is among the share that is attempted twice; always the same ones."""
    return stream(seed, "determinism").random() < share


def first_difference(seed: int, here: str, there: str) -> Difference | None:
    lines = zip_longest(here.splitlines(), there.splitlines(), fillvalue="(its end)")
    for number, (ours, theirs) in enumerate(lines, 1):
        if ours != theirs:
            return Difference(seed, number, ours, theirs)
    return None


def check_determinism(make: Maker, seeds: list[int], kinds: tuple[str, ...]) -> list[Difference]:
    """Those of ``seeds`` whose traces differ.  Raises SimulatorFailed, TrioUnsupported."""
    worker = Worker(make())
    found: list[Difference] = []
    with workers(make, 1, OTHER_HASH_SEED) as pool:
        # It runs the second time there while we run the first one here.
        others = [(seed, pool.submit(trace_of, seed, kinds)) for seed in seeds]
        for seed, other in others:
            here = worker.attempt(worker.subject.draw(seed, kinds)).run.text()
            difference = first_difference(seed, here, other.result())
            if difference is not None:
                found.append(difference)
    return found
