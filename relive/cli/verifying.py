"""Running a range of the log again in several processes: each has a part of it, and they share nothing.

A process begins at the newest checkpoint before its part, or reads the writes up to there, which costs
a small fraction of running the functions.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path

from ..engine.data_folder import DataFolder
from ..engine.determinism import driver
from ..engine.history.reexecution import Sample, Verification, verify_again, verify_part
from ..log.entry import FIRST_LSN, LSN
from ..log.reader import LogReader
from ..log.storage import FolderStorage
from .errors import WorkerEnded
from .log_files import named_in_full, open_log

PART_ENTRIES_MIN = 4_000
"""A process of its own takes longer to start than to run so many again."""
LOOK_EVERY_S = 0.1
COLLECTOR_THRESHOLD = 50_000
"""New objects before the collector looks through them: what is made here has no cycles."""

Progress = Callable[[int, int], None]


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def verify_in_parts(
    folder: DataFolder, reader: LogReader, first: LSN, last: LSN, count: int | None, jobs: int, on_progress: Progress
) -> Verification:
    """As `verify_again`, in up to ``jobs`` processes.  Raises WorkerEnded too."""
    parts = parts_of(first, last, jobs)
    if len(parts) < 2:
        calm_collector()
        return verify_again(reader, folder.secret, first=first, last=last, sample=count, on_progress=on_progress)
    sample, verification = Sample.of(first, last, count), Verification()
    context = get_context("spawn")
    reached = context.Array("q", len(parts))
    with ProcessPoolExecutor(len(parts), context, initializer=start_worker, initargs=(reached,)) as pool:
        try:
            work = [pool.submit(verify_one, folder.folder, place, *part, sample) for place, part in enumerate(parts)]
            total = sum(part_last for _, part_last in parts)
            for future in work:
                while wait([future], LOOK_EVERY_S).not_done:
                    on_progress(sum(reached[:]), total)
                verification.join(future.result())
        except BrokenProcessPool as error:
            raise WorkerEnded() from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    verification.passed_over += first - FIRST_LSN
    return verification


def parts_of(first: LSN, last: LSN, jobs: int) -> list[tuple[LSN, LSN]]:
    """The range cut into parts of about the same length, one for each process."""
    length = last - first + 1
    count = max(1, min(jobs, length // PART_ENTRIES_MIN))
    edges = [first + length * place // count for place in range(count + 1)]
    return [(LSN(begin), LSN(end - 1)) for begin, end in pairwise(edges)]


class Reached:
    """How far each part is; in a worker process, set before its first part."""

    of_parts: SynchronizedArray[int] | None = None


def start_worker(reached: SynchronizedArray[int]) -> None:
    """This process has the hash seed of the folder already: it was started by one that has it."""
    Reached.of_parts = reached
    driver.install([])
    calm_collector()


def verify_one(folder: Path, place: int, first: LSN, last: LSN, sample: Sample) -> Verification:
    """One part, in a worker process."""
    reached = Reached.of_parts
    assert reached is not None, "the process was not started as a worker"

    def report(done: int, total: int) -> None:
        reached[place] = done

    opened = DataFolder.read(folder)
    storage = FolderStorage(opened.storage.folder)
    with named_in_full(storage):
        return verify_part(open_log(storage).reader, opened.secret, first, last, sample, report)


def calm_collector() -> None:
    gc.freeze()
    gc.set_threshold(COLLECTOR_THRESHOLD)
