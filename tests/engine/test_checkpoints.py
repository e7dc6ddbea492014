"""A database that starts from a checkpoint is the one that starts from all of its log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from relive.actors.checkpoints import fold
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, Id, field, index
from relive.engine.database import Database
from relive.engine.env import Env
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.log.checkpoint import checkpoint_names
from relive.log.encoding import encode
from relive.log.entry import FIRST_LSN, LSN, Entry
from relive.log.log import Log, ignore_entry
from relive.log.memory import MemoryStorage
from relive.log.reader import LogReader
from relive.log.recovery import recover
from relive.log.segment import segment_names

from .bench import SECRET, Bench, Clock, Entropy, app_of, open_bench, value_of

SEGMENT_BYTES = 8_000


class Note(Document):
    text: str = field()
    by_text = index(text)


@mutation
async def add(ctx: MutationCtx, text: str) -> Id[Note]:
    print("adding", text)
    return await ctx.db.insert(Note(text=text))


@mutation
async def drop(ctx: MutationCtx, id: Id[Note]) -> None:
    await ctx.db.delete(id)


@query
async def texts(ctx: QueryCtx) -> list[str]:
    return [note.text async for note in ctx.db.query(Note).index(Note.by_text)]


APP = app_of(Note, functions={"app:add": add, "app:drop": drop, "app:texts": texts})


def worked_on(count: int) -> Bench:
    """A database with a history, durable and closed."""
    bench = open_bench(APP)
    for number in range(count):
        id = value_of(bench.mutate("app:add", text=f"{number:03}"))
        if number % 3 == 0:
            bench.mutate("app:drop", id=id)
    bench.flush()
    bench.database.log.close()
    return bench


def in_small_segments(storage: MemoryStorage) -> MemoryStorage:
    """The same log in many segments."""
    other = MemoryStorage()
    entries: list[Entry] = []
    deployment = recover(storage, entries.append).segments[0].header.deployment
    with Log.open(other, deployment_if_new=deployment, on_entry=ignore_entry, segment_bytes_max=SEGMENT_BYTES) as log:
        for entry in entries:
            log.writer.queue(entry, encode(entry))
            batch = log.writer.take()
            assert batch is not None
            log.writer.write(batch)
    return other


def never(file: str, problem: str) -> None:
    raise AssertionError((file, problem))


def test_a_start_from_a_checkpoint_finds_the_same_database(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = worked_on(90)
    whole = in_small_segments(bench.storage)
    folded = whole.copy()
    made = fold(folded, never)
    assert made is not None
    assert len(made.segments) > 2
    without = open_bench(APP, whole, Clock(), Entropy())
    with_one = open_bench(APP, folded, Clock(), Entropy())

    assert len(with_one.database.runtime.tables.table("notes").versions) == 60
    assert value_of(with_one.query("app:texts")) == value_of(without.query("app:texts"))
    for name, table in without.database.runtime.tables.by_name.items():
        other = with_one.database.runtime.tables.table(name)
        assert [(id, v.lsn, v.document) for id, v in table.versions.items()] == [
            (id, v.lsn, v.document) for id, v in other.versions.items()
        ]
    assert with_one.database.deployed == without.database.deployed
    assert with_one.database.runtime.tail.head == without.database.runtime.tail.head
    with_one.check()

    # A resend is answered from a segment that was not read at the start.
    known = with_one.mutate("app:add", text="000", request=1)
    assert known.lsn < made.lsn
    assert known.outcome == without.mutate("app:add", text="000", request=1).outcome
    # And a table that has to be built anew is built as at a start.
    read: list[LSN] = []
    entries = LogReader.entries

    def noted(reader: LogReader, first: LSN, *, canonical: bool = True) -> Iterator[Entry]:
        read.append(first)
        return entries(reader, first, canonical=canonical)

    monkeypatch.setattr(LogReader, "entries", noted)
    with_one.database.runtime.rebuild_tables()
    monkeypatch.undo()
    assert read == [made.lsn + 1]
    with_one.mutate("app:add", text="more", request=10_000)
    with_one.check()
    assert value_of(with_one.query("app:texts"))[-1] == "more"
    assert next(with_one.database.log.reader.entries(FIRST_LSN)).lsn == FIRST_LSN


def test_without_its_checkpoints_nothing_that_was_acknowledged_is_gone() -> None:
    storage = in_small_segments(worked_on(60).storage)
    assert fold(storage, never) is not None
    bench = open_bench(APP, storage)
    bench.mutate("app:add", text="after the checkpoint", request=10_000)
    bench.flush()
    storage.crash()
    expected = value_of(open_bench(APP, storage.copy()).query("app:texts"))
    for name in checkpoint_names(storage):
        storage.replace(name, None)

    assert expected[-1] == "after the checkpoint"
    assert value_of(open_bench(APP, storage).query("app:texts")) == expected


def test_a_damaged_checkpoint_is_told_and_left_out() -> None:
    storage = in_small_segments(worked_on(60).storage)
    made = fold(storage, never)
    assert made is not None
    storage.flip(made.name, 8 * 300)
    bad: dict[str, str] = {}
    database = Database.open(storage, APP, Env(Clock(), Entropy()), SECRET, on_bad_checkpoint=bad.__setitem__)

    assert bad.keys() == {made.name}
    assert "checksum" in bad[made.name]
    assert len(database.runtime.tables.table("notes").versions) == 40
    assert LSN(made.lsn + 1) <= database.log.last_lsn
    assert len(segment_names(storage)) > 2
