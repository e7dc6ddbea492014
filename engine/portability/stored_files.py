"""Files in a ZIP: rows in `_storage/documents.jsonl`, and the bytes of each beside them, named by its id.

Invariant: a row is imported with the bytes that it tells of, or refused.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256

import trio
from attrs import Factory, define, frozen

from ...protocol import ids, json
from ...protocol.errors import InvalidId
from ...protocol.values import Value
from ..data.system_tables import CODECS, NUMBERS, StoredFile
from ..errors import DocumentInvalid
from ..files.file_store import NAME
from ..files.files import Files
from .archive import Archive
from .errors import BadRow, ImportRefused, RowsInvalid
from .rows import json_rows
from .snapshot import STORAGE

DOCUMENTS = "documents.jsonl"


@frozen(eq=False)
class FileSource:
    """One file of the ZIP."""

    row: int
    fields: dict[str, Value]
    document: StoredFile
    bytes_in: str
    """What its bytes are called in the ZIP."""

    @property
    def name(self) -> str:
        return str(self.document.internal_id)


def files_in(archive: Archive) -> tuple[list[FileSource], str]:
    """What can be imported, and why nothing is, if so.  Raises FileInvalid, RowsInvalid."""
    listed = [name for name in archive.names() if name.split("/")[-2:] == [STORAGE, DOCUMENTS]]
    held = {id_in(name): name for name in archive.names() if name.split("/")[-2:-1] == [STORAGE]}
    if not listed:
        return [], f"stored files are left out: there is no {STORAGE}/{DOCUMENTS}" if held else ""
    found: list[FileSource] = []
    bad: list[BadRow] = []
    for row in json_rows(listed[0], archive.read(listed[0]), json.decode_export):
        fields = row.fields or {}
        id = fields.get("_id")
        if isinstance(id, str) and (number := number_of(id)) not in (None, NUMBERS[STORAGE]):
            return [], f"stored files are left out: their ids are of table {number}, and here it is {NUMBERS[STORAGE]}"
        problem = row.problem or problem_of(fields, held)
        if problem:
            bad.append(BadRow(listed[0], row.number, problem))
            continue
        document = CODECS[STORAGE].make(fields).document
        assert isinstance(document, StoredFile)
        found.append(FileSource(row.number, fields, document, held[str(id)]))
    if bad:
        raise RowsInvalid(tuple(bad))
    return found, ""


def problem_of(fields: dict[str, Value], held: dict[str, str]) -> str:
    """Why the row of a file cannot be imported; nothing if it can.  Whole numbers of a file may be floats."""
    id, name, size = fields.get("_id"), fields.get("internalId"), fields.get("size")
    if not isinstance(id, str) or number_of(id) is None:
        return "`_id` is the id of a file"
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        return "`internalId` is a UUID in lower case"
    if isinstance(size, float) and size.is_integer():
        fields["size"] = int(size)
    if id not in held:
        return f"the bytes of the file {id} are not in the ZIP"
    try:
        CODECS[STORAGE].make(fields)
    except DocumentInvalid as error:
        return error.problem
    return ""


def number_of(id: str) -> int | None:
    try:
        return ids.table_number(id)
    except InvalidId:
        return None


def id_in(name: str) -> str:
    """Of a file in the ZIP: its name up to the ending."""
    return name.split("/")[-1].partition(".")[0]


@define(eq=False)
class BroughtFiles:
    """Bytes that are kept, and wait for their rows."""

    files: Files
    names: list[str] = Factory(list[str])

    async def bring(self, archive: Archive, sources: list[FileSource]) -> None:
        """Raises ImportRefused for bytes that are not those of their row, FileInvalid, FilesUnavailable, OSError."""
        there = self.files.names()
        for source in sources:
            if source.name in there:
                continue
            self.files.under_way.add(source.name)
            self.names.append(source.name)
            await self.bring_one(source, archive.read(source.bytes_in))

    async def bring_one(self, source: FileSource, parts: Iterator[bytes]) -> None:
        writer, digest, size = await self.files.store.begin(source.name), sha256(), 0
        try:
            for part in parts:
                digest.update(part)
                size += len(part)
                await writer.write(part)
                await trio.lowlevel.checkpoint()
            found = b64encode(digest.digest()).decode()
            if (size, found) != (source.document.size, source.document.sha256):
                problem = f"has {size:,} bytes with the SHA-256 {found}, and its row says otherwise"
                raise ImportRefused(f"{source.bytes_in} {problem}")
            await writer.keep()
        except BaseException:
            await writer.drop()
            raise

    async def settle(self, imported: bool) -> None:
        """The rows are there, or never will be."""
        self.files.under_way.difference_update(self.names)
        self.files.had_files = True
        if not imported and self.names:
            with trio.CancelScope(shield=True):
                await self.files.store.delete(self.names)
