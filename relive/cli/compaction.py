"""`relive log compact` and `relive log erase`: what is beyond retention is dropped, for good."""

from __future__ import annotations

from pathlib import Path

import click

from ..engine.compaction import Compacted, compact
from ..engine.data_folder import DataFolder
from ..engine.determinism import driver, hash_seed
from ..engine.env import real_env
from ..log.compaction import Prepared
from ..log.retention import DocumentKey
from .checkpoint import bad_checkpoint
from .collector import collector_off
from .log_files import named_in_full
from .options import data_option, json_option, traceback_option
from .output import print_json, say
from .progress import LogProgress
from .statistics_text import size_text

PROGRESS_AFTER_S = 1.0
NOTHING: frozenset[DocumentKey] = frozenset()


@click.command("compact")
@data_option
@click.option("--dry-run", is_flag=True, help="Only say what would be dropped.")
@json_option
@traceback_option
def compact_command(data: Path, dry_run: bool, as_json: bool) -> None:
    """Drop old versions of documents that are beyond the retention of their tables, for good.

    Tables keep every version unless their class says otherwise: `class Visit(Document, history_days=30)`.
    A version is dropped so long after it was written over or deleted; the newest never is. With it go
    arguments, identity, ranges read and printed lines of the entries that wrote it, and results after 14
    days. What happened when, by which function, and the chain of hashes remain. Stop the server first.
    """
    done = run(data, NOTHING, dry_run=dry_run)
    if as_json:
        print_json(tree_of(done, dry_run=dry_run))
    elif not done.prepared.segments:
        say("there is nothing to drop: no version is beyond the retention of its table")
    else:
        click.echo(text_of(done, dry_run=dry_run))


@click.command()
@click.argument("document", metavar="TABLE/ID")
@data_option
@click.option("--dry-run", is_flag=True, help="Only say what would be dropped.")
@json_option
@traceback_option
def erase(document: str, data: Path, dry_run: bool, as_json: bool) -> None:
    """Drop every version of a deleted document from the log, whatever its table keeps.

    Also arguments, identity, ranges read and printed lines of the entries that wrote it, and their results
    after 14 days, until when a client may ask for them again. What other documents, and arguments of other
    functions, say of it remains; so do copies: exports, backups, forks. Stop the server first.
    """
    table, slash, id = document.partition("/")
    if not (table and slash and id):
        raise click.BadParameter(f"{document!r} is no document: name it as TABLE/ID", param_hint="TABLE/ID")
    done = run(data, frozenset({(table, id)}), dry_run=dry_run)
    if as_json:
        print_json(tree_of(done, dry_run=dry_run))
    elif not done.prepared.segments:
        say(f"there is nothing to drop: no version of {document} is kept any more")
    else:
        click.echo(text_of(done, dry_run=dry_run))


def run(data: Path, erased: frozenset[DocumentKey], *, dry_run: bool) -> Compacted:
    folder = DataFolder.read(data)
    hash_seed.ensure(folder.hash_seed)  # The deployed code is loaded for the checkpoint.
    driver.install([])
    storage = folder.storage
    with (
        LogProgress("reading the log", after_s=PROGRESS_AFTER_S) as progress,
        named_in_full(storage),
        collector_off(),
    ):
        done = compact(storage, real_env(), bad_checkpoint, erased=erased, dry_run=dry_run, on_progress=progress.update)
    if done.lsn is not None:
        folder.remember_reached(done.lsn)
    return done


def text_of(done: Compacted, *, dry_run: bool) -> str:
    prepared, would = done.prepared, "would be " if dry_run else ""
    lines = [
        f"{name}: {dropped.versions:,} version(s), {size_text(dropped.size)} {would}dropped"
        for name, dropped in sorted(prepared.tables.items())
    ]
    freed = f"{prepared.entries:,} entries {would}reduced in {len(prepared.segments):,} segment(s)"
    lines.append(f"{freed}, {size_text(max(0, prepared.freed))} {would}freed")
    if done.lsn is not None:
        lines.append(f"entry {done.lsn} says so")
    return "\n".join(lines)


def tree_of(done: Compacted, *, dry_run: bool) -> object:
    return {"dryRun": dry_run, "lsn": done.lsn, **prepared_tree(done.prepared)}


def prepared_tree(prepared: Prepared) -> dict[str, object]:
    return {
        "tables": {
            name: {"versions": dropped.versions, "bytes": dropped.size}
            for name, dropped in sorted(prepared.tables.items())
        },
        "entries": prepared.entries,
        "segments": [each.name for each in prepared.segments],
        "bytesFreed": prepared.freed,
    }
