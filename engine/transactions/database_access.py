"""``ctx.db``: what a query may read, and what a mutation may write.

Every operation belongs to the transaction that the handler runs in; nothing here reaches further.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, ParamSpec, Protocol, TypeVar, overload

from ...actors.version import Version
from ...protocol import ids
from ...protocol.errors import InvalidId, InvalidValue
from ...protocol.values import Value, equal
from ..data.aggregates import Adds, Aggregate0, Aggregate1, Aggregate2, Aggregate3, Aggregate4
from ..data.documents import to_value
from ..data.schema import UNSET, Document, Id
from ..data.system_tables import refusal
from ..data.table_codec import TableCodec
from ..errors import DocumentInvalid, DocumentMissing, TableUnknown
from ..limits import HISTORY_VERSIONS, HISTORY_VERSIONS_MAX
from .aggregation import Aggregated
from .commit_timestamp import placeholders
from .mutation_run import MutationRun
from .operations import Operation
from .query_run import QueryRun
from .range_query import Query, whole_table
from .revisions import Revision, revisions
from .system_access import SystemReader, not_of_the_app

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
E = TypeVar("E")
N = TypeVar("N")
D = TypeVar("D", bound=Document)
D_co = TypeVar("D_co", covariant=True)
P = ParamSpec("P")

Untyped = Mapping[str, Any]
"""A document of a table without a class."""


class HasReplace(Protocol[P, D_co]):
    """What type checkers derive for a frozen class: its fields as keywords, all optional."""

    def __replace__(self, *args: P.args, **kwargs: P.kwargs) -> D_co: ...


class DatabaseReader:
    """Reads of one transaction: a consistent snapshot, and what the transaction itself wrote."""

    _reads_system_tables: ClassVar[bool] = False

    def __init__(self, run: QueryRun) -> None:
        self._run = run

    @property
    def system(self) -> SystemReader:
        """Tables of the system, such as ``_scheduled_functions``; they can only be read."""
        return SystemReader(self._run)

    async def get(self, id: Id[D], /) -> D | None:
        """The document of that id, or None.  Raises TableHidden for the id of a table of the system."""
        self._readable(self._table_of(id))
        found = self._find(id)
        document: D | None = found[1].document if found is not None else None  # type: ignore[assignment]
        return document

    @overload
    def query(self, table: type[D], /) -> Query[D]: ...
    @overload
    def query(self, table: str, /) -> Query[Untyped]: ...
    def query(self, table: type[Document] | str, /) -> Query[Any]:
        """All documents of a table in the order of creation; narrow it with ``.index(...)``.

        One of several classes of a table gives only documents of that class; the others are scanned.
        Raises TableUnknown, and TableHidden for a table of the system.
        """
        self._readable(table if isinstance(table, str) else table_of(table))
        if isinstance(table, str):
            return whole_table(self._run.transaction, self._run.codec(table))
        documents: Query[Any] = whole_table(self._run.transaction, self._codec_of(table))
        if table.__root__ is table:
            return documents
        return documents.filter(lambda document: isinstance(document, table))

    @overload
    def aggregate(
        self, made: Aggregate0[N], /, *, gt: float = ..., gte: float = ..., lt: float = ..., lte: float = ...
    ) -> Aggregated[N]: ...
    @overload
    def aggregate(
        self, made: Aggregate1[A, N], /, *, gt: A = ..., gte: A = ..., lt: A = ..., lte: A = ...
    ) -> Aggregated[N]: ...
    @overload
    def aggregate(
        self, made: Aggregate2[A, B, N], /, *, gt: A = ..., gte: A = ..., lt: A = ..., lte: A = ...
    ) -> Aggregated[N]: ...
    @overload
    def aggregate(
        self, made: Aggregate2[A, B, N], a: A, /, *, gt: B = ..., gte: B = ..., lt: B = ..., lte: B = ...
    ) -> Aggregated[N]: ...
    @overload
    def aggregate(
        self, made: Aggregate3[A, B, C, N], a: A, b: B, /, *, gt: C = ..., gte: C = ..., lt: C = ..., lte: C = ...
    ) -> Aggregated[N]: ...
    @overload
    def aggregate(self, made: Aggregate1[A, N], a: A, /, **creation_time: float) -> Aggregated[N]: ...
    @overload
    def aggregate(self, made: Aggregate2[A, B, N], a: A, b: B, /, **creation_time: float) -> Aggregated[N]: ...
    @overload
    def aggregate(self, made: Aggregate3[A, B, C, N], a: A = ..., /, **bounds: Any) -> Aggregated[N]: ...
    @overload
    def aggregate(self, made: Aggregate3[A, B, C, N], a: A, b: B, c: C, /, **bounds: float) -> Aggregated[N]: ...
    @overload
    def aggregate(
        self,
        made: Aggregate4[A, B, C, E, N],
        a: A = ...,
        b: B = ...,
        c: C = ...,
        d: E = ...,
        /,
        *more: Any,
        **bounds: Any,
    ) -> Aggregated[N]: ...
    def aggregate(self, made: Any, /, *equal: Any, **bounds: Any) -> Aggregated[Any]:
        """A range of an `aggregate`, to be counted, added up and ranked without reading its documents.

        ``equal`` and the bounds ``gt``, ``gte``, ``lt``, ``lte`` narrow it as those of `Query.index`; none of
        them means the whole table.  Raises IndexUnknown, IndexStaged, TableUnknown, and TypeError for an
        index that is no aggregate.
        """
        if not isinstance(made, Adds):
            raise TypeError(f"aggregate() takes an index declared with aggregate(), not {made!r}")
        table: Any = made
        query = whole_table(self._run.transaction, self._codec_of(table.table))
        prefix = query.index(table, *equal).start
        return Aggregated(query.index(table, *equal, **bounds), made, prefix, len(equal))

    @overload
    def normalize_id(self, table: type[D], text: str, /) -> Id[D] | None: ...
    @overload
    def normalize_id(self, table: str, text: str, /) -> str | None: ...
    def normalize_id(self, table: type[Document] | str, text: str, /) -> Any:
        """Text from outside as an id of that table, or None if it is not one."""
        if not isinstance(text, str):
            raise TypeError(f"an id is text, not {type(text).__name__}")
        try:
            number = ids.table_number(text)
        except InvalidId:
            return None
        name = table if isinstance(table, str) else table_of(table)
        return text if self._run.table_named_by(number) == name else None

    async def history(self, id: Id[D], /, limit: int = HISTORY_VERSIONS) -> list[Revision[D]]:
        """Versions of a document as of this transaction, the newest first, deletion included.

        What the transaction itself wrote is not among them.  Of a document that is there any number of
        versions is found; of one that was deleted, if it was not too long ago: else LimitReached.
        """
        if not 1 <= limit <= HISTORY_VERSIONS_MAX:
            raise ValueError(f"history() gives 1 to {HISTORY_VERSIONS_MAX:,} versions, not {limit:,}")
        table, run = self._table_of(id), self._run
        self._readable(table)
        if table is None:
            return []
        assert run.past is not None, "the system does not look back"
        transaction = run.transaction
        transaction.usage.ranged()
        transaction.points[table, id] = None
        version = transaction.committed(table, id)
        newest = version.lsn if version is not None else run.past.deletion(id, transaction.snapshot)
        found: list[Revision[D]] = []
        for revision, size in revisions(run.past, run.codec(table), id, newest):
            transaction.usage.read(size)
            found.append(revision)
            if len(found) == limit:
                break
        return found

    def _readable(self, table: str | None) -> None:
        """Raises TableHidden."""
        if table is not None and table.startswith("_") and not self._reads_system_tables:
            raise not_of_the_app(table)

    def _codec_of(self, cls: type[Document]) -> TableCodec:
        """Raises TableUnknown for a class that is not a table of the deployed app."""
        return codec_of(self._run, cls)

    def _find(self, id: str) -> tuple[str, Version] | None:
        table = self._table_of(id)
        if table is None:
            return None
        version = self._run.transaction.get(table, id)
        return (table, version) if version is not None else None

    def _table_of(self, id: str) -> str | None:
        return self._run.table_of(id)


class SystemTablesReader(DatabaseReader):
    """Reads all tables of the system, for the system itself."""

    _reads_system_tables: ClassVar[bool] = True


class DatabaseWriter(DatabaseReader):
    """Reads and writes of one mutation: all of its writes happen, or none."""

    _run: MutationRun
    _writes_system_tables: ClassVar[bool] = False

    def __init__(self, run: MutationRun) -> None:
        self._run = run

    @overload
    async def insert(self, document: D, /) -> Id[D]: ...
    @overload
    async def insert(self, table: str, document: Untyped, /) -> str: ...
    async def insert(self, target: Document | str, fields: Untyped | None = None, /) -> Any:
        """Add a document; its new id.  Raises DocumentInvalid if it does not fit its table."""
        name = target if isinstance(target, str) else self._codec_of(type(target)).name
        codec, number = self._writable(name)
        value = self._fields(codec, fields if isinstance(target, str) else target)
        if "_id" in value or "_creationTime" in value:
            raise DocumentInvalid(name, "`_id` and `_creationTime` are given by the database")
        id, creation_time = self._run.mint(number)
        value["_id"], value["_creationTime"] = id, creation_time
        given = fields if isinstance(target, str) else target
        self._run.put(codec, value, stamps_of(codec, given, given))
        return id

    if sys.version_info >= (3, 13):

        async def patch(self, id: Id[HasReplace[P, D_co]], /, *args: P.args, **changes: P.kwargs) -> D_co:
            """Change some fields; the document as it is then.  UNSET removes a field."""
            patched: D_co = self._patch(id, changes)
            return patched

    else:

        async def patch(self, id: Id[D], /, **changes: Any) -> D:
            """Change some fields; the document as it is then.  UNSET removes a field.

            A patch that changes nothing is not a write; one that names a field of which only the default,
            or a former name, is stored, is.  Raises DocumentMissing, DocumentInvalid.
            """
            patched: D = self._patch(id, changes)
            return patched

    async def replace(self, id: Id[D], document: D | Untyped, /) -> D:
        """Put another document in its place; id and creation time stay."""
        table, old = self._existing("replace", id)
        codec, _ = self._writable(table)
        if isinstance(document, Document) and table_of(type(document)) != table:
            raise DocumentInvalid(table, f"a {type(document).__name__} cannot replace it")
        value = self._fields(codec, document)
        if value.get("_id", id) != id:
            raise DocumentInvalid(table, f"it is the document {value['_id']!r}, and cannot replace {id!r}")
        replaced: D = self._store(codec, old, value, stamps_of(codec, document, document))
        return replaced

    async def merge(self, id: Id[Any], /, **operations: Operation) -> None:
        """Change fields by operations that need not know what they hold: `increment`, `maximum`...

        Transactions that merge into the same document at the same time do not conflict: each operation
        is applied to what the field holds when it is committed.  Raises DocumentMissing, DocumentInvalid.
        """
        table = self._table_of(id)
        old = self._run.transaction.peek(table, id) if table is not None else None
        if table is None or old is None:
            raise DocumentMissing("merge", id)
        codec, _ = self._writable(table)
        try:
            self._run.merge(codec, old, stored_operations(codec, old.document, operations))
        except Exception:
            # That it cannot be done is something that was seen.
            self._run.transaction.points[table, id] = None
            raise

    async def delete(self, id: Id[Any], /) -> None:
        """Remove a document.  Raises DocumentMissing if there is none."""
        table, _ = self._existing("delete", id)
        self._writable(table)
        self._run.remove(table, id)

    def _patch(self, id: str, changes: Mapping[str, Any]) -> Any:
        table, old = self._existing("patch", id)
        codec, _ = self._writable(table)
        codec.check_names(name for name, item in changes.items() if item is not UNSET)
        value = codec.fields(old)
        for name, item in changes.items():
            stored = codec.stored_name(old.document, name)
            if stored in ("_id", "_creationTime"):
                raise DocumentInvalid(table, f"`{name}` belongs to the database and cannot be changed")
            if item is UNSET:
                value.pop(stored, None)
            else:
                value[stored] = stored_value(table, item, f"$.{stored}")
        stamps = stamps_of(codec, old.document, changes)
        waiting = self._run.stamps.get((table, id), ())
        if waiting:
            changed = {codec.stored_name(old.document, name) for name in changes}
            stamps += tuple(name for name in waiting if name not in changed)
        return self._store(codec, old, value, stamps, [codec.stored_name(old.document, name) for name in changes])

    def _store(
        self,
        codec: TableCodec,
        old: Version,
        value: dict[str, Value],
        stamps: tuple[str, ...],
        named: Iterable[str] | None = None,
    ) -> Any:
        """Write what became of ``old``; ``named`` are the fields that the handler spoke of, None if all."""
        before = codec.fields(old)
        value["_id"], value["_creationTime"] = before["_id"], before["_creationTime"]
        version = codec.make_whole(value)
        # What changes nothing is not a write, but for a document that the log does not hold as it is read.
        after = codec.fields(version)
        waiting = self._run.stamps.get((codec.name, version.id), ())
        if equal(after, before) and stamps == waiting and is_stored_so(old, value, named):
            return old.document
        stored = self._run.stored(codec.name, version.id)
        if (
            stored is not None
            and stored is not old
            and not stamps
            and equal(after, codec.fields(stored))
            and is_stored_so(stored, value, named)
        ):
            # Back to what it was before this transaction.
            self._run.forget(codec.name, version.id)
            return stored.document
        return self._run.put_version(codec, version, value, stamps).document

    def _fields(self, codec: TableCodec, document: object) -> dict[str, Value]:
        value = stored_value(codec.name, document, "$")
        if not isinstance(value, dict):
            raise DocumentInvalid(codec.name, f"a document is an object, not {type(document).__name__}")
        if isinstance(document, Mapping):
            value = codec.with_stored_names(value)
        codec.check_names(value)
        if codec.cls is not None and codec.cls.__variants__ and type(document) is codec.cls:
            kinds = " or ".join(cls.__name__ for cls in codec.cls.__variants__.values())
            raise DocumentInvalid(codec.name, f"insert one of its kinds, not a plain {codec.cls.__name__}: {kinds}")
        return value

    def _existing(self, operation: str, id: str) -> tuple[str, Version]:
        found = self._find(id)
        if found is None:
            raise DocumentMissing(operation, id)
        return found

    def _writable(self, name: str) -> tuple[TableCodec, int]:
        if name.startswith("_") and not self._writes_system_tables:
            raise DocumentInvalid(name, refusal(name))
        return self._run.codec(name), self._run.number_for_writing(name)


def codec_of(run: QueryRun, cls: Any) -> TableCodec:
    """Raises TableUnknown for a class that is not a table of the deployed app."""
    codec = run.codec(table_of(cls))
    if codec.cls is not cls.__root__:
        raise TableUnknown(f"{cls.__module__}.{cls.__name__}")
    return codec


def stamps_of(codec: TableCodec, document: object, given: object) -> tuple[str, ...]:
    """Stored names of the fields that get the timestamp of the commit."""
    waiting = placeholders(given)
    return tuple(codec.stored_name(document, name) for name in waiting) if waiting else ()


def is_stored_so(version: Version, value: dict[str, Value], named: Iterable[str] | None) -> bool:
    """False if the log does not hold what ``value`` says of the ``named`` fields, None being all of them.

    It may read the same, where defaults and new names are filled in; but it has to be written, or no
    migration could ever make them the document's own.
    """
    if version.stored is None:
        return True
    stored = to_value(version.stored)
    assert isinstance(stored, dict)
    if named is None:
        return equal(value, stored)
    return all((name in value) == (name in stored) for name in named)


def stored_operations(codec: TableCodec, document: object, operations: Mapping[str, Any]) -> dict[str, Operation]:
    """By stored name.  Raises DocumentInvalid, TypeError."""
    stored = {codec.stored_name(document, name): operation for name, operation in operations.items()}
    for name, operation in stored.items():
        if name in ("_id", "_creationTime"):
            raise DocumentInvalid(codec.name, f"`{name}` belongs to the database and cannot be changed")
        if not isinstance(operation, Operation):
            raise TypeError(f"merge({name}=...) takes an operation, as increment(1); patch() sets a value")
    codec.check_names(stored)
    return stored


def stored_value(table: str, item: object, path: str) -> Value:
    try:
        return to_value(item, path)
    except InvalidValue as error:
        raise DocumentInvalid(table, str(error)) from None


def table_of(cls: type[Document]) -> str:
    name = getattr(cls, "__table__", None)
    if not isinstance(name, str):
        raise TableUnknown(getattr(cls, "__name__", repr(cls)))
    return name
