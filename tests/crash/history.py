"""What the log says, read without the engine: every version of every document, and the entry that wrote it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from attrs import Factory, define, frozen
from relive.log.entry import FIRST_LSN, Entry
from relive.log.storage import FolderStorage
from relive.protocol import cbor

from relive.cli.log_files import open_log


@frozen(eq=False)
class Version:
    entry: Entry
    document: dict[str, Any] | None
    """None if the entry deleted it."""

    @property
    def time_ms(self) -> float:
        return self.entry.ts / 1e6

    def __getitem__(self, name: str) -> Any:
        assert self.document is not None
        return self.document[name]


@define(eq=False)
class History:
    entries: list[Entry] = Factory(list)
    tables: dict[str, dict[str, list[Version]]] = Factory(lambda: defaultdict(lambda: defaultdict(list)))
    """By table and id, oldest first."""

    @classmethod
    def read(cls, folder: Path) -> History:
        history = cls()
        for entry in open_log(FolderStorage(folder)).reader.entries(FIRST_LSN):
            history.entries.append(entry)
            for write in entry.writes:
                document = cast("dict[str, Any] | None", cbor.decode(write.document) if write.document else None)
                history.tables[write.table][write.id].append(Version(entry, document))
        return history

    def rows(self, table: str) -> Iterator[tuple[str, list[Version]]]:
        yield from self.tables[table].items()

    def newest(self, table: str) -> Iterator[Version]:
        """Of the documents that there are."""
        for versions in self.tables[table].values():
            if versions[-1].document is not None:
                yield versions[-1]
