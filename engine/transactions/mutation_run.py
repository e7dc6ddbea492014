"""What one run of a mutation works with beside a query's: new ids, and what it has written.

Invariants
    * For every staged version there is the value it was made of, and no others.
    * A document stands in `merges` only while nothing but merges was done to it, and its content was
      not looked at on the way.
    * After `rollback` the transaction has written what it had written at the savepoint; what it has
      read since stays read, for what it did next may depend on that.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from math import ceil, nextafter
from typing import TypeVar

from attrs import Factory, define, frozen

from ...actors.errors import CannotMerge
from ...actors.messages import Merge, Stamp
from ...actors.version import Change, Version
from ...log.entry import Timestamp
from ...protocol import cbor, ids
from ...protocol.errors import InvalidValue
from ...protocol.values import Int64, Value, equal
from ..data.catalog import USER_TABLE_NUMBER_MIN
from ..data.system_tables import CODECS, TABLES, TABLES_NUMBER
from ..data.table_codec import TableCodec
from ..errors import DocumentInvalid, LimitReached
from ..limits import TABLES_MAX
from .operations import Operation, apply_all
from .query_run import QueryRun

NS_PER_DAY = 86_400 * 1_000_000_000
INFINITY = float("inf")

UNKNOWN = b""
"""Instead of the JSON of a document that holds the timestamp of its commit: it cannot be sent."""

T = TypeVar("T")

Fields = dict[str, Value]
Steps = tuple[Mapping[str, Operation], ...]
"""Merges into one document, in order."""


@frozen(eq=False)
class Before:
    """What was staged for a document before a write."""

    table: str
    id: str
    change: Change | None
    value: Fields | None
    merges: Steps | None
    stamps: tuple[str, ...] | None


@frozen(eq=False)
class Savepoint:
    """How far a transaction has written."""

    writes: int
    created_tables: dict[str, int]
    documents_written: int
    bytes_written: int
    functions_scheduled: int
    scheduled_bytes: int


@define(eq=False)
class MutationRun(QueryRun):
    values: dict[tuple[str, str], Fields] = Factory(dict)
    """What each written document was made of, by table and id."""
    merges: dict[tuple[str, str], Steps] = Factory(dict)
    stamps: dict[tuple[str, str], tuple[str, ...]] = Factory(dict)
    """Stored names of fields that get the timestamp of the commit, by table and id."""
    minted: int = 0
    last_creation_time: float = 0.0
    created_tables: dict[str, int] = Factory(dict[str, int])
    befores: list[Before] = Factory(list[Before])
    """One for each write, the newest last; kept while a nested call may have to be rolled back."""
    savepoints: int = 0

    def mint(self, number: int) -> tuple[str, float]:
        """A new id and creation time; both follow from the seed and clock of the run.

        Creation times of one transaction strictly increase, by the next number that there is.
        """
        self.minted += 1
        random = blake2b(self.minted.to_bytes(8, "big"), key=self.run.seed, digest_size=14).digest()
        internal = ids.mint(random, self.run.clock_ns // NS_PER_DAY)
        now = self.run.clock_ns / 1e6
        if now <= self.last_creation_time:
            now = nextafter(self.last_creation_time, INFINITY)
        self.last_creation_time = now
        return ids.encode(number, internal), now

    def newest_ns(self) -> int:
        """The clock and every creation time given out are at or before this."""
        return max(self.run.clock_ns, ceil(self.last_creation_time * 1e6))

    def put(self, codec: TableCodec, value: Fields, stamps: tuple[str, ...] = ()) -> Version:
        """Write a document.  Raises DocumentInvalid if it does not fit its table."""
        return self.put_version(codec, codec.make_whole(value), value, stamps)

    def put_version(self, codec: TableCodec, version: Version, value: Fields, stamps: tuple[str, ...] = ()) -> Version:
        """Write a document that was made of ``value`` already."""
        self.write(codec.name, version.id, version, value, stamps)
        self.transaction.handed_out[version.id] = version
        if stamps:
            version.json = UNKNOWN
        return version

    def remove(self, table: str, id: str) -> None:
        self.write(table, id, None, None)

    def stored(self, table: str, id: str) -> Version | None:
        """The document as it was before this transaction."""
        return self.transaction.tables.get(table, id)

    def forget(self, table: str, id: str) -> None:
        """The document is as it was before this transaction: nothing is written to it."""
        self.write(table, id, self.stored(table, id), None)

    def merge(self, codec: TableCodec, old: Version, operations: Mapping[str, Operation]) -> None:
        """Apply operations to a document; ``old`` is what this transaction sees of it.

        Raises DocumentInvalid if the document does not fit its table then.
        """
        key = (codec.name, old.id)
        before = self.merges.get(key, ())
        try:
            value = apply_all(operations, codec.fields(old))
        except InvalidValue as error:
            raise DocumentInvalid(codec.name, str(error)) from None
        version = codec.make(value)
        changed = not equal(codec.fields(version), codec.fields(old))
        transaction = self.transaction
        untouched = key not in transaction.points and (
            # A scan may have come upon what a merge before made of it, and only what is left in the end is compared.
            not transaction.has_scanned(codec.name) if before else key not in transaction.overlay.staged
        )
        stamps, stored = self.stamps.get(key, ()), self.stored(*key)
        if changed and not stamps and stored is not None and stored is not old:
            changed = not equal(codec.fields(version), codec.fields(stored))
            if not changed:
                self.forget(*key)  # Back to what it was before this transaction.
        if not changed or not untouched:
            # That nothing changes, too, is something that was seen.
            self.transaction.points[key] = None
        if changed:
            self.write(codec.name, old.id, version, value, stamps)
            if untouched:
                self.merges[key] = (*before, operations)

    def write(
        self, table: str, id: str, version: Version | None, value: Fields | None, stamps: tuple[str, ...] = ()
    ) -> None:
        key = (table, id)
        if self.savepoints:
            change = self.transaction.overlay.staged.get(key)
            known = (self.values.get(key), self.merges.get(key), self.stamps.get(key))
            self.befores.append(Before(table, id, change, *known))
        self.transaction.write(table, id, version)
        self.merges.pop(key, None)
        restore(self.stamps, key, stamps or None)
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    def savepoint(self) -> Savepoint:
        """A place to which a nested call can be rolled back; each is given up with `release`."""
        self.savepoints += 1
        usage = self.transaction.usage
        return Savepoint(
            len(self.befores),
            dict(self.created_tables),
            usage.documents_written,
            usage.bytes_written,
            usage.functions_scheduled,
            usage.scheduled_bytes,
        )

    def rollback(self, savepoint: Savepoint) -> None:
        """Undo every write since, the newest first; reads, and what they used up, stay."""
        overlay, usage = self.transaction.overlay, self.transaction.usage
        while len(self.befores) > savepoint.writes:
            before = self.befores.pop()
            key = (before.table, before.id)
            if key in self.merges:
                self.transaction.points[key] = None  # That the operations could be done is something that was seen.
            stored = overlay.tables.get(*key)
            overlay.stage(*key, stored if before.change is None else before.change.new)
            restore(self.values, key, before.value)
            restore(self.merges, key, before.merges)
            restore(self.stamps, key, before.stamps)
        self.created_tables = savepoint.created_tables
        usage.documents_written, usage.bytes_written = savepoint.documents_written, savepoint.bytes_written
        usage.functions_scheduled, usage.scheduled_bytes = savepoint.functions_scheduled, savepoint.scheduled_bytes

    def release(self) -> None:
        self.savepoints -= 1
        assert self.savepoints >= 0
        if not self.savepoints:
            self.befores.clear()

    def number_for_writing(self, table: str) -> int:
        """The number of a table, which a first write brings into being."""
        number = self.catalog.number_of(table) or self.created_tables.get(table)
        if number is None:
            self.look_up_tables()
            number = self.catalog.next_number() + len(self.created_tables)
            if number >= USER_TABLE_NUMBER_MIN + TABLES_MAX:
                raise LimitReached("tables", TABLES_MAX + 1, TABLES_MAX, "Keep documents of one kind in one table")
            self.create_table(table, number)
        return number

    def create_table(self, table: str, number: int) -> None:
        self.created_tables[table] = number
        id, creation_time = self.mint(TABLES_NUMBER)
        self.put(CODECS[TABLES], {"_id": id, "_creationTime": creation_time, "name": table, "number": number})

    def table_named_by(self, number: int) -> str | None:
        for name, created in self.created_tables.items():
            if created == number:
                return name
        return QueryRun.table_named_by(self, number)

    def documents(self) -> tuple[bytes | None, ...]:
        """Canonical CBOR of each written document, in the order of the write set."""
        return tuple(
            cbor.encode(self.values[change.table, change.id]) if change.new is not None else None
            for change in self.transaction.changes()
        )

    def commit_merges(self) -> dict[tuple[str, str], Merge]:
        """How to make the change anew for documents that were merged into and not looked at.

        Of one that was looked at later, by whichever index, the range that was read conflicts first.
        """
        return {key: self.merging(key, steps) for key, steps in self.merges.items()}

    def merging(self, key: tuple[str, str], steps: Steps) -> Merge:
        codec = self.codec(key[0])

        def merge(newest: Version) -> tuple[Change, bytes]:
            version = newest
            try:
                for operations in steps:
                    # Each finds what the table makes of the one before: a plain 1 may have become an Int64.
                    value = apply_all(operations, codec.fields(version))
                    version = codec.make(value)
            except (InvalidValue, DocumentInvalid) as error:
                raise CannotMerge(str(error)) from None
            return codec.definition.change(newest.id, newest, version), cbor.encode(value)

        return merge

    def commit_stamps(self) -> dict[tuple[str, str], Stamp]:
        """How to make the change of documents that hold the timestamp of their commit."""
        return {key: self.stamping(key, names) for key, names in self.stamps.items()}

    def stamping(self, key: tuple[str, str], names: tuple[str, ...]) -> Stamp:
        codec, old = self.codec(key[0]), self.stored(*key)

        def stamp(ts: Timestamp) -> tuple[Change, bytes]:
            value = {**self.values[key], **dict.fromkeys(names, Int64(ts))}
            return codec.definition.change(key[1], old, codec.make(value)), cbor.encode(value)

        return stamp


def restore(known: dict[tuple[str, str], T], key: tuple[str, str], was: T | None) -> None:
    if was is None:
        known.pop(key, None)
    else:
        known[key] = was
