"""`relive backup`: a copy of a data folder, also while it is being served."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from ..engine.portability.backup import Manifest, back_up, verify_backup
from .options import data_option, folder_type, json_option, traceback_option
from .output import print_json
from .progress import ByteProgress

NS_PER_S = 1_000_000_000


@click.command()
@click.argument("place", metavar="DEST", type=folder_type())
@click.option("--verify", is_flag=True, help="Read all of the backup in DEST and check it; make none.")
@data_option
@json_option
@traceback_option
def backup(place: Path, verify: bool, data: Path, as_json: bool) -> None:
    """Copy the data folder to DEST, a folder for backups of this deployment alone.

    \b
    relive backup /mnt/backups/chat
    relive backup /mnt/backups/chat --verify

    The server may go on serving. The backup holds all history up to one durable entry, and can be
    restored to any entry before it (`relive restore`). Made again in the same place, it copies only what
    is new, and checks what it copied. Whatever goes wrong, DEST holds the backup of before or the new one.

    It holds the secrets of the data folder, too: keep it as safe.
    """
    if verify:
        with ByteProgress("checking the backup") as progress:
            manifest = verify_backup(place, progress.update)
        if as_json:
            print_json({"backup": str(place), "good": True} | manifest_tree(manifest))
        else:
            click.echo(f"{place}: good; {manifest_text(manifest)}")
        return
    with ByteProgress("backing up") as progress:
        made = back_up(data, place, progress.update)
    if as_json:
        print_json({"backup": str(place), "copied": made.copied, "before": made.before} | manifest_tree(made.manifest))
    else:
        click.echo(f"{place}: {manifest_text(made.manifest)}; {made.copied:,} bytes copied")


def manifest_tree(manifest: Manifest) -> dict[str, object]:
    return {
        "instanceName": manifest.instance_name,
        "entry": manifest.lsn,
        "ts": manifest.ts,
        "hash": manifest.hash,
        "bytes": manifest.size,
    }


def manifest_text(manifest: Manifest) -> str:
    time = dt.datetime.fromtimestamp(manifest.ts // NS_PER_S, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{manifest.lsn:,} entries of {manifest.instance_name} up to {time} UTC, {manifest.size:,} bytes"
