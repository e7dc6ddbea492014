"""Which files data comes and goes in.

    zip     <table>/documents.jsonl and generated_schema.jsonl for each table, _tables/documents.jsonl, README.md
    jsonl   one document a line
    json    one array of documents; only to import
    csv     a header and a row for each document

In a ZIP, tables may also be files of their own: ``<table>.jsonl``, ``<table>.csv``.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

Format = Literal["zip", "jsonl", "json", "csv"]
Mode = Literal["requireEmpty", "append", "replace", "replaceAll"]
"""What becomes of documents that are there already: there must be none; they stay; those of the file's tables
go; those of all tables go."""

FORMATS: Final[tuple[Format, ...]] = get_args(Format)
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
EXPORTED: Final[tuple[Format, ...]] = ("zip", "jsonl", "csv")
CONVEX_NAMES: Final[dict[str, Format]] = {"jsonLines": "jsonl", "jsonArray": "json", "csv": "csv", "zip": "zip"}
"""What tools of Convex call them."""
MEDIA_TYPES: Final[dict[Format, str]] = {
    "zip": "application/zip",
    "jsonl": "application/jsonl",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}

README: Final = """\
This is a snapshot of a deployment: all documents as of one moment.

Each table is a folder. documents.jsonl holds one document a line, in the order of ids;
generated_schema.jsonl says how numbers are written: with a point for a number, without for a 64-bit integer.
_tables/documents.jsonl holds the number of each table, which is part of the ids of its documents.

`relive import` and `npx convex import` read it.
"""


def format_of(name: str) -> Format | None:
    """By the end of a file's name."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    return next((known for known in FORMATS if known == ending), None)
