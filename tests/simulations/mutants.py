"""Mutants of the cores against the simulator, and against the tests of the module: who kills them, and who lives.

    python -m tests.simulations.mutants                a sample of modules whose survivors were reviewed
    python -m tests.simulations.mutants --all          every one of every core: some hours
    python -m tests.simulations.mutants --only gate    those with this in their keys

A survivor that `survivors.toml` does not know fails; so does, with ``--all``, one that it knows and that does
not survive.  Each is in there with its reason: equivalent, performance only, seen elsewhere...

Each mutant is tried in a process of its own, forked from one that has imported all but relive.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tomllib
from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Final, NoReturn

import click
from attrs import asdict, frozen

from .mutation import Mutant, install, mutants_of, source_of

TESTS = Path(__file__).resolve().parent.parent
SURVIVORS = Path(__file__).resolve().parent / "survivors.toml"
SEEDS = 40
FIRST_SEEDS = 4
SAMPLE = 20
SECONDS_MAX = 30
"""Of its own time, for one mutant; one that takes longer runs in circles, and is killed."""
MEMORY_BYTES_MAX = 4 * 2**30

RELAXED: Final = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""What was imported before pytest was started is not rewritten, which is no matter here."""

CORES: Final[dict[str, tuple[str, ...]]] = {
    "actors.committer": ("actors/test_committer.py", "actors/test_replica.py"),
    "actors.gate": ("actors/test_gate.py",),
    "actors.index": ("actors/test_tables.py", "engine/test_ranges.py", "aggregates/test_aggregates.py"),
    "actors.intervals": ("actors/test_intervals.py", "actors/test_subscriptions.py"),
    "actors.newest": (
        "actors/test_checkpoints.py",
        "actors/test_stored_keys.py",
        "engine/test_checkpoints.py",
        "engine/test_compaction.py",
        "search/test_text_indexes.py",
    ),
    "actors.requests": ("actors/test_requests.py",),
    "actors.subscriptions": ("actors/test_subscriptions.py",),
    "actors.table": ("actors/test_tables.py", "search/test_text_indexes.py", "vectors/test_vector_indexes.py"),
    "actors.tables": ("actors/test_tables.py", "actors/test_replica.py", "engine/test_deploying.py"),
    "actors.tail": ("actors/test_tail.py",),
    "actors.validation": ("actors/test_validation.py", "actors/test_committer.py"),
    "engine.execution.live_queries": ("engine/test_live_queries.py", "engine/test_query_cache.py"),
    "engine.server.syncer": ("server/test_turns.py", "server/test_connection.py", "server/test_logs.py"),
    "engine.transactions.overlay": ("engine/test_ranges.py", "engine/test_writes.py"),
    "engine.transactions.scan": (
        "engine/test_ranges.py",
        "engine/test_counts.py",
        "engine/test_read_sets.py",
        "engine/test_usage.py",
    ),
    "engine.transactions.transaction": ("engine/test_read_sets.py", "engine/test_conflicts.py"),
    "log.frame": ("log/test_frame.py", "log/test_compaction.py", "log/test_recovery.py"),
    "log.log": ("log/test_recovery.py", "log/test_history.py", "log/test_writer.py", "log/test_folder_storage.py"),
    "log.recovery": ("log/test_recovery.py", "log/test_history.py"),
    "log.writer": ("log/test_writer.py", "log/test_recovery.py", "log/test_compaction.py"),
}
"""Modules, and the tests that are about each."""

REVIEWED: Final = (
    "actors.committer",
    "actors.gate",
    "actors.index",
    "actors.intervals",
    "actors.newest",
    "actors.requests",
    "actors.subscriptions",
    "actors.tail",
    "actors.table",
    "actors.tables",
    "actors.validation",
    "engine.server.syncer",
    "engine.transactions.scan",
    "log.frame",
    "log.log",
    "log.writer",
)
"""Modules whose survivors were reviewed.  Of the others nobody has said yet who may live."""


@frozen
class Result:
    key: str
    killed_by: str
    """``seed 3``, ``tests``, ``time`` or empty."""
    seconds: float


def all_mutants(only: str = "") -> list[Mutant]:
    found = [mutant for core in CORES for mutant in mutants_of(f"relive.{core}", source_of(f"relive.{core}"))]
    return [mutant for mutant in found if only in mutant.key]


def sample(mutants: Iterable[Mutant], count: int) -> list[Mutant]:
    """Always the same ones, from all over; another function changes nothing about the others."""
    return sorted(mutants, key=lambda mutant: sha256(mutant.key.encode()).digest())[:count]


def killer_of(mutant: Mutant, seeds: int) -> str:
    """In this process, which is of no use afterwards."""
    import logging

    import hypothesis
    import pytest

    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None)
    hypothesis.settings.load_profile("mutants")
    install(mutant)
    try:
        from relive.simulations.subject import shipped

        subject = shipped()
    except Exception as error:
        return f"import: {type(error).__name__}"

    def killer_among(seeds: range) -> str:
        logging.disable()
        for seed in seeds:
            try:
                if subject.attempt(subject.draw(seed, subject.faults)).violations:
                    return f"seed {seed}"
            except Exception as error:
                return f"seed {seed}: {type(error).__name__}"
        return ""

    # A few seeds kill most, and in less time than tests take; of the others the tests kill most.
    if killer := killer_among(range(min(seeds, FIRST_SEEDS))):
        return killer
    logging.disable(logging.NOTSET)
    tests = [str(TESTS / file) for file in CORES[mutant.module.removeprefix("relive.")]]
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--no-summary", *RELAXED, *tests])
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED), code
    return "tests" if code else killer_among(range(FIRST_SEEDS, seeds))


@frozen(eq=False)
class Trial:
    """A mutant being tried, in a process of its own."""

    mutant: Mutant
    child: int
    reader: int
    started: float

    @classmethod
    def start(cls, mutant: Mutant, seeds: int) -> Trial:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            report_killer(mutant, seeds, writer)
        os.close(writer)
        return cls(mutant, child, reader, monotonic())

    def result(self) -> Result:
        with os.fdopen(self.reader) as told:
            text = told.read()
        _, status = os.waitpid(self.child, 0)
        # A child that says nothing was ended: by SIGPROF if it took too long, or it crashed, which nobody overlooks.
        ended_by_time = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
        killer = json.loads(text) if text else "time" if ended_by_time else "crash"
        return Result(self.mutant.key, killer, round(monotonic() - self.started, 2))


def report_killer(mutant: Mutant, seeds: int, writer: int) -> NoReturn:
    """The end of the child."""
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(silence, stream)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_MAX)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    try:
        killer = killer_of(mutant, seeds)
    except BaseException as error:
        killer = f"crash: {type(error).__name__}"
    os.write(writer, json.dumps(killer).encode())
    os._exit(0)


def reviewed() -> dict[str, str]:
    """Survivors that were looked at, and why each is let live."""
    with SURVIVORS.open("rb") as file:
        tree = tomllib.load(file)
    return {key: reason for reasons in tree.values() for key, reason in reasons.items()}


def results_of(mutants: list[Mutant], jobs: int, seeds: int = SEEDS) -> Iterator[Result]:
    """In order, with so many processes at a time."""
    warm_up()
    trials: deque[Trial] = deque()
    for mutant in mutants:
        trials.append(Trial.start(mutant, seeds))
        if len(trials) == jobs:
            yield trials.popleft().result()
    while trials:
        yield trials.popleft().result()


def warm_up() -> None:
    """Import what all of them need; nothing of relive, which is what they change."""
    import attrs
    import cbor2
    import hypothesis
    import msgspec
    import pytest
    import sortedcontainers
    import trio

    assert all((attrs, cbor2, hypothesis, msgspec, pytest, sortedcontainers, trio))
    assert not any(name.startswith("relive.") for name in sys.modules), "it would not be changed"


@click.command()
@click.option("--all", "everything", is_flag=True, help="Not only a sample.")
@click.option("--only", default="", help="Those with this in their keys.")
@click.option("--sample", "count", default=SAMPLE, show_default=True, help="How many.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--json", "file", type=click.File("w"), help="Where to write every result, a line each.")
def main(everything: bool, only: str, count: int, jobs: int, file: object) -> None:
    """Exit code 1 if somebody survives who must not, or who need not be on the list."""
    mutants = all_mutants(only)
    reviewed_ones = [mutant for mutant in mutants if mutant.module.removeprefix("relive.") in REVIEWED]
    chosen = mutants if everything or only else sample(reviewed_ones, count)
    known = reviewed()
    new: list[str] = []
    dead: list[str] = []
    for number, result in enumerate(results_of(chosen, jobs), 1):
        if file is not None:
            print(json.dumps(asdict(result)), file=file, flush=True)  # type: ignore[call-overload]
        if not result.killed_by and result.key not in known:
            new.append(result.key)
        elif result.killed_by and result.key in known:
            dead.append(f"{result.key} (killed by {result.killed_by})")
        if sys.stderr.isatty():
            click.echo(f"\r{number}/{len(chosen)}  new survivors {len(new)}", err=True, nl=False)
    gone = sorted(known.keys() - {mutant.key for mutant in mutants}) if everything else []
    for title, keys in (("survives", new), ("is reviewed, and is killed", dead), ("is reviewed, and is gone", gone)):
        for key in keys:
            click.echo(f"{title}: {key}")
    click.echo(f"{len(chosen)} mutants, {len(new)} new survivors")
    sys.exit(bool(new or (everything and (dead or gone))))


if __name__ == "__main__":
    main()
