"""How much of everything: what a file may hold, and how much is done before others have their turn."""

from __future__ import annotations

ROWS_PER_SLICE = 50
"""Rows that are read or written before others have their turn: about 2 ms."""
BYTES_PER_SLICE = 64 * 1024
"""The same for long rows."""
CHUNK_BYTES = 64 * 1024
"""Of an export, sent at once."""

IMPORT_FILE_BYTES_MAX = 2 * 1024**3
IMPORT_BYTES_MAX = 192 * 1024**2
"""Documents of one import as the log holds them, and a little for each that it deletes: all of it is one
entry, and a frame of the log holds 256 MiB."""
TOMBSTONE_BYTES = 128
"""About what a deleted document takes in an entry."""
ROW_BYTES_MAX = 4 * 1024**2
"""A row of a file: a document has 1 MiB at most, and JSON may write it longer."""
ARRAY_BYTES_MAX = 64 * 1024**2
"""A file that is one JSON array: it is read at once."""
ARCHIVE_ENTRIES_MAX = 50_000
ARCHIVE_RATIO_MAX = 1_000
"""How many times as long as its packed form a file in a ZIP may be (deflate packs 1,032 times at best)."""
ARCHIVE_RATIO_FROM_BYTES = 16 * 1024**2
"""Below that length nobody minds."""
CSV_COLUMNS_MAX = 1_024
BAD_ROWS_SHOWN_MAX = 20
BAD_ROWS_MAX = 1_000
"""After so many an import looks no further."""
UPLOADS_MAX = 4
"""Files that are being sent in parts, or wait to be imported."""
UPLOAD_AGE_NS_MAX = 3_600 * 1_000_000_000
"""How long nobody may ask for an upload, or for an export that was prepared, before it is given up: an hour."""
EXPORTS_HELD_MAX = 2
"""Exports that were prepared and not fetched yet."""
NAME_CHARS_MAX = 200
"""Of a file's name, as an entry says it."""
