"""`relive restore`: a data folder from a backup, as of any entry."""

from __future__ import annotations

from pathlib import Path

import click

from ..engine.portability.backup import restore as restore_backup
from ..engine.portability.backup_view import BackupView
from ..log.entry import LSN
from .moments import Time, check_moment
from .options import folder_type, json_option, traceback_option
from .output import print_json
from .progress import ByteProgress


@click.command()
@click.argument("place", metavar="BACKUP", type=folder_type())
@click.argument("data", type=folder_type())
@click.option("--at", default=None, callback=check_moment, metavar="LSN|TIME", help="As of then. [default: all of it]")
@json_option
@traceback_option
def restore(place: Path, data: Path, at: LSN | Time | None, as_json: bool) -> None:
    """Make the data folder DATA of BACKUP; DATA must be new, or empty.

    \b
    relive restore /mnt/backups/chat .relive
    relive restore /mnt/backups/chat last-week --at 2026-09-13T12:00:00Z

    What is restored is the same deployment, with its admin key: do not serve it to the clients of the
    other one while that goes on. Entries after --at are not in it.
    """

    def until(view: BackupView) -> LSN | None:
        if isinstance(at, Time):
            from ..engine.history.past_query import lsn_at  # Much to import, for restoring all of it.

            return lsn_at(view.reader(), at.ns, view.lsn)
        return at

    with ByteProgress("restoring") as progress:
        manifest, extent = restore_backup(place, data, until, progress.update)
    if as_json:
        print_json({"data": str(data), "entry": extent.lsn, "ts": extent.ts, "instanceName": manifest.instance_name})
    else:
        click.echo(f"{data}: {extent.lsn:,} of {manifest.lsn:,} entries of {manifest.instance_name}; serve it with")
        click.echo(f"  relive serve --data {data}")
