"""A deploy under way: who sees what, what makes it fail, and that a failed one has changed nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from relive.actors.errors import CommitterFailed, WritesRefused
from relive.actors.version import Version
from relive.engine.application.app import App
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, Id, field, index
from relive.engine.deployment import rebuild
from relive.engine.deployment.deploy import Deploy
from relive.engine.errors import DeployInterrupted, DeployUnderWay, SchemaMismatch
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.log.entry import LSN, Kind
from relive.log.errors import DiskFull

from .bench import Bench, app_of, open_bench, value_of


class Note(Document):
    text: str | int = field()
    by_text = index(text)


class NewNote(Document, table="notes"):
    """Numbers do not fit any more."""

    text: str = field()
    stars: int = field(default=0)
    by_text = index(text, stars)
    by_stars = index(stars)


class Other(Document):
    name: str


@mutation
async def add(ctx: MutationCtx, text: str | int) -> str:
    return await ctx.db.insert(Note(text=text))


@mutation
async def change(ctx: MutationCtx, id: Id[Note], text: str) -> None:
    await ctx.db.patch(id, text=text)


@query
async def texts(ctx: QueryCtx) -> list[Any]:
    return [note.text for note in await ctx.db.query(Note).collect()]


@query
async def new_texts(ctx: QueryCtx) -> list[str]:
    return [f"{note.text} {note.stars}" for note in await ctx.db.query(NewNote).index(NewNote.by_stars, 0).collect()]


@mutation
async def add_new(ctx: MutationCtx, text: str) -> str:
    return await ctx.db.insert(NewNote(text=text))


OLD = app_of(Note, functions={"app:add": add, "app:change": change, "app:texts": texts})
NEW = app_of(NewNote, Other, version=2, functions={"app:texts": new_texts, "app:add": add_new})


def notes(count: int) -> Bench:
    bench = open_bench(OLD)
    for number in range(count):
        value_of(bench.mutate("app:add", text=f"note {number}"))
    bench.flush()
    return bench


def slices(deploy: Deploy, times: int) -> None:
    for _ in range(times):
        deploy.slice()


def assert_served(bench: Bench, app: App, head: LSN) -> None:
    """Nothing of a failed deploy is left."""
    assert bench.executor.app is app
    assert bench.database.runtime.tail.head == head
    assert bench.database.deploying is None
    assert bench.database.catalog.number_of("others") is None
    assert sorted(bench.database.runtime.tables.table("notes").indexes) == ["by_creation_time", "by_text"]
    bench.check()


def fill_disk(bench: Bench) -> None:
    """What is in flight is taken back."""
    bench.storage.space = 0
    batch = bench.database.log.writer.take()
    assert batch is not None
    with pytest.raises(DiskFull) as full:
        bench.database.log.writer.write(batch)
    bench.database.runtime.not_written(str(full.value))


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "WORK_PER_SLICE", 2)


def test_until_the_switch_the_old_code_serves_and_no_new_index_is_there(small_slices: None) -> None:
    bench = notes(9)
    head = bench.database.runtime.tail.head
    deploy = bench.database.begin_deploy(NEW)
    done = False
    while not done:
        bench_texts = value_of(bench.query("app:texts"))
        assert bench_texts == [f"note {number}" for number in range(9)]
        assert sorted(bench.database.runtime.tables.table("notes").indexes) == ["by_creation_time", "by_text"]
        done = deploy.slice()
    assert (bench.executor.app, bench.database.runtime.tail.head) == (OLD, head)
    bench.database.activate(deploy)
    bench.database.end_deploy(deploy)

    assert value_of(bench.query("app:texts")) == [f"note {number} 0" for number in range(9)]
    assert sorted(bench.database.runtime.tables.table("notes").indexes) == ["by_creation_time", "by_stars", "by_text"]


def test_a_write_that_does_not_fit_fails_the_deploy_and_not_the_write(small_slices: None) -> None:
    bench = notes(5)
    deploy = bench.database.begin_deploy(NEW)
    slices(deploy, 2)
    id = value_of(bench.mutate("app:add", text=7))
    head = bench.database.runtime.tail.head
    with pytest.raises(SchemaMismatch) as refused:
        slices(deploy, 9)
    bench.database.end_deploy(deploy)

    assert (refused.value.count, refused.value.offenders[0].partition(":")[0]) == (1, f"notes/{id}")
    assert_served(bench, OLD, head)
    assert value_of(bench.query("app:texts"))[-1] == 7


def test_a_stored_document_that_is_mended_meanwhile_fits_once_that_is_durable() -> None:
    bench = notes(2)
    id = value_of(bench.mutate("app:add", text=7))
    bench.flush()
    deploy = bench.database.begin_deploy(NEW)
    with pytest.raises(SchemaMismatch):
        deploy.slice()
    bench.mutate("app:change", id=id, text="mended")
    assert deploy.slice()

    # Taken back, it would leave a document that the new code cannot read.
    assert deploy.rebuild.settled == bench.database.runtime.tail.head > bench.database.runtime.committer.durable
    bench.database.end_deploy(deploy)


async def test_the_switch_waits_until_nothing_can_be_taken_back_that_the_new_code_cannot_read() -> None:
    bench = notes(2)
    id = value_of(bench.mutate("app:add", text=7))
    bench.flush()
    bench.mutate("app:change", id=id, text="mended")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.database.deploy, NEW)
        await trio.testing.wait_all_tasks_blocked()
        assert bench.executor.app is OLD
        bench.flush()

    assert value_of(bench.query("app:texts")) == ["note 0 0", "note 1 0", "mended 0"]


async def test_a_second_deploy_is_refused_and_the_first_goes_on(small_slices: None) -> None:
    bench = notes(5)
    begun = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(bench.database.deploy, NEW, on_begin=lambda deploy: begun.set()))
        await begun.wait()
        with pytest.raises(DeployUnderWay, match="a deploy of bench is under way"):
            await bench.database.deploy(app_of(NewNote, version=3))

    assert bench.executor.app is NEW


async def test_a_deploy_that_is_cancelled_while_pending_has_changed_nothing(small_slices: None) -> None:
    bench = notes(5)
    head = bench.database.runtime.tail.head
    with trio.CancelScope() as scope:
        await bench.database.deploy(NEW, on_begin=lambda deploy: scope.cancel())

    assert scope.cancelled_caught
    assert_served(bench, OLD, head)
    assert (await bench.database.deploy(NEW)).lsn == head + 1


async def test_a_dry_run_checks_everything_and_changes_nothing() -> None:
    bench = notes(5)
    head = bench.database.runtime.tail.head
    looked = await bench.database.deploy(NEW, dry_run=True)

    assert (looked.checked, looked.lsn, looked.is_new) == (5, None, True)
    assert_served(bench, OLD, head)
    bench.mutate("app:add", text=7)
    with pytest.raises(SchemaMismatch):
        await bench.database.deploy(NEW, dry_run=True)


async def test_the_code_that_is_served_already_is_not_deployed_again() -> None:
    bench = notes(5)
    head = bench.database.runtime.tail.head
    again = await bench.database.deploy(OLD)

    assert (again.is_new, again.lsn, again.checked) == (False, None, 0)
    assert_served(bench, OLD, head)


def test_commits_taken_back_while_it_is_pending_end_it(small_slices: None) -> None:
    bench = notes(5)
    head = bench.database.runtime.tail.head
    deploy = bench.database.begin_deploy(NEW)
    bench.mutate("app:add", text="lost")
    slices(deploy, 2)
    fill_disk(bench)
    with pytest.raises(DeployInterrupted, match="taken back"):
        deploy.slice()
    bench.database.end_deploy(deploy)

    assert_served(bench, OLD, head)
    assert len(value_of(bench.query("app:texts"))) == 5


def test_so_they_do_if_others_have_come_in_their_place(small_slices: None) -> None:
    bench = notes(5)
    deploy = bench.database.begin_deploy(NEW)
    bench.mutate("app:add", text="lost")
    deploy.slice()
    fill_disk(bench)
    bench.storage.space = None
    bench.clock.now_ns += 2 * 10**9
    for _ in range(2):
        value_of(bench.mutate("app:add", text="kept"))
    bench.flush()

    with pytest.raises(DeployInterrupted, match="taken back"):
        deploy.slice()
    bench.database.end_deploy(deploy)


def test_a_disk_that_takes_no_entry_keeps_the_old_code() -> None:
    bench = notes(5)
    bench.mutate("app:add", text="lost")
    fill_disk(bench)
    head = bench.database.runtime.tail.head
    with pytest.raises(WritesRefused):
        bench.deploy(NEW)

    assert_served(bench, OLD, head)


def test_a_switch_that_breaks_in_the_middle_stops_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = notes(1)

    def broken(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(rebuild.Rebuild, "finish", broken)

    with pytest.raises(CommitterFailed, match="a deploy could not be carried out"):
        bench.deploy(NEW)


def test_slices_are_small_whatever_is_stored() -> None:
    bench = open_bench(OLD)

    async def fill(ctx: MutationCtx) -> None:
        for number in range(1_000):
            await ctx.db.insert(Note(text="x" * (100_000 if number % 50 == 0 else 10)))

    bench.write(fill)
    bench.flush()
    deploy = bench.database.begin_deploy(NEW)
    costs, done = [], False
    while not done:
        before = deploy.checked
        done = deploy.slice()
        sizes = [version.size for version in read_since(deploy, before)]
        costs.append(sum(1 + size // rebuild.BYTES_PER_WORK for size in sizes))
    largest = 1 + 100_100 // rebuild.BYTES_PER_WORK

    assert deploy.checked == deploy.total == 1_000
    assert max(costs) < rebuild.WORK_PER_SLICE + largest
    assert len(costs) > 1_000 // rebuild.WORK_PER_SLICE
    bench.database.end_deploy(deploy)


def read_since(deploy: Deploy, before: int) -> list[Any]:
    return list(deploy.rebuild.fresh["notes"].versions.values())[before : deploy.checked]


def test_the_switch_reads_no_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = notes(50)
    deploy = bench.database.begin_deploy(NEW)
    while not deploy.slice():
        pass
    in_flight = value_of(bench.mutate("app:add", text="in flight"))
    reads: list[str] = []
    read = rebuild.Rebuild.read

    def noted(self: rebuild.Rebuild, name: str, served: Version) -> Version | None:
        reads.append(served.id)
        return read(self, name, served)

    monkeypatch.setattr(rebuild.Rebuild, "read", noted)
    bench.database.activate(deploy)
    bench.database.end_deploy(deploy)

    assert reads == [in_flight]


def test_what_is_not_served_any_more_is_taken_apart_a_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "DISCARDED_PER_SLICE", 3)
    bench = notes(10)
    old = bench.database.runtime.tables.table("notes")
    bench.deploy(NEW)
    left = []
    while bench.database.discards.held:
        bench.database.discards.slice()
        left.append(len(old.versions))
    bench.check()

    assert left[:4] == [7, 4, 1, 0]
    assert len(value_of(bench.query("app:texts"))) == 10


def test_in_flight_commits_can_be_taken_back_after_a_switch_in_terms_of_the_new_tables(small_slices: None) -> None:
    bench = notes(3)
    deploy = bench.database.begin_deploy(NEW)
    slices(deploy, 1)
    bench.mutate("app:add", text="lost")
    while not deploy.slice():
        pass
    bench.database.activate(deploy)
    bench.database.end_deploy(deploy)
    tables = bench.database.runtime.tables
    for committed in list(bench.database.runtime.tail.newest_first()):
        tables.undo(committed)
    tables.check()

    assert [version.document.text for version in tables.table("notes").versions.values()] == [  # type: ignore[attr-defined]
        "note 0",
        "note 1",
        "note 2",
    ]
    assert bench.entry(LSN(5)).kind is Kind.MUTATION


async def test_changes_are_told_by_name() -> None:
    bench = notes(1)
    changes = (await bench.database.deploy(NEW, dry_run=True)).changes.record()

    assert [each["name"] for each in changes["tables"]["added"]] == ["others"]
    assert changes["tables"]["removed"] == []
    assert changes["indexes"] == {
        "added": [{"name": "notes.by_stars", "is": "(stars)"}],
        "removed": [],
        "changed": [{"name": "notes.by_text", "was": "(text)", "is": "(text, stars)"}],
    }
    assert [each["name"] for each in changes["functions"]["removed"]] == ["app:change"]
    assert [each["name"] for each in changes["modules"]["changed"]] == ["app.py"]


async def test_a_field_order_is_another_index_and_a_kind_another_function() -> None:
    class Pair(Document):
        a: int = field()
        b: int = field()
        by_both = index(a, b)

    class TurnedPair(Document, table="pairs"):
        a: int = field()
        b: int = field()
        by_both = index(b, a)

    bench = open_bench(app_of(Pair, functions={"app:f": texts}))
    other = app_of(TurnedPair, version=2, functions={"app:f": add})
    changes = (await bench.database.deploy(other)).changes.record()

    assert changes["indexes"]["changed"] == [{"name": "pairs.by_both", "was": "(a, b)", "is": "(b, a)"}]
    assert changes["functions"]["changed"] == [{"name": "app:f", "was": "query", "is": "mutation"}]


def test_a_table_without_its_class_keeps_its_documents_and_gets_them_back_checked() -> None:
    bench = notes(2)

    @query
    async def plain(ctx: QueryCtx) -> list[Any]:
        return [note["text"] for note in await ctx.db.query("notes").collect()]

    @mutation
    async def add_plain(ctx: MutationCtx, text: Any) -> None:
        await ctx.db.insert("notes", {"text": text})

    without = app_of(Other, version=2, functions={"app:plain": plain, "app:add": add_plain})
    bench.deploy(without)
    assert sorted(bench.database.runtime.tables.table("notes").indexes) == ["by_creation_time"]
    value_of(bench.mutate("app:add", text=True))
    assert value_of(bench.query("app:plain")) == ["note 0", "note 1", True]

    with pytest.raises(SchemaMismatch):
        bench.deploy(OLD)
    assert bench.executor.app is without

    @mutation
    async def mend(ctx: MutationCtx) -> None:
        for note in await ctx.db.query("notes").collect():
            await ctx.db.patch(note["_id"], text=str(note["text"]))

    bench.deploy(app_of(Other, version=3, functions={"app:mend": mend}))
    value_of(bench.mutate("app:mend"))
    bench.flush()
    bench.deploy(OLD)
    assert value_of(bench.query("app:texts")) == ["note 0", "note 1", "True"]
    assert bench.reopen().query("app:texts") == bench.query("app:texts")
