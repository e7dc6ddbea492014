"""A snapshot as the bytes of a file, a little at a time.

Invariants
    * Memory does not grow with what is exported.
    * The same snapshot gives the same bytes.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from mimetypes import guess_extension
from typing import IO, Final, cast

from attrs import Factory, define

from ...protocol import json
from ...protocol.values import Value
from ..data.system_tables import StoredFile
from .cells import MISSING, Shapes, shapes_of, write_cell
from .formats import README, Format
from .limits import CHUNK_BYTES, ROWS_PER_SLICE
from .snapshot import STORAGE, Snapshot, TableSnapshot, stored_fields

UNIFORM: Final = b'"uniform"\n'
ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)
ZIP_MODE: Final = 0o100644 << 16
ZIP_LEVEL: Final = 5
Read = Callable[[StoredFile], AsyncGenerator[bytes, None]]
FIRST_COLUMNS: Final = ("_id", "_creationTime")


def export(snapshot: Snapshot, format: Format, packed: bool = False) -> Iterator[bytes]:
    """The file, in pieces; an empty piece says that others may have their turn.

    ``packed``: a ZIP with a file of that format for each table.  Otherwise JSON lines and CSV are of the
    first table alone.
    """
    if format != "zip" and not packed:
        yield from table_lines(snapshot.tables[0], format)
        return
    pipe = Pipe()
    with zipfile.ZipFile(cast("IO[bytes]", pipe), "w") as archive:
        yield from tables_in(archive, pipe, snapshot, format)
    yield pipe.take(1)


async def export_with_files(snapshot: Snapshot, read: Read) -> AsyncGenerator[bytes, None]:
    """A ZIP as Convex makes it, with the bytes of all files that the snapshot knows.  Raises what ``read`` raises."""
    assert snapshot.files is not None
    pipe = Pipe()
    with zipfile.ZipFile(cast("IO[bytes]", pipe), "w") as archive:
        for piece in tables_in(archive, pipe, snapshot, "zip"):
            yield piece
        for version in snapshot.files.in_order():
            if version is None:
                yield b""
                continue
            row = version.document
            assert isinstance(row, StoredFile)
            name = f"{STORAGE}/{version.id}{ending_of(row)}"
            with archive.open(entry(name, packed=False), "w", force_zip64=True) as file:
                async with aclosing(read(row)) as parts:
                    async for part in parts:
                        file.write(part)
                        yield pipe.take(CHUNK_BYTES)
    yield pipe.take(1)


def tables_in(archive: zipfile.ZipFile, pipe: Pipe, snapshot: Snapshot, format: Format) -> Iterator[bytes]:
    if format == "zip":
        listed = [*snapshot.tables, *([snapshot.files] if snapshot.files is not None else [])]
        yield from whole(archive, pipe, "README.md", README.encode())
        numbers = [json.dump({"id": table.number, "name": table.name}) + b"\n" for table in listed]
        yield from whole(archive, pipe, "_tables/documents.jsonl", b"".join(numbers))
        if snapshot.files is not None:
            yield from table_in(archive, pipe, snapshot.files, f"{STORAGE}/documents.jsonl", "jsonl")
    # Small ones first, as others do it: a failed download has most of the tables.
    for table in sorted(snapshot.tables, key=lambda table: (len(table.versions), table.number)):
        if format == "zip":
            yield from table_in(archive, pipe, table, f"{table.name}/documents.jsonl", "jsonl")
            yield from whole(archive, pipe, f"{table.name}/generated_schema.jsonl", UNIFORM)
        else:
            yield from table_in(archive, pipe, table, f"{table.name}.{format}", format)


def table_in(archive: zipfile.ZipFile, pipe: Pipe, table: TableSnapshot, name: str, format: Format) -> Iterator[bytes]:
    with archive.open(entry(name), "w", force_zip64=True) as file:
        for piece in table_lines(table, format):
            file.write(piece)
            yield pipe.take(CHUNK_BYTES)


def ending_of(file: StoredFile) -> str:
    """``.png``; nothing if its content type says nothing."""
    content_type = file.content_type if isinstance(file.content_type, str) else ""
    return guess_extension(content_type.partition(";")[0].strip()) or ""


def whole(archive: zipfile.ZipFile, pipe: Pipe, name: str, data: bytes) -> Iterator[bytes]:
    archive.writestr(entry(name), data)
    yield pipe.take(CHUNK_BYTES)


def entry(name: str, packed: bool = True) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, ZIP_DATE)
    info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    info.external_attr = ZIP_MODE
    info._compresslevel = ZIP_LEVEL  # type: ignore[attr-defined]
    return info


def table_lines(table: TableSnapshot, format: Format) -> Iterator[bytes]:
    if format == "csv":
        yield from csv_lines(table)
        return
    lines: list[bytes] = []
    for version in table.in_order():
        if version is None:
            yield b""
            continue
        lines.append(json.encode_export(stored_fields(version)))
        if len(lines) == ROWS_PER_SLICE or len(lines[-1]) > CHUNK_BYTES:
            yield b"\n".join(lines) + b"\n"
            lines.clear()
    if lines:
        yield b"\n".join(lines) + b"\n"


def csv_lines(table: TableSnapshot) -> Iterator[bytes]:
    shapes = shapes_of(table.codec)
    columns: list[str] = []
    for names in columns_of(table, shapes):
        columns = names
        yield b""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for count, version in enumerate(table.in_order()):
        if version is not None:
            writer.writerow(cells_of(stored_fields(version), columns, shapes))
        if version is None or count % ROWS_PER_SLICE == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def columns_of(table: TableSnapshot, shapes: dict[str, Shapes]) -> Iterator[list[str]]:
    """What is declared, then what else documents hold; the last list is all of it."""
    declared = [name for name in shapes if name not in FIRST_COLUMNS]
    others: set[str] = set()
    for count, version in enumerate(table.versions):
        others.update(stored_fields(version).keys() - shapes.keys() - set(FIRST_COLUMNS))
        if count % ROWS_PER_SLICE == 0:
            yield []
    yield [*FIRST_COLUMNS, *declared, *sorted(others)]


def cells_of(fields: dict[str, Value], columns: list[str], shapes: dict[str, Shapes]) -> list[str]:
    cells = []
    for name in columns:
        value = fields.get(name, MISSING)
        cells.append("" if value is MISSING else write_cell(value, shapes.get(name, ())))  # type: ignore[arg-type]
    return cells


@define(eq=False)
class Pipe:
    """What is written comes out again, and is not kept."""

    parts: list[bytes] = Factory(list[bytes])
    held: int = 0

    def write(self, data: bytes, /) -> int:
        self.parts.append(bytes(data))
        self.held += len(data)
        return len(data)

    def flush(self) -> None:
        """`zipfile` asks for it."""

    def take(self, bytes_min: int) -> bytes:
        """All that there is, once it is so much; nothing before."""
        if self.held < bytes_min:
            return b""
        taken = b"".join(self.parts)
        self.parts.clear()
        self.held = 0
        return taken
