"""`relive why`: what a query looked at, and who changed that last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from ..actors.key_text import range_text
from ..engine.history.past_query import Read, causes
from ..log.entry import LSN, Entry
from ..protocol import json
from .entry_text import read_text, time_text
from .log_files import named_in_full
from .moments import Time, check_moment
from .options import data_option, json_option, traceback_option
from .output import print_json, readable
from .past import answer_tree, asked_at
from .progress import DocumentProgress
from .replaying import PROGRESS_AFTER_S, open_to_replay
from .run import arguments_of, path_of


@click.command()
@click.argument("function")
@click.argument("arguments", default="{}")
@data_option
@click.option("--at", default=None, callback=check_moment, metavar="LSN|TIME", help="As of then, not of now.")
@json_option
@traceback_option
def why(function: str, arguments: str, data: Path, at: LSN | Time | None, as_json: bool) -> int:
    """Show why the query FUNCTION says what it says: the ranges it reads, and who changed each last.

    \b
    relive why tasks:unfinished '{"list": "home"}'

    Only reads, so it can be used while the folder is being served.
    """
    path, tree = path_of(function), arguments_of(arguments)
    replayable = open_to_replay(data)
    asked, moment = asked_at(replayable, path, tree, at, "then")
    with DocumentProgress("looking back", after_s=PROGRESS_AFTER_S) as progress, named_in_full(replayable.storage):
        secret = replayable.folder.secret
        found = causes(replayable.log.reader, secret, asked.reads, moment.lsn, progress.update)
    if as_json:
        print_json(answer_tree(asked) | {"lsn": moment.lsn, "reads": [read_tree(each) for each in found]})
        return 0
    click.echo(f"as of entry {moment.lsn}, {time_text(moment.ts)} UTC")
    click.echo(f"says {readable(json.decode(asked.value))}" if asked.value is not None else f"fails: {asked.problem}")
    click.echo("\n".join(line for each in found for line in read_lines(each)) or "it reads nothing")
    return 0


def read_lines(read: Read) -> Iterator[str]:
    yield f"reads {read_text(read.range)}"
    by = read.changed_by
    if by is None and read.unknown_until:
        yield f"  which nothing changed after entry {read.unknown_until}; what did before is beyond retention"
    else:
        yield "  which nothing ever changed" if by is None else f"  changed last by {maker_text(by)}"


def maker_text(entry: Entry) -> str:
    cause = f"{entry.cause.kind} {entry.cause.id}".strip()
    return f"entry {entry.lsn}, {time_text(entry.ts)} UTC, {entry.function or entry.kind.value}, for {cause}"


def read_tree(read: Read) -> dict[str, object]:
    entry = read.changed_by
    return {
        "index": str(read.range.index),
        "range": range_text(read.range),
        "keysOnly": read.range.keys_only,
        "unknownUntil": read.unknown_until or None,
        "changedBy": None
        if entry is None
        else {
            "lsn": entry.lsn,
            "ts": entry.ts,
            "function": entry.function,
            "cause": {"kind": entry.cause.kind, "id": entry.cause.id, "parent": entry.cause.parent},
        },
    }
