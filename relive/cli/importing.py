"""`relive import`: documents from a file, all of them or none."""

from __future__ import annotations

import json as plain_json
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO
from urllib.parse import urlencode

import click
import trio
from attrs import evolve

from ..engine.data_folder import DataFolder
from ..engine.database import Database
from ..engine.determinism import driver, hash_seed
from ..engine.files.folder_files import FolderFiles
from ..engine.portability.errors import ImportRefused
from ..engine.portability.formats import FORMATS, Format, Mode, format_of
from ..engine.portability.importing import Imported, Importer
from ..engine.portability.limits import IMPORT_FILE_BYTES_MAX
from ..engine.portability.sources import Wanted
from ..engine.server.import_routes import last_line
from .administration import Tree, answering, server_of, server_or_folder_command
from .errors import ImportFailed, ServerUnreachable
from .output import print_json, say
from .progress import ByteProgress
from .run import Target
from .serving import open_database, remember_reached

ROUTE = "/api/relive/import"
CHUNK_BYTES = 256 * 1024
LOST = "the connection to {} was lost before the import had ended: see what is stored, and import again if need be"


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--table", default=None, metavar="NAME", help="The table, for a file that is not a ZIP.")
@click.option("--format", "wanted", type=click.Choice(FORMATS), default=None, help="[default: as FILE ends]")
@click.option("--append", "mode", flag_value="append", help="Add to what is there.")
@click.option("--replace", "mode", flag_value="replace", help="Delete what the tables of FILE hold before.")
@click.option("--replace-all", "mode", flag_value="replaceAll", help="Delete what all tables hold before.")
@click.option("--dry-run", is_flag=True, help="Check every row, say what would change, and change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before documents are deleted.")
@server_or_folder_command
@click.pass_context
def import_file(
    context: click.Context,
    file: Path,
    table: str | None,
    wanted: Format | None,
    mode: Mode | None,
    dry_run: bool,
    yes: bool,
    target: Target,
    as_json: bool,
) -> None:
    """Import documents from FILE: a snapshot of relive or Convex, JSON lines, a JSON array, or CSV.

    \b
    relive import backup.zip
    relive import messages.jsonl --table messages --append
    relive import backup.zip --replace-all

    Without --append or --replace, the tables must be empty. Ids and times of creation are kept. Every
    row is checked against the schema before anything is written; then all of it is one entry of the
    log, or nothing is. The server goes on serving meanwhile, and live queries follow.
    """
    format = wanted or format_of(file.name)
    if format is None:
        raise click.UsageError(f"nothing says what {file.name} is: add --format {'|'.join(FORMATS)}")
    if file.stat().st_size > IMPORT_FILE_BYTES_MAX:
        raise click.UsageError(f"{file} is longer than {IMPORT_FILE_BYTES_MAX:,} bytes: import it in parts")
    try:
        asked = Wanted(file.name, digest_of(file), format, mode or "requireEmpty", table, dry_run)
    except ImportRefused as error:
        raise click.UsageError(error.problem) from None
    server = server_of(context, target)
    data: Path = context.params["data"]
    if server is None:
        hash_seed.ensure(DataFolder.read(data).hash_seed)  # First: this process may start over.
    if asked.mode in ("replace", "replaceAll") and not (dry_run or yes):
        confirm(imported(server, data, evolve(asked, dry_run=True), file))
    done = imported(server, data, asked, file)
    if as_json:
        print_json({"file": str(file)} | done)
        return
    for line in text_of(done):
        click.echo(line)


def digest_of(file: Path) -> str:
    digest = sha256()
    with file.open("rb") as opened:
        for part in parts_of(opened):
            digest.update(part)
    return digest.hexdigest()


def parts_of(file: IO[bytes]) -> Iterator[bytes]:
    while part := file.read(CHUNK_BYTES):
        yield part


def confirm(seen: Tree) -> None:
    """Ask whether documents may be deleted.  Raises click.Abort."""
    for line in text_of(seen):
        say(line)
    deleted = sum(table["deleted"] + table["replaced"] for table in seen["tables"].values())
    if not deleted:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{deleted:,} documents would be deleted or replaced: add --yes if that is wanted")
    click.confirm("Import?", abort=True, err=True)


def imported(server: Target | None, data: Path, asked: Wanted, file: Path) -> Tree:
    """What the last line of an import says.  Raises ImportFailed and what importing raises."""
    with file.open("rb") as opened:
        return into_folder(data, asked, opened) if server is None else into_server(server, asked, opened)


def into_server(target: Target, asked: Wanted, file: IO[bytes]) -> Tree:
    query = {"file": asked.file, "format": asked.format, "mode": asked.mode, "dryRun": str(asked.dry_run).lower()}
    if asked.table is not None:
        query["table"] = asked.table
    said: Tree = {}
    with ByteProgress("importing") as progress:
        try:
            with answering(target, "POST", f"{ROUTE}?{urlencode(query)}", None, parts_of(file)) as response:
                for line in response.iter_lines():
                    said = plain_json.loads(line)
                    if said["state"] == "staging" and said["total"]:
                        progress.update(said["bytes"], said["total"])
        except ServerUnreachable as error:
            if not said:
                raise
            raise ImportFailed("ConnectionLost", LOST.format(target.url)) from error
    if said.get("state") == "failed":
        raise ImportFailed(said["code"], said["message"])
    if said.get("state") not in ("imported", "checked"):
        raise ImportFailed("ConnectionLost", LOST.format(target.url))
    return said


def into_folder(data: Path, asked: Wanted, file: IO[bytes]) -> Tree:
    """Into a data folder that is not being served.  Raises FolderInUse and what importing raises."""
    folder = DataFolder.read(data)
    driver.install([])
    database = open_database(folder, None, FolderFiles(folder.files))
    try:
        return last_line(trio.run(import_alone, database, asked, file), asked)
    finally:
        remember_reached(folder, database)
        database.log.close()


async def import_alone(database: Database, asked: Wanted, file: IO[bytes]) -> Imported:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(database.run)
        done = await Importer(database).run(asked, file)
        if done.lsn is not None:
            await database.runtime.wait_durable(done.lsn)
        nursery.cancel_scope.cancel()
    return done


def text_of(done: Tree) -> Iterator[str]:
    yield from (f"note: {note}" for note in done["notes"])
    for name, table in done["tables"].items():
        counts = [f"{table[what]:,} {what}" for what in ("inserted", "replaced", "deleted") if table[what]]
        yield f"  {name}: {table['rows']:,} rows{': ' if counts else ', nothing changes'}{', '.join(counts)}"
    if done["state"] == "checked":
        yield "every row fits; nothing was changed"
    elif done["entry"] is None:
        yield "all of it is stored already; nothing was changed"
    else:
        yield f"imported as entry {done['entry']:,}"
