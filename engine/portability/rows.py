"""Reads documents from a file, row by row.

A row that cannot be read is told as such, and the next one is read; a file that cannot be read at all raises
FileInvalid.  What rows mean for a table is not looked at here.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator

from attrs import frozen

from ...protocol import json
from ...protocol.errors import InvalidValue
from ...protocol.values import Value
from .cells import MISSING, Shapes, read_cell
from .errors import FileInvalid
from .limits import ARRAY_BYTES_MAX, CSV_COLUMNS_MAX, ROW_BYTES_MAX

BOM = b"\xef\xbb\xbf"


@frozen
class Row:
    number: int
    """From 1, as an editor counts: lines of JSON lines, rows of CSV with the header, items of an array."""
    fields: dict[str, Value] | None
    problem: str
    """Why it cannot be read; empty if it can."""
    size: int
    """Bytes in the file, about."""


Decode = Callable[[bytes], Value]


def json_rows(file: str, data: Iterable[bytes], decode: Decode) -> Iterator[Row]:
    """JSON lines; empty ones are passed over.  Raises FileInvalid."""
    for number, line in lines_of(file, data):
        if line.strip():
            yield json_row(number, line, decode)


def array_rows(file: str, data: Iterable[bytes]) -> Iterator[Row]:
    """One JSON array of objects.  Raises FileInvalid."""
    parts, size = [], 0
    for part in data:
        size += len(part)
        if size > ARRAY_BYTES_MAX:
            raise FileInvalid(file, f"longer than {ARRAY_BYTES_MAX:,} bytes: write one document a line (.jsonl)")
        parts.append(part)
    try:
        tree = json.parse(b"".join(parts).removeprefix(BOM))
    except InvalidValue as error:
        raise FileInvalid(file, str(error)) from None
    if not isinstance(tree, list):
        raise FileInvalid(file, "a JSON array of documents is expected")
    for number, item in enumerate(tree, 1):
        try:
            yield row_of(number, json.from_json(item), size // len(tree))
        except InvalidValue as error:
            yield Row(number, None, str(error), 0)


def csv_rows(file: str, data: Iterable[bytes], shapes: dict[str, Shapes]) -> Iterator[Row]:
    """A header and rows.  Raises FileInvalid."""
    csv.field_size_limit(ROW_BYTES_MAX)
    reader = csv.reader(text_lines(file, data), strict=True)
    try:
        columns = next(reader, [])
        check_columns(file, columns)
        for number, cells in enumerate(reader, 2):
            if not cells:
                continue  # An empty line.
            size = sum(map(len, cells))
            if len(cells) != len(columns):
                yield Row(number, None, f"{len(cells)} cells, but the header has {len(columns)}", size)
                continue
            fields = {}
            for name, cell in zip(columns, cells, strict=True):
                value = read_cell(cell, shapes.get(name, ()))
                if value is not MISSING:
                    fields[name] = value
            yield Row(number, fields, "", size)  # type: ignore[arg-type]
    except csv.Error as error:
        raise FileInvalid(file, f"line {reader.line_num}: not CSV: {error}") from None


def check_columns(file: str, columns: list[str]) -> None:
    if not columns:
        raise FileInvalid(file, "a header with the names of fields is expected in its first line")
    if len(columns) > CSV_COLUMNS_MAX:
        raise FileInvalid(file, f"{len(columns):,} columns; {CSV_COLUMNS_MAX:,} are allowed")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise FileInvalid(file, f"two columns are named {twice[0]!r}")
    if "" in columns:
        raise FileInvalid(file, f"column {columns.index('') + 1} has no name")


def json_row(number: int, line: bytes, decode: Decode) -> Row:
    if len(line) > ROW_BYTES_MAX:
        return Row(number, None, f"longer than {ROW_BYTES_MAX:,} bytes", len(line))
    try:
        return row_of(number, decode(line), len(line))
    except InvalidValue as error:
        return Row(number, None, str(error), len(line))


def row_of(number: int, value: Value, size: int) -> Row:
    if not isinstance(value, dict):
        return Row(number, None, "a document is an object", size)
    return Row(number, value, "", size)


def lines_of(file: str, data: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines without their ends, with their numbers.

    Of one that is too long only so much is given that it is seen to be too long.
    """
    number, rest = 1, b""
    for part in without_mark(data):
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield number, line
            number += 1
        rest = rest[: ROW_BYTES_MAX + 1]
    if rest:
        yield number, rest


def without_mark(data: Iterable[bytes]) -> Iterator[bytes]:
    """Without the mark that some programs put before UTF-8."""
    parts = iter(data)
    yield next(parts, b"").removeprefix(BOM)
    yield from parts


def text_lines(file: str, data: Iterable[bytes]) -> Iterator[str]:
    """Lines with their ends.  Raises FileInvalid for what is not UTF-8, and for a line that is too long."""
    for number, line in lines_of(file, data):
        if len(line) > ROW_BYTES_MAX:
            raise FileInvalid(file, f"line {number} is longer than {ROW_BYTES_MAX:,} bytes")
        try:
            yield line.decode() + "\n"
        except UnicodeDecodeError:
            raise FileInvalid(file, f"line {number} is not UTF-8") from None
