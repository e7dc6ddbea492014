"""`relive fork`: a new data folder that begins where another one was at some moment."""

from __future__ import annotations

from pathlib import Path

import click

from ..engine.data_folder import DataFolder
from ..engine.forks import Forked, fork
from ..log.entry import LSN
from .entry_text import time_text
from .log_files import named_in_full, open_log
from .moments import Time, check_moment, lsn_of
from .options import data_option, folder_type, json_option, traceback_option
from .output import print_json
from .progress import LogProgress
from .statistics_text import size_text

PROGRESS_AFTER_S = 1.0


@click.command(name="fork")
@click.argument("folder", type=folder_type())
@data_option
@click.option("--at", default=None, callback=check_moment, metavar="LSN|TIME", help="As of then, not of now.")
@click.option(
    "--unseal", is_flag=True, help="Let the fork run scheduled functions, crons and actions, as the original does."
)
@json_option
@traceback_option
def fork_command(folder: Path, data: Path, at: LSN | Time | None, unseal: bool, as_json: bool) -> None:
    """Make FOLDER a data folder with everything of --data up to a moment: data, code, history.

    \b
    relive fork --at 2026-09-20T14:02:00Z incident
    relive serve --data incident --port 3211

    Files of the log are shared, not copied, where the file system can. The fork has a name and an admin
    key of its own, nothing that it does reaches the original, and it acts on nothing outside unless
    --unseal is given. The original may be served meanwhile.
    """
    original = DataFolder.read(data)
    with LogProgress("copying", after_s=PROGRESS_AFTER_S) as progress, named_in_full(original.storage):
        until = lsn_of(open_log(original.storage), at) if at is not None else None
        made = fork(original, folder, until, unseal=unseal, on_progress=progress.update)
    if as_json:
        print_json(forked_tree(made))
        return
    extent = made.extent
    click.echo(f"{folder}: {extent.lsn:,} entries, up to {time_text(extent.ts)} UTC")
    click.echo(f"{size_text(made.shared)} of the log shared with the original, {size_text(made.copied)} copied")
    effects = "are sealed" if made.folder.sealed else "are NOT sealed"
    click.echo(f"its name is {made.folder.instance_name}; effects on the world outside {effects}")
    click.echo(f"`relive serve --data {folder}` serves it")


def forked_tree(made: Forked) -> object:
    return {
        "folder": str(made.folder.folder),
        "lsn": made.extent.lsn,
        "ts": made.extent.ts,
        "instanceName": made.folder.instance_name,
        "forkedFrom": made.folder.forked_from,
        "sealed": made.folder.sealed,
        "sharedBytes": made.shared,
        "copiedBytes": made.copied,
    }
