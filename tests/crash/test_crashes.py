"""A server, its clients and `kill -9` at random moments, a power failure with every second one.

Nothing that was acknowledged is lost; scheduled mutations happen exactly once and actions at most once;
no job is forgotten; crons run one at a time and stay in step; durable steps are recorded once and not
done again after that; files have their bytes, and bytes have a row.

RELIVE_KILL_ROUNDS says how many kills, RELIVE_KILL_SEED which ones: the seed of a failure is printed.  It
repeats what is drawn, not what the clock does, so a failure may need a few more tries.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from relive.engine.data_folder import DataFolder
from relive.engine.determinism import driver
from relive.engine.history.reexecution import verify_again
from relive.log.entry import LSN
from relive.log.verify import verify

from relive.cli.log_files import open_log

from .checks import CHECKS, Found
from .history import History
from .world import World

ROUNDS = int(os.environ.get("RELIVE_KILL_ROUNDS", "12"))
SEED = int(os.environ.get("RELIVE_KILL_SEED", "0")) or int.from_bytes(os.urandom(3), "big")
WORLD_ROUNDS = 25
"""Of one data folder at most."""
MET_SOMETHING_ROUNDS = 10
"""So many kills meet what they are for."""
PROBLEMS_SHOWN = 10
ONE_AT_A_TIME = threading.Lock()
"""Running the log again loads the app, which only one thread of a process can do."""


def test_whatever_is_killed_and_when_nothing_is_lost_and_nothing_happens_twice(tmp_path: Path) -> None:
    driver.install([])
    rounds = [min(WORLD_ROUNDS, ROUNDS - done) for done in range(0, ROUNDS, WORLD_ROUNDS)]
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        told = list(
            pool.map(lambda number: live(tmp_path / str(number), SEED + number, rounds[number]), range(len(rounds)))
        )

    problems = [problem for problems in told for problem in problems]
    assert not problems, "\n".join(problems)


def live(folder: Path, seed: int, rounds: int) -> list[str]:
    """What is wrong after so many kills."""
    folder.mkdir()
    world = World(folder, seed)
    again = f"RELIVE_KILL_SEED={seed} RELIVE_KILL_ROUNDS={rounds}"
    try:
        stored = world.live(rounds)
        with ONE_AT_A_TIME:
            problems = list(what_is_wrong(world, stored))
    except Exception as error:
        raise AssertionError(f"{again}, after {world.kills}: {error}") from None
    return [f"{again}: {problem}" for problem in problems[:PROBLEMS_SHOWN]]


def what_is_wrong(world: World, stored: dict[str, list[str]]) -> Iterator[str]:
    found = Found(History.read(world.folder / "data" / "log"), world.clients.record, world.outside, world.files)
    for check in CHECKS:
        yield from check(found)
    if len(world.kills) >= MET_SOMETHING_ROUNDS and max(runs_of(found), default=0) < 2:
        yield f"no kill met a durable action: {world.kills}"
    for table, ids in stored.items():
        live = {id for id, versions in found.history.rows(table) if versions[-1].document is not None}
        if not set(ids) <= live or (table != "ticks" and set(ids) != live):  # Crons write to the last.
            yield f"queries show other documents of {table} than the log holds: {live.symmetric_difference(ids)}"
    yield from what_the_log_says(DataFolder.read(world.folder / "data"))


def runs_of(found: Found) -> Iterator[int]:
    """How often each durable action was begun."""
    for version in found.history.newest("_durable_actions"):
        yield int(version["runs"])


def what_the_log_says(folder: DataFolder) -> Iterator[str]:
    """Whole after a stop, and each entry follows from those before it."""
    if verify(folder.storage).torn is not None:
        yield "the log has a torn end after a stop"
    log = open_log(folder.storage)
    result: Any = verify_again(log.reader, folder.secret, last=LSN(log.last))
    if result.first is not None:
        yield f"run again, {result.first}"
