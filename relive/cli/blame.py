"""`relive blame`: who changed a document, when, how and why."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from ..engine.data.system_tables import EnvironmentVariable
from ..engine.data_folder import LOG
from ..engine.history.biography import Chapter, FieldChange, biography
from ..log.entry import Entry
from ..log.errors import HistoryDropped
from ..log.reader import LogReader
from ..log.storage import FolderStorage
from ..protocol import cbor, json
from ..protocol.values import Value
from .entry_text import MASK, session_text, time_text, value_text, value_tree, what_happened
from .log_files import named_in_full, open_log
from .options import data_option, json_option, traceback_option
from .output import print_json, readable, say

LIMIT = 100
CODE_CHARS_SHOWN = 12
SECRET = (EnvironmentVariable.__table__, "value")


@click.command()
@click.argument("document")
@data_option
@click.option(
    "--limit", type=click.IntRange(1), default=LIMIT, show_default=True, metavar="N", help="How many changes."
)
@json_option
@traceback_option
def blame(document: str, data: Path, limit: int, as_json: bool) -> int:
    """Show every change of DOCUMENT, as TABLE/ID or ID, the newest first.

    \b
    relive blame notes/j57abc

    Each with its time, function, arguments, cause, code, and the fields that it changed. Only reads,
    so it can be used while the folder is being served.
    """
    table, _, id = document.rpartition("/")
    storage = FolderStorage(data / LOG)
    with named_in_full(storage):
        chapters, end = read_chapters(open_log(storage).reader, table, id, limit + 1)
    for chapter in chapters[:limit]:
        print_json(chapter_tree(chapter)) if as_json else click.echo("\n".join(chapter_lines(chapter)))
    if len(chapters) > limit:
        say(f"there are older changes; --limit shows more than {limit}")
    elif end:
        say(end)
    return 0


def read_chapters(reader: LogReader, table: str, id: str, count: int) -> tuple[list[Chapter], str]:
    """The newest chapters, and why there are no older ones if that is not because there was nothing."""
    chapters: list[Chapter] = []
    try:
        chapters.extend(islice(biography(reader, table, id), count))
    except HistoryDropped as error:
        return chapters, str(error)
    return chapters, ""


def chapter_lines(chapter: Chapter) -> Iterator[str]:
    entry = chapter.entry
    name = entry.function or entry.kind.value
    yield f"entry {entry.lsn}  {time_text(entry.ts)} UTC  {name}  {what_happened(chapter.write)}"
    if entry.function:
        yield f"  arguments {value_text(entry.args)}"
    if entry.identity is not None:
        yield f"  identity  {value_text(entry.identity)}"
    yield f"  cause     {cause_text(entry)}"
    for cause in chapter.causes:
        yield f"            which entry {cause.lsn} made happen: {cause.function}, {cause_text(cause)}"
    yield f"  code      {entry.code.hex()[:CODE_CHARS_SHOWN]}, run by relive {entry.engine}"
    if not chapter.is_before_kept:
        yield "  what it changed is not known: the version before is beyond retention"
    for change in chapter.changes():
        yield f"  {change_text(chapter.write.table, change)}"


def cause_text(entry: Entry) -> str:
    text = f"{entry.cause.kind} {entry.cause.id}".strip()
    return text if entry.session is None else f"{text}, session {session_text(entry)}, request {entry.request}"


def change_text(table: str, change: FieldChange) -> str:
    before, after = (shown(table, change.path, value) for value in (change.before, change.after))
    if not change.was_there:
        return f"+ {change.path}: {after}"
    if not change.is_there:
        return f"- {change.path}: {before}"
    return f"~ {change.path}: {before} -> {after}"


def shown(table: str, path: str, value: Value) -> str:
    return MASK if (table, path) == SECRET else readable(value)


def chapter_tree(chapter: Chapter) -> dict[str, object]:
    """A change as JSON; values as Convex JSON, bytes in hexadecimal, times in nanoseconds."""
    entry, write = chapter.entry, chapter.write
    return {
        "lsn": entry.lsn,
        "ts": entry.ts,
        "time": f"{time_text(entry.ts, 9).replace(' ', 'T')}Z",
        "table": write.table,
        "id": write.id,
        "what": what_happened(write),
        "previous": write.previous,
        "kind": entry.kind.value,
        "function": entry.function,
        "args": value_tree(entry.args) if entry.function else None,
        "identity": None if entry.identity is None else json.to_json(cbor.decode(entry.identity)),
        "session": session_text(entry),
        "request": entry.request,
        "causes": [cause_tree(each) for each in (entry, *chapter.causes)],
        "code": entry.code.hex(),
        "engine": entry.engine,
        "previousKept": chapter.is_before_kept,
        "changes": [change_tree(write.table, change) for change in chapter.changes()],
    }


def cause_tree(entry: Entry) -> dict[str, object]:
    cause = entry.cause
    return {"lsn": entry.lsn, "function": entry.function, "kind": cause.kind, "id": cause.id, "parent": cause.parent}


def change_tree(table: str, change: FieldChange) -> dict[str, object]:
    """A field that was not there has no ``before``, one that is gone no ``after``."""
    tree: dict[str, object] = {"field": change.path}
    hidden = (table, change.path) == SECRET
    if change.was_there:
        tree["before"] = MASK if hidden else json.to_json(change.before)
    if change.is_there:
        tree["after"] = MASK if hidden else json.to_json(change.after)
    return tree
