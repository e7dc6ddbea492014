"""`relive export`: all tables, or one of them, as a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlencode

import click
import httpx

from ..engine.portability.exporting import export as export_pieces
from ..engine.portability.formats import EXPORTED, Format, format_of
from ..engine.portability.snapshot import Snapshot
from ..log.entry import LSN
from .administration import answering, server_of, server_or_folder_command
from .errors import ExportFailed, ServerUnreachable
from .log_files import named_in_full
from .moments import Time, check_moment, moment_of
from .output import print_json
from .progress import ByteProgress
from .replaying import open_to_replay
from .run import Target

ROUTE = "/api/relive/export"
STDOUT = "-"


@click.command()
@click.argument("file")
@click.option("--table", default=None, metavar="NAME", help="Only this table, as JSON lines or CSV.")
@click.option(
    "--format",
    "wanted",
    type=click.Choice(EXPORTED),
    default=None,
    help="[default: as FILE ends, or zip]",
)
@click.option("--include-file-storage", "with_files", is_flag=True, help="With the bytes of all files; from a server.")
@click.option("--at", default=None, callback=check_moment, metavar="LSN|TIME", help="As of then, from the data folder.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@server_or_folder_command
@click.pass_context
def export(
    context: click.Context,
    file: str,
    table: str | None,
    wanted: Format | None,
    with_files: bool,
    at: LSN | Time | None,
    force: bool,
    target: Target,
    as_json: bool,
) -> None:
    """Write all tables to FILE, a snapshot that `relive import` and `npx convex import` read.

    \b
    relive export backup.zip
    relive export messages.csv --table messages
    relive export tables.zip --format csv
    relive export last-week.zip --at 2026-09-13

    Everything is as of one moment, however long it takes and whatever is written meanwhile. FILE is
    there only once it is complete; - is stdout. Code, environment variables and the history are not
    exported: `relive backup` copies all of it.
    """
    format = wanted or (format_of(file) if file != STDOUT else None) or ("jsonl" if table is not None else "zip")
    if format not in EXPORTED:
        raise click.UsageError(f"{format} can only be imported: write {' or '.join(EXPORTED)}")
    if table is None and format != "zip" and wanted is None:
        raise click.UsageError(f"a .{format} file is of one table: name it with --table, or write a ZIP")
    if table is not None and format == "zip":
        raise click.UsageError("a ZIP is of all tables: leave out --table, or write .jsonl or .csv")
    if with_files and (format != "zip" or at is not None):
        raise click.UsageError("--include-file-storage goes with a ZIP of all tables as of now")
    if at is not None and context.params["url"] is not None:
        raise click.UsageError("--at reads the data folder: it does not go with --url")
    data: Path = context.params["data"]
    server = server_of(context, target) if at is None else None
    if with_files and server is None:
        raise click.UsageError("--include-file-storage asks a server: start one, or use `relive backup`")
    pieces = (
        from_server(server, format, table, with_files) if server is not None else from_folder(data, at, format, table)
    )
    with pieces as (lsn, documents, parts), opened(file, force) as output:
        size = written(parts, output)
    if file == STDOUT:
        return
    if as_json:
        print_json({"file": file, "format": format, "entry": lsn, "documents": documents, "bytes": size})
    else:
        click.echo(f"{file}: {documents:,} documents as of entry {lsn:,}, {size:,} bytes")


def written(parts: Iterator[bytes], output: IO[bytes]) -> int:
    """Write all of it; how many bytes that were."""
    size = 0
    with ByteProgress("exporting") as progress:
        for part in parts:
            output.write(part)
            size += len(part)
            progress.update(size, None)
    return size


@contextmanager
def from_server(
    target: Target, format: Format, table: str | None, with_files: bool
) -> Iterator[tuple[int, int, Iterator[bytes]]]:
    """The entry, how many documents, and the bytes.  Raises ServerUnreachable, RequestRefused, ExportFailed."""
    asked = {"format": format} | ({"table": table} if table is not None else {})
    query = urlencode(asked | ({"includeStorage": "true"} if with_files else {}))
    begun = False
    try:
        with answering(target, "GET", f"{ROUTE}?{query}", None) as response:
            begun = True
            lsn, documents = int(response.headers["relive-entry"]), int(response.headers["relive-documents"])
            yield lsn, documents, response.iter_raw()
    except (ServerUnreachable, httpx.TransportError) as error:
        if not begun:
            raise
        raise ExportFailed(f"the connection to {target.url} was lost before the end: export again") from error


@contextmanager
def from_folder(
    data: Path, at: LSN | Time | None, format: Format, table: str | None
) -> Iterator[tuple[int, int, Iterator[bytes]]]:
    """The same as of a moment of the past.  Raises what reading the log does."""
    from ..engine.history.replica import Replica  # Much to import, for exports that need not look back.

    replayable = open_to_replay(data)
    with named_in_full(replayable.storage):
        moment = moment_of(replayable, at)
        replica = Replica.at(replayable.log.reader, replayable.folder.secret, moment.lsn)
        snapshot = Snapshot.of(replica.tables, replica.catalog, replica.codecs, moment.ts, table)
    packed = table is None and format != "zip"
    yield moment.lsn, snapshot.documents, export_pieces(snapshot, format, packed)


@contextmanager
def opened(file: str, force: bool) -> Iterator[IO[bytes]]:
    """Where to write: a file gets its name once it is whole and durable."""
    if file == STDOUT:
        yield sys.stdout.buffer
        return
    path = Path(file)
    if path.exists() and not force:
        raise click.UsageError(f"{file} exists: name another file, or use --force")
    unfinished = path.with_name(f"{path.name}.unfinished-{os.getpid()}")
    try:
        with open(unfinished, "xb") as output:
            yield output
            output.flush()
            os.fsync(output.fileno())
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise
