"""Running functions again from the log of a data folder: what commands have in common that do so.

They only read, so the folder may be served meanwhile; nothing that a function does here is written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click
from attrs import frozen

from ..engine.data_folder import LOG, DataFolder
from ..engine.determinism import driver, hash_seed, limits
from ..engine.history.reexecution import Verification
from ..engine.limits import HANDLER_CPU_S_MAX, HANDLER_MEMORY_BYTES_MAX
from ..log.entry import FIRST_LSN, LSN
from ..log.errors import NoSuchEntry
from ..log.storage import FolderStorage
from .log_files import OpenLog, named_in_full, open_log
from .output import print_json
from .progress import DocumentProgress
from .replay_text import verification_lines, verification_tree

PROGRESS_AFTER_S = 0.3


@frozen
class Replayable:
    """A data folder whose functions can be run again in this process."""

    folder: DataFolder
    storage: FolderStorage
    log: OpenLog


def open_to_replay(data: Path) -> Replayable:
    """This process may be replaced by one that has the folder's hash seed.

    Raises DataFolderInvalid, NoLog, Damaged, HashSeedUnavailable.
    """
    folder = DataFolder.read(data)
    hash_seed.ensure(folder.hash_seed)
    driver.install([])
    storage = FolderStorage(data / LOG)
    return Replayable(folder, storage, open_log(storage))


def limit_handlers() -> None:
    """Functions that never ran, or not on this state, may take no longer here than in a server."""
    limits.configure(HANDLER_CPU_S_MAX, HANDLER_MEMORY_BYTES_MAX)
    limits.arm()
    # Python gives signals back before it ends, and then the timer's would kill it.
    click.get_current_context().call_on_close(limits.disarm)


def replay_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds ``--replay`` to a command that verifies the log, which goes first."""

    @click.option("--replay", is_flag=True, help="Then run entries again, with the code, clock and chance of then.")
    @click.option("--sample", type=click.IntRange(1), metavar="N", help="Run about so many again, evenly spread.")
    @click.option("--from", "first", type=click.IntRange(1), metavar="LSN", help="Run entries again from there on.")
    @click.option("--to", "last", type=click.IntRange(1), metavar="LSN", help="Run entries again up to there.")
    @click.option("--jobs", type=click.IntRange(1), metavar="N", help="In so many processes. [default: one a core]")
    @wraps(command)
    def run(
        *,
        data: Path,
        as_json: bool,
        replay: bool,
        sample: int | None,
        first: int | None,
        last: int | None,
        jobs: int | None,
    ) -> int:
        if not replay:
            if (sample, first, last, jobs) != (None, None, None, None):
                raise click.UsageError("--sample, --from, --to and --jobs belong to --replay")
            return command(data=data, as_json=as_json)
        if first is not None and last is not None and first > last:
            raise click.UsageError(f"--from {first} comes after --to {last}")
        replayable = open_to_replay(data)  # First: this process may start over.
        code = command(data=data, as_json=as_json)
        if code:
            return code
        verification = verify_range(replayable, LSN(first or 1), last, sample, jobs)
        if as_json:
            print_json({"replay": verification_tree(verification)})
        else:
            click.echo("\n".join(verification_lines(verification)))
        return 1 if verification.different else 0

    return run


def verify_range(
    replayable: Replayable, first: LSN, last: int | None, sample: int | None, jobs: int | None
) -> Verification:
    """``last`` None is the end of the log, ``jobs`` None as many as there are cores."""
    from .verifying import cores, verify_in_parts

    end = replayable.log.last if last is None else LSN(min(last, replayable.log.last))
    if first > max(end, FIRST_LSN):
        raise NoSuchEntry(first, end)
    with (
        DocumentProgress("running again", after_s=PROGRESS_AFTER_S) as progress,
        named_in_full(replayable.storage),
    ):
        return verify_in_parts(
            replayable.folder, replayable.log.reader, first, end, sample, jobs or cores(), progress.update
        )
