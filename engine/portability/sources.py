"""What a file holds for which table.

In a ZIP the folder before ``documents.jsonl`` is the table, wherever it stands, as Convex does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

from attrs import evolve, field, frozen

from ...protocol import ids, json
from ...protocol.errors import InvalidId, InvalidPath
from ...protocol.paths import parse as parse_path
from .archive import Archive
from .cells import Shapes
from .errors import FileInvalid, ImportRefused
from .formats import Format, Mode
from .limits import CHUNK_BYTES
from .rows import Decode, Row, array_rows, csv_rows, json_rows
from .snapshot import STORAGE
from .stored_files import FileSource, files_in

DOCUMENTS = "documents.jsonl"
SCHEMA = "generated_schema.jsonl"
TABLES = "_tables"
COMPONENTS = "_components"

Rows = Callable[[dict[str, Shapes]], Iterator[Row]]
"""Reads the rows, from the first on; given what the table declares."""


@frozen
class Wanted:
    """What is asked for."""

    file: str
    """Its name, as people know it."""
    sha256: str
    """Of its bytes, hexadecimal."""
    format: Format
    mode: Mode = "requireEmpty"
    table: str | None = None
    """For a file of one table."""
    dry_run: bool = False

    def __attrs_post_init__(self) -> None:
        """Raises ImportRefused."""
        if self.format == "zip" and self.table is not None:
            raise ImportRefused("a ZIP says itself which tables it holds: leave out --table")
        if self.format != "zip" and self.table is None:
            raise ImportRefused(f"name the table that the rows of {self.file} are for, with --table")
        if self.format != "zip" and self.mode == "replaceAll":
            raise ImportRefused("a file of one table does not replace all tables: use --replace, or a ZIP")
        if self.table is not None:
            check_table(self.table)


@frozen(eq=False)
class Source:
    table: str
    file: str
    """As bad rows name it."""
    size: int
    """Bytes of the rows, as far as the file says it."""
    rows: Rows
    number: int | None = field(default=None)
    """The number that ids of the table hold; None if none of them is given."""


@frozen(eq=False)
class Sources:
    each: tuple[Source, ...]
    notes: tuple[str, ...] = ()
    """What is in the file and is not imported."""
    files: tuple[FileSource, ...] = ()
    archive: Archive | None = None
    """Where the bytes of files are."""

    @classmethod
    def of(cls, wanted: Wanted, file: IO[bytes]) -> Sources:
        """Raises FileInvalid, ImportRefused."""
        if wanted.format == "zip":
            return of_archive(Archive.open(wanted.file, file), wanted)
        assert wanted.table is not None
        size = file.seek(0, 2)
        rows = rows_of(wanted.format, wanted.file, lambda: chunks(file), json.decode)
        return cls((numbered(Source(wanted.table, wanted.file, size, rows)),))


def of_archive(archive: Archive, wanted: Wanted) -> Sources:
    """Raises FileInvalid, ImportRefused."""
    found: dict[str, Source] = {}
    names = archive.names()
    if any(COMPONENTS in name.split("/") for name in names):
        raise ImportRefused(f"{wanted.file} holds tables of components, and relive has none")
    files, note = files_in(archive)
    notes = [note] if note else []
    for name in names:
        table, format = table_of(name)
        if table is None:
            continue
        if table.startswith("_"):
            if table not in (TABLES, STORAGE):
                notes.append(f"{table} belongs to the system, and is left out")
            continue
        if table in found:
            raise FileInvalid(wanted.file, f"two files in it are of table {table!r}: {found[table].file} and {name}")
        check_table(table)
        rows = rows_of(format, name, partial(archive.read, name), decoding(archive, name, wanted.file))
        found[table] = Source(table, name, archive.size(name), rows)
    if not found and not files:
        raise FileInvalid(wanted.file, f"there is no table in it: no <table>/{DOCUMENTS}, <table>.jsonl or <table>.csv")
    numbers = numbers_in(archive)
    each = [
        evolve(source, number=numbers[source.table]) if source.table in numbers else numbered(source)
        for source in found.values()
    ]
    return Sources(tuple(each), tuple(notes), tuple(files), archive)


def table_of(name: str) -> tuple[str | None, Format]:
    """Which table a file in a ZIP is of; None if it is of none."""
    *folders, file = name.split("/")
    if file == DOCUMENTS:
        return (folders[-1] if folders else None), "jsonl"
    stem, _, ending = file.rpartition(".")
    if file != SCHEMA and ending in ("jsonl", "csv") and stem and len(folders) <= 1:
        return stem, "csv" if ending == "csv" else "jsonl"
    return None, "jsonl"


def decoding(archive: Archive, name: str, file: str) -> Decode:
    """How numbers are written there: beside the documents stands what was made of them.  Raises FileInvalid."""
    schema = f"{name.removesuffix(DOCUMENTS)}{SCHEMA}"
    if not name.endswith(DOCUMENTS) or schema not in archive.names():
        return json.decode_export if name.endswith(".jsonl") and not name.endswith(DOCUMENTS) else json.decode
    said = b"".join(part for part, _ in zip(archive.read(schema), range(2), strict=False)).strip()
    if said != b'"uniform"':
        problem = f"{schema} in it is of a kind that Convex wrote long ago: export it anew with a newer one"
        raise FileInvalid(file, problem)
    return json.decode_export


def numbers_in(archive: Archive) -> dict[str, int]:
    """What ``_tables`` says.  Raises FileInvalid."""
    numbers: dict[str, int] = {}
    for name in archive.names():
        if table_of(name)[0] != TABLES:
            continue
        for row in json_rows(name, archive.read(name), json.decode):
            fields = row.fields or {}
            table, number = fields.get("name"), fields.get("id")
            if not isinstance(table, str) or type(number) is not int:
                raise FileInvalid(archive.name, f'{name}, row {row.number}: {{"id", "name"}} of a table is expected')
            numbers[table] = number
    return numbers


def numbered(source: Source) -> Source:
    """With the number that the first row's id holds, if it has one."""
    first = next(source.rows({}), None)
    id = (first.fields or {}).get("_id") if first is not None else None
    try:
        return evolve(source, number=ids.table_number(id)) if isinstance(id, str) else source
    except InvalidId:
        return source  # The row will be told of with the others.


def rows_of(format: Format, name: str, data: Callable[[], Iterator[bytes]], decode: Decode) -> Rows:
    match format:
        case "csv":
            return lambda shapes: csv_rows(name, data(), shapes)
        case "json":
            return lambda shapes: array_rows(name, data())
        case _:
            return lambda shapes: json_rows(name, data(), decode)


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while data := file.read(CHUNK_BYTES):
        yield data


def check_table(name: str) -> None:
    """Raises ImportRefused."""
    if name.startswith("_"):
        raise ImportRefused(f"table {name!r}: names that begin with _ belong to the system")
    try:
        parse_path(f"tables:{name}")
    except InvalidPath:
        raise ImportRefused(f"{name[:80]!r} cannot be the name of a table: use letters, digits and _") from None
