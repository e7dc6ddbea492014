"""What one run of a mutation works with beside a query's: new ids, and what it has written.

Invariant: for every staged version there is the value it was made of, and no others.
"""

from __future__ import annotations

from hashlib import blake2b
from math import ceil, nextafter

from attrs import Factory, define

from ..actors.version import Version
from ..protocol import cbor, ids
from ..protocol.values import Value
from .catalog import TABLES, TABLES_NUMBER
from .query_run import QueryRun
from .table_codec import TableCodec, untyped

NS_PER_DAY = 86_400 * 1_000_000_000
INFINITY = float("inf")


@define(eq=False)
class MutationRun(QueryRun):
    values: dict[tuple[str, str], dict[str, Value]] = Factory(dict)
    """What each written document was made of, by table and id."""
    minted: int = 0
    last_creation_time: float = 0.0
    created_tables: dict[str, int] = Factory(dict[str, int])

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

    def put(self, codec: TableCodec, value: dict[str, Value]) -> Version:
        """Write a document.  Raises DocumentInvalid if it does not fit its table."""
        return self.put_version(codec, codec.make(value), value)

    def put_version(self, codec: TableCodec, version: Version, value: dict[str, Value]) -> Version:
        """Write a document that was made of ``value`` already."""
        self.transaction.write(codec.name, version.id, version)
        self.values[codec.name, version.id] = value
        self.transaction.handed_out[version.id] = version
        return version

    def remove(self, table: str, id: str) -> None:
        self.transaction.write(table, id, None)
        self.values.pop((table, id), None)

    def number_for_writing(self, table: str) -> int:
        """The number of a table, which a first write brings into being."""
        number = self.catalog.number_of(table) or self.created_tables.get(table)
        if number is None:
            self.look_up_tables()
            number = self.catalog.next_number() + len(self.created_tables)
            self.create_table(table, number)
        return number

    def create_table(self, table: str, number: int) -> None:
        self.created_tables[table] = number
        id, creation_time = self.mint(TABLES_NUMBER)
        self.put(untyped(TABLES), {"_id": id, "_creationTime": creation_time, "name": table, "number": number})

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
