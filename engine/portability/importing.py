"""An import: all rows staged beside what is served, then one entry of the log, or nothing.

    rows ──> read, checked, made into versions, a little at a time; the server serves
         ──> in one step: what goes and what comes, as one entry of the kind ``import``

Invariants
    * Nothing that is served changes before the step, and the step is one entry: nobody sees half of it, not
      even after a crash.
    * Every document fits its table as of the step, and so does every document that stays.
    * Ids of the file are kept, and name the documents that they named where they come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import IO

import trio
from attrs import Factory, define, field, frozen

from ...actors.definition import BY_ID
from ...actors.errors import WritesRefused
from ...actors.messages import Commit
from ...actors.version import Change
from ...log.entry import BEFORE_FIRST, LSN, Cause, IndexName, KeyRange, Kind, Timestamp
from ...protocol import cbor, ids
from ...protocol.errors import InvalidId, InvalidValue
from ...protocol.values import Value
from ..application.app import App
from ..application.codecs import without_id
from ..data.id_checks import id_check
from ..data.system_tables import CODECS, NUMBERS, TABLES, TableRow
from ..data.table_codec import TableCodec, untyped
from ..database import Database
from ..determinism.gate import Run
from ..errors import DocumentInvalid
from ..execution.attempt import SEED_BYTES
from ..limits import DEPLOY_ROOM_BYTES
from ..transactions.mutation_run import MutationRun
from ..transactions.transaction import Transaction
from ..version import ENGINE_VERSION
from .cells import shapes_of
from .errors import BadRow, ImportInterrupted, ImportRefused, ImportUnderWay, RowsInvalid
from .limits import BAD_ROWS_MAX, BYTES_PER_SLICE, IMPORT_BYTES_MAX, NAME_CHARS_MAX, ROWS_PER_SLICE, TOMBSTONE_BYTES
from .numbering import Numbering
from .rows import Row
from .snapshot import STORAGE, stored_fields
from .sources import Source, Sources, Wanted
from .stored_files import BroughtFiles

CAUSE = "import"
HASH_DIGITS = 12
"""Of the file's hash, as the cause of an entry says it; its arguments have all of it."""
STAYS = "{}/{} refers to documents of a table whose number would change: import {} as well, or use --replace-all"


@frozen
class TableImported:
    """What became of one table."""

    rows: int = 0
    inserted: int = 0
    replaced: int = 0
    deleted: int = 0


@frozen
class Imported:
    """How an import ended that did not fail."""

    lsn: LSN | None
    """Its entry; None if nothing had to change, or nothing but a look was asked for."""
    tables: dict[str, TableImported]
    notes: tuple[str, ...]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


@frozen(eq=False)
class Staged:
    """A document that waits for the step."""

    change: Change
    """As if there were none of its id."""
    body: bytes
    row: int


@define(eq=False)
class Importer:
    """Imports into one database, one at a time."""

    database: Database
    staging: Staging | None = None

    async def run(self, wanted: Wanted, file: IO[bytes]) -> Imported:
        """Import a file, which must stay open; the entry is committed, and not durable yet.

        Cancelled before, it has changed nothing.  Raises ImportUnderWay, FileInvalid, RowsInvalid,
        ImportRefused, ImportInterrupted, WritesRefused; then nothing was changed.
        """
        if self.staging is not None:
            raise ImportUnderWay(self.staging.wanted.file)
        staging = self.staging = Staging(self.database, wanted)
        brought, done = BroughtFiles(self.database.files), None
        try:
            for _ in staging.slices(file):
                await trio.lowlevel.checkpoint()
            if staging.sources.archive is not None and not wanted.dry_run:
                await brought.bring(staging.sources.archive, list(staging.sources.files))
            done = staging.finish()
            if brought.names:
                self.database.executor.record_origin()
            return done
        finally:
            self.staging = None
            await brought.settle(imported=done is not None)


@define(eq=False)
class Staging:
    database: Database
    wanted: Wanted
    app: App = field(init=False)
    sources: Sources = Sources(())
    numbering: Numbering = field(init=False)
    codecs: dict[str, TableCodec] = Factory(dict[str, TableCodec])
    minter: MutationRun = field(init=False)
    staged: dict[str, dict[str, Staged]] = Factory(dict[str, dict[str, Staged]])
    files: dict[str, str] = Factory(dict[str, str])
    bad: list[BadRow] = Factory(list[BadRow])
    checked: LSN = BEFORE_FIRST
    """Documents that stay and were committed up to here fit the numbers to come."""
    size: int = 0
    rows_done: int = 0
    bytes_done: int = 0
    bytes_total: int = 0

    def __attrs_post_init__(self) -> None:
        executor = self.database.executor
        self.app = executor.app
        run = Run(executor.clock(), self.database.env.entropy(SEED_BYTES), CAUSE, self.wanted.file, executor.secret)
        self.minter = self.writing(run)

    def writing(self, run: Run) -> MutationRun:
        return MutationRun({}, self.database.catalog, Transaction.at_head(self.database.runtime.tables), run)

    def slices(self, file: IO[bytes]) -> Iterator[None]:
        """Do a little, until all is staged.  Raises FileInvalid, RowsInvalid, ImportRefused."""
        self.sources = Sources.of(self.wanted, file)
        self.bytes_total = sum(source.size for source in self.sources.each)
        self.require_room()
        self.numbering = self.number()
        for source in self.sources.each:
            self.codecs[source.table] = self.codec(source.table)
            self.staged[source.table], self.files[source.table] = {}, source.file
        for source in self.sources.each:
            yield from self.stage(source)
        self.stage_files()
        if self.bad:
            raise RowsInvalid(tuple(self.bad))
        if self.numbering.renumbered:
            yield from self.check_staying()

    def number(self) -> Numbering:
        """Raises ImportRefused."""
        wanted = {source.table: source.number for source in self.sources.each}
        return Numbering.of(self.database.catalog, wanted, self.staying())

    def staying(self) -> frozenset[str]:
        """Tables with documents that this leaves alone."""
        if self.wanted.mode == "replaceAll":
            return frozenset()
        replaced = {source.table for source in self.sources.each} if self.wanted.mode == "replace" else set()
        held = self.database.runtime.tables.by_name
        return frozenset(name for name, table in held.items() if table.versions and name not in replaced)

    def require_room(self) -> None:
        """Raises ImportRefused if documents are in the way."""
        if self.wanted.mode != "requireEmpty":
            return
        full = sorted({source.table for source in self.sources.each} & self.staying())
        if full:
            raise ImportRefused(
                f"table {full[0]!r} holds documents already: use --append to add to them, --replace to replace "
                "those of the tables in the file, or --replace-all to replace those of all tables"
            )

    def codec(self, table: str) -> TableCodec:
        """How the deployed code reads the table, with the numbers to come."""
        known = self.app.tables.get(table)
        if known is None:
            return untyped(table)
        return TableCodec(known.name, known.cls, known.shape, id_check(without_id(known.shape), self.number_of))

    def number_of(self, table: str) -> int:
        return self.numbering.numbers.get(table) or NUMBERS.get(table) or 0

    def stage(self, source: Source) -> Iterator[None]:
        codec, since, size_since = self.codecs[source.table], 0, 0
        for row in source.rows(shapes_of(codec)):
            problem = row.problem or self.stage_row(source.table, codec, row)
            if problem:
                self.bad.append(BadRow(source.file, row.number, problem))
                if len(self.bad) >= BAD_ROWS_MAX:
                    raise RowsInvalid(tuple(self.bad))
            self.rows_done += 1
            self.bytes_done += row.size
            since, size_since = since + 1, size_since + row.size
            if since == ROWS_PER_SLICE or size_since > BYTES_PER_SLICE:
                since, size_since = 0, 0
                yield
        yield

    def stage_files(self) -> None:
        if not self.sources.files:
            return
        codec, staged = CODECS[STORAGE], self.staged.setdefault(STORAGE, {})
        self.files[STORAGE] = f"{STORAGE}/documents.jsonl"
        for source in self.sources.files:
            if source.document.id in staged:
                self.bad.append(BadRow(self.files[STORAGE], source.row, f"the id {source.document.id} comes twice"))
                continue
            version, body = codec.make_whole(source.fields), cbor.encode(source.fields)
            self.size += len(body) + TOMBSTONE_BYTES
            staged[source.document.id] = Staged(codec.definition.change(version.id, None, version), body, source.row)

    def stage_row(self, table: str, codec: TableCodec, row: Row) -> str:
        """What is wrong with a row; nothing if it waits for the step.  Raises ImportRefused."""
        fields, staged = row.fields, self.staged[table]
        assert fields is not None
        problem = self.complete(table, fields)
        if problem:
            return problem
        id = str(fields["_id"])
        if id in staged:
            return f"the id {id} is that of row {staged[id].row}, too"
        if self.wanted.mode == "append" and self.database.runtime.tables.get(table, id) is not None:
            return f"there is a document with the id {id} already: use --replace, or leave `_id` out"
        try:
            codec.check_names(fields)
            version = codec.make_whole(fields)
        except DocumentInvalid as error:
            return error.problem
        body = cbor.encode(fields)
        self.size += len(body) + TOMBSTONE_BYTES
        if self.size > IMPORT_BYTES_MAX:
            raise ImportRefused(
                f"more than {IMPORT_BYTES_MAX:,} bytes of documents at once; import the tables one by one, "
                "or the rows in several files with --append"
            )
        staged[id] = Staged(codec.definition.change(id, None, version), body, row.number)
        return ""

    def complete(self, table: str, fields: dict[str, Value]) -> str:
        """Fill in the id and the time of creation if they are missing; what is wrong with those that are there."""
        number = self.number_of(table)
        id, created = fields.get("_id"), fields.get("_creationTime")
        if "_creationTime" in fields and not is_time(created):
            return "`_creationTime` is a number of milliseconds since 1970"
        if "_id" in fields:
            if not isinstance(id, str):
                return "`_id` is the text of an id"
            try:
                held = ids.table_number(id)
            except InvalidId as error:
                return f"`_id`: {error}"
            if held != number:
                return f"`_id` {id} belongs to a table with the number {held}, and {table!r} has {number}"
        if "_id" not in fields or "_creationTime" not in fields:
            minted, now = self.minter.mint(number)
            fields.setdefault("_id", minted)
            fields.setdefault("_creationTime", now)
        time = fields["_creationTime"]
        assert isinstance(time, (int, float))
        fields["_creationTime"] = float(time)
        return ""

    def check_staying(self) -> Iterator[None]:
        """What stays may hold ids of a table that gets another number.  Raises ImportRefused."""
        self.checked = self.database.runtime.tables.position
        for name in self.staying() - {source.table for source in self.sources.each}:
            for count, version in enumerate(tuple(self.database.runtime.tables.table(name).versions.values())):
                self.check_references(name, version.id, stored_fields(version))
                if count % ROWS_PER_SLICE == 0:
                    yield

    def check_references(self, table: str, id: str, fields: dict[str, Value]) -> None:
        codec = self.codecs.get(table)
        if codec is None:
            codec = self.codecs[table] = self.codec(table)
        named = codec.rename(fields) if codec.rename is not None else fields
        try:
            if codec.check_ids is not None:
                codec.check_ids(named)
        except InvalidValue:
            raise ImportRefused(STAYS.format(table, id, table)) from None

    def finish(self) -> Imported:
        """The step; for a dry run, all but that.  Raises ImportInterrupted, ImportRefused, WritesRefused."""
        database, imported = self.database, {source.table for source in self.sources.each}
        database.runtime.catch_up()
        if database.executor.app is not self.app:
            raise ImportInterrupted("another version of the app was deployed meanwhile")
        self.require_room()
        if self.number().numbers != self.numbering.numbers:
            raise ImportInterrupted("tables were created meanwhile")
        if self.numbering.renumbered:
            for name in self.staying() - imported:
                for version in database.runtime.tables.table(name).versions.values():
                    if version.lsn > self.checked:
                        self.check_references(name, version.id, stored_fields(version))
        changes, bodies, tables = self.changes(imported)
        lsn = None
        if not self.wanted.dry_run:
            lsn = self.commit(changes, bodies)
        return Imported(lsn, tables, self.sources.notes)

    def changes(self, imported: set[str]) -> tuple[list[Change], list[bytes | None], dict[str, TableImported]]:
        """What becomes of each document that there is, or will be.  Raises ImportRefused."""
        changes: list[Change] = []
        bodies: list[bytes | None] = []
        tables: dict[str, TableImported] = {}
        for name in [*self.staged, *sorted(self.emptied(imported))]:
            served, staged = self.database.runtime.tables.table(name), self.staged.get(name, {})
            inserted = replaced = deleted = 0
            # Files stay that the ZIP does not know, unless all is replaced: other tables may refer to them.
            if self.wanted.mode == "replaceAll" or (self.wanted.mode == "replace" and name != STORAGE):
                for id in served.versions.keys() - staged.keys():
                    changes.append(served.change(id, None))
                    bodies.append(None)
                    deleted += 1
            for id, each in staged.items():
                old = served.versions.get(id)
                if old is None:
                    changes.append(each.change)
                    inserted += 1
                elif self.wanted.mode == "append" and name != STORAGE:
                    raise ImportRefused(f"a document with the id {id} was created meanwhile")
                elif cbor.encode(stored_fields(old)) == each.body:
                    continue
                else:
                    changes.append(served.change(id, each.change.new))
                    replaced += 1
                bodies.append(each.body)
            tables[name] = TableImported(len(staged), inserted, replaced, deleted)
        return changes, bodies, tables

    def emptied(self, imported: set[str]) -> set[str]:
        """Tables that are not in the file and lose what they hold."""
        if self.wanted.mode != "replaceAll":
            return set()
        held = self.database.runtime.tables.by_name
        return {name for name in held if not name.startswith("_") and held[name].versions} - imported

    def commit(self, changes: list[Change], bodies: list[bytes | None]) -> LSN | None:
        """Make it an entry; None if nothing changes."""
        database, minter = self.database, self.minter
        run = self.writing(minter.run)
        run.minted, run.last_creation_time = minter.minted, minter.last_creation_time
        self.write_numbers(run)
        changes, bodies = [*run.transaction.changes(), *changes], [*run.documents(), *bodies]
        if not changes:
            return None
        size = sum(len(body) for body in bodies if body is not None) + TOMBSTONE_BYTES * len(changes)
        if size > IMPORT_BYTES_MAX + DEPLOY_ROOM_BYTES:
            raise ImportRefused(
                f"what is deleted and what is imported take {size:,} bytes in the log; {IMPORT_BYTES_MAX:,} are "
                "allowed at once: import the tables one by one"
            )
        if not database.log.writer.has_room(size + DEPLOY_ROOM_BYTES):
            raise WritesRefused(f"there is no space left on the disk for an import of {size:,} bytes")
        answer = database.runtime.commit(self.request(run, changes, bodies))
        if self.numbering.renumbered:
            database.runtime.rewind()  # An id that a live query looked up may belong to another table now.
        return answer.lsn

    def write_numbers(self, run: MutationRun) -> None:
        """Rows of ``_tables``: a table with another number gets another row, for rows are never changed."""
        changed = self.numbering.changed()
        rows = self.database.runtime.tables.table(TABLES).versions
        for id, version in tuple(rows.items()):
            assert isinstance(version.document, TableRow), id
            if version.document.name in changed:
                run.remove(TABLES, id)
        for name, number in changed.items():
            id, created = run.mint(NUMBERS[TABLES])
            run.put(CODECS[TABLES], {"_id": id, "_creationTime": created, "name": name, "number": number})

    def request(self, run: MutationRun, changes: list[Change], bodies: list[bytes | None]) -> Commit:
        wanted, file = self.wanted, self.wanted.file[:NAME_CHARS_MAX]
        args: dict[str, Value] = {
            "file": file,
            "sha256": wanted.sha256,
            "format": wanted.format,
            "mode": wanted.mode,
            "tables": {name: len(staged) for name, staged in self.staged.items()},
        }
        looked_at = () if wanted.mode == "append" else tuple(self.staged)
        return Commit(
            kind=Kind.IMPORT,
            cause=Cause(CAUSE, f"{file} sha256:{wanted.sha256[:HASH_DIGITS]}", BEFORE_FIRST),
            function="",
            code=self.app.code,
            engine=ENGINE_VERSION,
            args=cbor.encode(args),
            identity=None,
            clock=Timestamp(run.run.clock_ns),
            seed=run.run.seed,
            snapshot=run.transaction.snapshot,
            reads=(*run.transaction.reads(), *(KeyRange(IndexName(name, BY_ID), b"", None) for name in looked_at)),
            changes=tuple(changes),
            documents=tuple(bodies),
            result_digest=b"",
            result=None,
            logs=(),
            session=None,
            request=None,
            now=Timestamp(max(self.database.env.clock_ns(), run.newest_ns())),
        )


def is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
