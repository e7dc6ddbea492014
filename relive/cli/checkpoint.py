"""`relive log checkpoint`: so that the next start reads less; and the server's way to have it done.

The server starts it as a process of its own: folding a log takes time and memory that no client should
wait for, and if it fails nothing is lost.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import click
import trio

from ..actors.checkpoints import CheckpointCheck, fold
from ..engine.data_folder import LOG, DataFolder
from ..engine.deployment.recovered import definer_of
from ..engine.determinism import driver, hash_seed
from ..log.checkpoint import Checkpoint, CheckpointFile, checkpoint_names
from ..log.errors import Malformed
from ..log.segment import segment_names
from ..log.storage import FolderStorage, Storage
from .collector import collector_off
from .log_files import named_in_full
from .options import data_option, json_option, traceback_option
from .output import print_json, say
from .progress import LogProgress

logger = logging.getLogger("relive")

PROGRESS_AFTER_S = 1.0
LOOK_EVERY_S = 60.0
"""How often a server looks whether segments were sealed."""


@click.command()
@data_option
@json_option
@traceback_option
def checkpoint(data: Path, as_json: bool) -> None:
    """Make a checkpoint, so that the next start reads only what came after it.

    It covers all segments of the log but the last one, which is still growing. The server does this by
    itself now and then. Checkpoints may be deleted at any time: nothing depends on them.
    """
    folder = DataFolder.read(data)
    hash_seed.ensure(folder.hash_seed)  # The deployed code is loaded: it says how documents are ordered.
    driver.install([])
    storage = folder.storage
    with (
        LogProgress("folding the log", after_s=PROGRESS_AFTER_S) as progress,
        named_in_full(storage),
        collector_off(),
    ):
        made = fold(storage, bad_checkpoint, progress.update, definer_of)
    if as_json:
        print_json(checkpoint_tree(storage, made))
    elif made is None:
        say("there is nothing to do: no segment was sealed since the last checkpoint")
    else:
        click.echo(f"{made.name}: covers {made.lsn:,} entries, {storage.size(made.name):,} bytes")


def checkpoint_tree(storage: Storage, made: Checkpoint | None) -> object:
    if made is None:
        return {"made": None}
    return {"made": made.name, "lsn": made.lsn, "bytes": storage.size(made.name)}


def bad_checkpoint(file: str, problem: str) -> None:
    say(f"checkpoint {file} is not used: {problem}; nothing is lost, `relive log checkpoint` makes another")


async def make_checkpoints(data: Path) -> None:
    """Beside a server, until cancelled: a checkpoint whenever the log has grown by a segment."""
    while True:
        try:
            problem = await make_checkpoint(data) if has_new_segments(FolderStorage(data / LOG)) else ""
        except OSError as error:  # Whatever it is, the server does without.
            problem = str(error)
        if problem:
            logger.warning("no checkpoint could be made: %s", problem)
        await trio.sleep(LOOK_EVERY_S)


async def make_checkpoint(data: Path) -> str:
    """In a process of its own; what went wrong, or nothing."""
    command = [sys.executable, "-m", "relive", "log", "checkpoint", "--data", str(data)]
    done = await trio.run_process(
        command, check=False, stdin=subprocess.DEVNULL, capture_stdout=True, capture_stderr=True
    )
    return done.stderr.decode(errors="replace").strip() if done.returncode else ""


def has_new_segments(storage: Storage) -> bool:
    """Whether there are sealed segments that no checkpoint covers."""
    sealed = len(segment_names(storage)) - 1
    names = checkpoint_names(storage)
    if not names or sealed < 1:
        return sealed >= 1
    try:
        return len(CheckpointFile.open(storage, names[-1]).checkpoint.segments) < sealed
    except Malformed:
        return True


def checking(storage: Storage) -> tuple[CheckpointCheck, dict[str, str]]:
    """What compares checkpoints with the log while it is read, and what it finds wrong, by file."""
    problems: dict[str, str] = {}
    return CheckpointCheck.of(storage, problems.__setitem__), problems
