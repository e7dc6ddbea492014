"""`relive log`: look at the log of a data folder, whether it is being served or not."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from ..engine.data_folder import LOG
from ..engine.env import real_env
from ..engine.history.statistics import Statistics
from ..log.entry import FIRST_LSN, LSN, Timestamp
from ..log.errors import Damaged
from ..log.recovery import OnEntry
from ..log.storage import FolderStorage
from ..log.verify import Verified
from ..log.verify import verify as verify_log
from .checkpoint import checking, checkpoint
from .compaction import compact_command, erase
from .entry_text import description, entry_tree, table_of, time_text
from .log_files import named_in_full, open_log
from .options import data_option, json_option, traceback_option
from .output import print_json, say
from .progress import LogProgress
from .replaying import replay_options
from .statistics_text import checkpoint_lines, checkpoints_of, statistics_tables, statistics_tree

LIMIT = 20
LINE_CHARS_MAX = 10_000


@click.group(no_args_is_help=False)
def log() -> None:
    """Look at the log: every change, and what caused it.

    Can be used while the folder is being served.
    """


@log.command()
@data_option
@click.option("--from", "from_lsn", type=click.IntRange(1), default=None, metavar="LSN", help="Begin there.")
@click.option(
    "--limit", type=click.IntRange(1), default=LIMIT, show_default=True, metavar="N", help="How many entries."
)
@click.option("--entry", type=click.IntRange(1), default=None, metavar="LSN", help="Everything about this one.")
@json_option
@traceback_option
def show(data: Path, from_lsn: int | None, limit: int, entry: int | None, as_json: bool) -> None:
    """Show entries: the newest ones, or those from an LSN on.

    With --json, one entry on each line, complete.
    """
    storage = storage_of(data)
    with named_in_full(storage):
        opened = open_log(storage)
        if opened.problem:
            say(f"behind entry {opened.last}: {opened.problem}; `relive log verify` tells if that is damage")
        if entry is not None:
            found = opened.reader.entry(LSN(entry))
            print_json(entry_tree(found)) if as_json else click.echo(description(found))
            return
        first = LSN(from_lsn) if from_lsn is not None else LSN(max(FIRST_LSN, opened.last - limit + 1))
        entries = opened.reader.read(LSN(first - 1), limit)
    if as_json:
        for each in entries:
            print_json(entry_tree(each))
    elif entries:
        console_of().print(table_of(entries))
    else:
        say(f"no entries from {first} on: the last one is {opened.last}" if opened.last else "there are no entries")


@log.command()
@data_option
@json_option
@traceback_option
def stats(data: Path, as_json: bool) -> None:
    """Show how much the log holds: by table, kind and function, and what history takes."""
    storage, now = storage_of(data), real_env().clock_ns()
    with named_in_full(storage):
        statistics = Statistics.of(open_log(storage).reader, Timestamp(now))
    checkpoints = checkpoints_of(storage, now)
    if as_json:
        print_json(statistics_tree(statistics) | {"checkpoints": [each.tree() for each in checkpoints]})
        return
    console = console_of()
    for part in (*statistics_tables(statistics), *checkpoint_lines(checkpoints)):
        console.print(part, highlight=False, markup=False)


@log.command()
@data_option
@json_option
@traceback_option
@replay_options
def verify(data: Path, as_json: bool) -> int:
    """Read the whole log, and check every byte, checksum and hash; and that checkpoints say what it says.

    Exit code 0: one unbroken history. Exit code 1: damaged; the file, the place and what to do are
    shown.
    """
    checkpoints, bad = checking(storage_of(data))
    try:
        verified = read_all(storage_of(data), checkpoints.apply)
    except Damaged as error:
        if as_json:
            print_json(damage_tree(data, error))
        else:
            say(str(error))
        return 1
    if as_json:
        print_json(verified_tree(data, verified) | {"ok": not bad, "checkpoints": checkpoints.good, "bad": bad})
    else:
        click.echo(verified_text(verified))
        if checkpoints.good:
            click.echo(f"{checkpoints.good} checkpoint(s) that say the same")
        for file, problem in bad.items():
            say(f"checkpoint {file} is bad: {problem}. It is not needed: delete it")
    return 1 if bad else 0


log.add_command(checkpoint)
log.add_command(compact_command)
log.add_command(erase)


def console_of() -> Console:
    """Folds to the width of a terminal only: other programs get each row on one line."""
    return Console() if sys.stdout.isatty() else Console(width=LINE_CHARS_MAX)


def storage_of(data: Path) -> FolderStorage:
    return FolderStorage(data / LOG)


def read_all(storage: FolderStorage, on_entry: OnEntry) -> Verified:
    with LogProgress("verifying", after_s=0.0) as progress, named_in_full(storage):
        return verify_log(storage, progress.update, on_entry)


def verified_tree(data: Path, verified: Verified) -> dict[str, object]:
    torn = verified.torn
    return {
        "ok": True,
        "data": str(data),
        "entries": verified.entries,
        "first": verified.first,
        "last": verified.last,
        "bytes": verified.size,
        "segments": verified.segments,
        "hash": verified.hash.hex(),
        "deployment": verified.deployment.hex(),
        "unfinished": {"file": torn.file, "offset": torn.offset, "bytes": torn.length} if torn is not None else None,
    }


def damage_tree(data: Path, error: Damaged) -> object:
    return {
        "ok": False,
        "data": str(data),
        "file": error.file,
        "offset": error.offset,
        "lsn": error.lsn,
        "lastGood": error.last_ts,
        "problem": error.problem,
        "remedy": "keep a copy of the folder, then restore this file from a backup",
    }


def verified_text(verified: Verified) -> str:
    lines = [
        f"no fault: {verified.entries:,} entries in {verified.segments} segment(s), {verified.size:,} bytes",
    ]
    if verified.entries:
        lines.append(f"from {time_text(verified.first)} to {time_text(verified.last)} UTC")
        lines.append(f"hash of the last entry, which stands for all: {verified.hash.hex()}")
    if verified.torn is not None:
        lines.append(f"an unfinished write at the end, which is no fault: {verified.torn}")
    return "\n".join(lines)
