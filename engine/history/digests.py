"""What tables hold, in few bytes: to compare a state that is served with one that was rebuilt.

A table's digest is the sum of the digests of its documents, each with its id and the entry that wrote it,
so neither order nor the way in which the state came about matters; an index's is that of its keys.

Invariant: a `Look` is of one moment; what is committed while it is counted does not reach it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b

from attrs import define, frozen

from ...actors.tables import Tables
from ...actors.version import Version
from ...log.entry import LSN
from ...protocol import cbor
from ..data.table_codec import TableCodec, untyped

DIGEST_BYTES = 16
MODULUS = 1 << (8 * DIGEST_BYTES)
SLICE = 200
"""Documents or keys that are counted before others have their turn."""


@frozen
class TableDigest:
    documents: int
    digest: str
    indexes: dict[str, str]
    """Of those that the rebuilt state has too, by name."""


@define(eq=False)
class Look:
    """Versions and keys as of one entry: shallow copies, for versions never change."""

    lsn: LSN
    codecs: dict[str, TableCodec]
    versions: dict[str, dict[str, Version]]
    keys: dict[str, dict[str, dict[bytes, Version]]]

    @classmethod
    def at(cls, tables: Tables, codecs: Mapping[str, TableCodec]) -> Look:
        versions = {name: dict(table.versions) for name, table in tables.by_name.items() if table.versions}
        keys = {
            name: {index: dict.copy(held.entries) for index, held in tables.by_name[name].indexes.items()}
            for name in versions
        }
        return cls(tables.position, dict(codecs), versions, keys)

    def slices(self, found: dict[str, TableDigest]) -> Iterator[None]:
        """Digests of all tables, put into ``found``; a pause after each slice."""
        for name, versions in self.versions.items():
            total, codec = 0, self.codecs.get(name) or untyped(name)
            for count, version in enumerate(versions.values(), 1):
                total += number_of(document_digest(codec, version))
                if count % SLICE == 0:
                    yield
            indexes: dict[str, str] = {}
            for index, keys in self.keys[name].items():
                sum_of_keys = 0
                for count, (key, version) in enumerate(keys.items(), 1):
                    sum_of_keys += number_of(digest_of(len(key).to_bytes(4, "big"), key, version.id.encode()))
                    if count % SLICE == 0:
                        yield
                if index != "by_id":  # It is made when it is first read, and its keys are the ids.
                    indexes[index] = text_of(sum_of_keys)
            found[name] = TableDigest(len(versions), text_of(total), indexes)

    def documents(self, table: str, found: dict[str, str]) -> Iterator[None]:
        """The digest of each document of a table, by id."""
        codec = self.codecs.get(table) or untyped(table)
        for count, (id, version) in enumerate(self.versions.get(table, {}).items(), 1):
            found[id] = document_digest(codec, version).hex()
            if count % SLICE == 0:
                yield


def document_digest(codec: TableCodec, version: Version) -> bytes:
    return digest_of(version.id.encode(), version.lsn.to_bytes(8, "big"), cbor.encode(codec.fields(version)))


def digest_of(*parts: bytes) -> bytes:
    return blake2b(b"".join(parts), digest_size=DIGEST_BYTES).digest()


def number_of(digest: bytes) -> int:
    return int.from_bytes(digest, "big")


def text_of(total: int) -> str:
    return f"{total % MODULUS:0{2 * DIGEST_BYTES}x}"


def done(slices: Iterator[None]) -> None:
    """All of it at once."""
    for _ in slices:
        pass
