"""Deploying other code on stored documents, and what the log says of it."""

from __future__ import annotations

import pytest
from relive.engine.data.schema import Document, Int64, Record, field, index
from relive.engine.errors import SchemaMismatch, TooLongAgo
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.log.entry import Kind
from relive.protocol import cbor

from .bench import Bench, app_of, bench_of, open_bench


class Note(Document):
    text: str
    stars: int = field(default=0)


class StarredNote(Document, table="notes"):
    """With a defaulted field and an index more."""

    text: str
    stars: int = field(default=0)
    author: str = field(default="nobody")
    by_author = index(author)
    by_stars = index(stars)


class NumberNote(Document, table="notes"):
    """Stored texts do not fit."""

    text: int
    stars: int = 0


class Folder(Document):
    name: str


def notes(count: int) -> Bench:
    bench = bench_of(Note)

    async def insert(ctx: MutationCtx) -> None:
        for number in range(count):
            await ctx.db.insert(Note(text=f"note {number}", stars=number % 3))

    bench.write(insert)
    bench.flush()
    return bench


async def by_author(ctx: QueryCtx) -> list[str]:
    return [note.text for note in await ctx.db.query(StarredNote).index(StarredNote.by_author, "nobody").collect()]


async def by_stars(ctx: QueryCtx) -> list[int]:
    return [note.stars for note in await ctx.db.query(StarredNote).index(StarredNote.by_stars, gte=1).collect()]


def test_a_new_defaulted_field_fills_old_documents_and_can_be_indexed() -> None:
    bench = notes(3)
    bench.deploy(app_of(StarredNote, version=2))
    bench.check()

    assert bench.read(by_author) == ["note 0", "note 1", "note 2"]
    assert bench.read(by_stars) == [1, 2]


def test_documents_are_read_the_same_after_a_restart_with_the_deployed_code() -> None:
    bench = notes(3)
    bench.deploy(app_of(StarredNote, version=2))
    reopened = bench.reopen()
    reopened.check()

    assert reopened.read(by_author) == ["note 0", "note 1", "note 2"]
    assert reopened.read(by_stars) == [1, 2]


def test_a_deploy_may_bring_new_tables() -> None:
    bench = notes(1)
    bench.deploy(app_of(Note, Folder, version=2))

    async def insert(ctx: MutationCtx) -> int:
        await ctx.db.insert(Folder(name="new"))
        return len(await ctx.db.query(Folder).collect())

    assert bench.write(insert) == 1
    assert bench.reopen().database.catalog.number_of("folders") == 10_002


def test_documents_that_do_not_fit_refuse_the_deploy_and_nothing_changes() -> None:
    bench = notes(7)
    head, app = bench.database.runtime.tail.head, bench.executor.app
    with pytest.raises(SchemaMismatch) as refused:
        bench.deploy(app_of(NumberNote, version=2))
    bench.check()

    assert refused.value.count == 7
    assert len(refused.value.offenders) == 5
    assert "Expected `int`, got `str`" in refused.value.offenders[0]
    assert (bench.database.runtime.tail.head, bench.executor.app) == (head, app)

    async def texts(ctx: QueryCtx) -> list[str]:
        return [note.text for note in await ctx.db.query(Note).take(2)]

    assert bench.read(texts) == ["note 0", "note 1"]


def test_documents_that_do_not_fit_refuse_the_start() -> None:
    bench = notes(1)
    bench.database.log.close()

    with pytest.raises(SchemaMismatch):
        open_bench(app_of(NumberNote, version=2), bench.storage, bench.clock, bench.entropy)
    bench.storage.lock()  # It was left unlocked.


def test_a_deploy_is_one_entry_with_the_source() -> None:
    bench = bench_of(Note)
    entry = bench.entry()
    recorded = cbor.decode(entry.args)

    assert (entry.lsn, entry.kind, entry.code) == (1, Kind.DEPLOY, bench.executor.app.code)
    assert isinstance(recorded, dict)
    assert recorded["source"] == [["app", "version = 1"]]
    assert bench.database.runtime.tail.head == 1


def test_the_same_code_again_is_no_entry() -> None:
    bench = bench_of(Note)
    bench.deploy(bench.executor.app)
    reopened = bench.reopen()

    assert (bench.database.runtime.tail.head, reopened.database.runtime.tail.head) == (1, 1)


def test_going_back_to_older_code_is_an_entry_again() -> None:
    bench = bench_of(Note)
    older = bench.executor.app
    bench.deploy(app_of(Note, version=2))
    bench.deploy(older)

    assert [entry.code == older.code for entry in map(bench.entry, (1, 2, 3))] == [True, False, True]  # type: ignore[arg-type]


def test_the_past_from_before_a_deploy_is_not_read_by_the_new_code() -> None:
    bench = notes(1)
    ts = bench.entry().ts

    async def more(ctx: MutationCtx) -> None:
        await ctx.db.insert(Note(text="in flight"))

    bench.write(more)
    in_flight = bench.entry().ts
    bench.deploy(app_of(StarredNote, version=2))

    for past in (ts, in_flight):
        with pytest.raises(TooLongAgo):
            bench.database.past(past)
    assert bench.database.past(bench.entry().ts)[1] == bench.database.runtime.tail.head


def test_the_past_from_before_a_restart_is_too_long_ago() -> None:
    bench = notes(1)
    ts = bench.entry().ts
    reopened = bench.reopen()

    with pytest.raises(TooLongAgo):
        reopened.database.past(ts - 1)
    assert reopened.database.past(reopened.database.runtime.tail.head_ts)[1] == 2


class Counted(Document):
    count: Int64 = Int64(0)


class Counted5(Document, table="counteds"):
    count: Int64 = Int64(0)
    step: int = 5


class Counted6(Document, table="counteds"):
    count: Int64 = Int64(0)
    step: int = 6


def test_a_default_that_changes_is_the_same_before_and_after_a_restart() -> None:
    bench = bench_of(Counted)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert(Counted())

    async def steps(ctx: QueryCtx) -> list[int]:
        return [counted.step for counted in await ctx.db.query(Counted6).collect()]

    bench.write(insert)
    bench.deploy(app_of(Counted5, version=2))
    bench.deploy(app_of(Counted6, version=3))
    served = bench.read(steps)

    assert bench.reopen().read(steps) == served


class Style(Record):
    color: str = "black"


class Style2(Record):
    color: str = "black"
    size: int = 10


class Style3(Record):
    color: str = "black"
    size: int = 12


class Page(Document):
    style: Style = Style()


class Page2(Document, table="pages"):
    style: Style2 = Style2()


class Page3(Document, table="pages"):
    style: Style3 = Style3()


def test_so_is_a_default_inside_a_record() -> None:
    bench = bench_of(Page)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert(Page(style=Style(color="red")))

    async def sizes(ctx: QueryCtx) -> list[int]:
        return [page.style.size for page in await ctx.db.query(Page3).collect()]

    bench.write(insert)
    bench.deploy(app_of(Page2, version=2))
    bench.deploy(app_of(Page3, version=3))

    assert bench.read(sizes) == [12]
    assert bench.reopen().read(sizes) == [12]
