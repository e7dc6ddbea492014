"""Migrations: every document once, batch by batch, whatever comes between."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.engine.application.endpoint import endpoint_of
from relive.engine.application.functions import MigrationFunction, migration
from relive.engine.application.spec import functions_spec
from relive.engine.codegen.functions import api_types
from relive.engine.data.schema import UNSET, Document, Unset
from relive.engine.data.system_tables import MigrationRow
from relive.engine.deployment.rehearsals import Rehearsal
from relive.engine.errors import AppInvalid, MigrationRefused, MigrationUnknown, SchemaMismatch
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.usage import FULL
from relive.log.entry import Kind
from relive.protocol import cbor

from .bench import Bench, app_of, open_bench, text_of, value_of
from .migrating import FUNCTIONS, Note, Other, bench_with, count_up, counts, drive, notes, numbers, progress, row, run


def test_every_document_is_migrated_once_in_batches() -> None:
    bench = bench_with(*numbers(25))
    head = bench.database.runtime.tail.head
    done = run(bench)

    assert counts(bench) == [1] * 25
    assert (done.state, done.processed, done.changed, done.total) == ("done", 25, 25, 25)
    assert (done.table, done.batch, done.error, done.document) == ("notes", 10, None, None)
    assert done.finished is not None
    assert done.started < done.updated == done.finished
    assert bench.database.runtime.tail.head == head + 1 + 3


def test_steps_are_entries_of_the_system_that_say_which_function_ran() -> None:
    bench = bench_with(*numbers(3))
    run(bench)
    entry = bench.entry()

    assert (entry.kind, entry.function, entry.cause.kind, entry.cause.id) == (
        Kind.SYSTEM,
        "app:count_up",
        "system",
        "migration",
    )
    assert cbor.decode(entry.args) == {"batch": 10}
    assert [write.table for write in entry.writes] == ["notes"] * 3 + ["_migrations"]


def test_documents_that_were_left_alone_are_counted_as_such() -> None:
    bench = bench_with(*numbers(7))
    done = run(bench, "odd_only")

    assert (done.name, done.state, done.processed, done.changed) == ("app:odd_only", "done", 7, 3)
    assert counts(bench) == [0, 1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize("count", [0, 9, 10, 11, 20])
def test_any_number_of_documents_comes_to_an_end(count: int) -> None:
    bench = bench_with(*numbers(count))

    assert run(bench).processed == count
    assert counts(bench) == [1] * count


def test_documents_inserted_and_deleted_meanwhile_are_migrated_or_gone() -> None:
    bench = bench_with(*numbers(30))
    first = notes(bench)
    left = iter([first[0], first[29]])

    async def delete(ctx: MutationCtx) -> None:
        document = next(left, None)
        if document is not None:
            await ctx.db.delete(document.id)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert(Note(text="new"))

    def between() -> None:
        if bench.database.migrations.running():
            bench.write(delete)
            bench.write(insert)

    bench.database.migrations.start("count_up", "cli")
    done = drive(bench, between=between)

    assert counts(bench) == [1] * len(notes(bench))
    assert done.state == "done"
    assert any(note.text == "new" for note in notes(bench))


def test_one_that_raises_keeps_what_was_done_and_goes_on_from_there_once_it_is_fixed() -> None:
    bench = bench_with(*numbers(13), "x", *numbers(12))
    failed = run(bench, "app:fragile")
    culprit = notes(bench)[13]

    assert (failed.state, failed.processed, failed.document) == ("failed", 10, culprit.id)
    assert "Uncaught ValueError: not a number: x" in str(failed.error)
    assert counts(bench) == [1] * 10 + [0] * 16

    async def fix(ctx: MutationCtx) -> None:
        await ctx.db.patch(culprit.id, text="13")

    bench.write(fix)
    done = run(bench, "app:fragile")
    assert (done.state, done.processed, done.error, done.document) == ("done", 26, None, None)
    assert counts(bench) == [1] * 26


def test_it_goes_on_after_a_crash_with_the_batch_after_the_last_that_is_durable() -> None:
    bench = bench_with(*numbers(45))
    bench.database.migrations.start("app:count_up", "cli")
    bench.database.migrations.step("app:count_up")
    bench.database.migrations.step("app:count_up")
    bench.flush()
    bench.database.migrations.step("app:count_up")  # Never becomes durable.
    bench.storage.crash()
    again = open_bench(bench.executor.app, bench.storage, bench.clock, bench.entropy)

    assert again.database.migrations.running() == ("app:count_up",)
    assert row(again).processed == 20
    assert drive(again).processed == 45
    assert counts(again) == [1] * 45


def test_it_can_be_cancelled_and_taken_up_again() -> None:
    bench = bench_with(*numbers(25))
    migrations = bench.database.migrations
    migrations.start("app:count_up", "cli")
    migrations.step("app:count_up")
    cancelled = migrations.cancel("count_up", "cli").value

    assert (cancelled.state, cancelled.processed) == ("cancelled", 10)
    assert migrations.running() == ()
    head = bench.database.runtime.tail.head
    migrations.step("app:count_up")  # It was on its way.
    assert bench.database.runtime.tail.head == head
    assert run(bench).processed == 25
    assert counts(bench) == [1] * 25


def test_it_can_be_run_again_from_the_beginning() -> None:
    bench = bench_with(*numbers(5))
    run(bench)
    again = run(bench, restart=True)

    assert (again.processed, again.changed) == (5, 5)
    assert counts(bench) == [2] * 5


def test_what_cannot_be_started_or_cancelled_is_told() -> None:
    bench = bench_with(*numbers(25))
    migrations = bench.database.migrations

    with pytest.raises(MigrationUnknown, match="it has app:count_up, app:fragile, app:odd_only"):
        migrations.start("absent", "cli")
    with pytest.raises(MigrationUnknown):
        migrations.start("app:add", "cli")
    with pytest.raises(MigrationRefused, match="was never started"):
        migrations.cancel("count_up", "cli")
    with pytest.raises(MigrationRefused, match=r"takes 1 to 1,000 documents in one batch, not 1,001"):
        migrations.start("count_up", "cli", batch=1001)
    migrations.start("count_up", "cli")
    with pytest.raises(MigrationRefused, match="is running already"):
        migrations.start("count_up", "cli")
    drive(bench)
    with pytest.raises(MigrationRefused, match="is done: --restart runs it again"):
        migrations.start("count_up", "cli")
    with pytest.raises(MigrationRefused, match="is not running: it is done"):
        migrations.cancel("count_up", "cli")


def test_a_class_that_is_no_table_of_the_app_is_refused() -> None:
    class Stranger(Document):
        text: str

    @migration(Stranger)
    async def strange(ctx: MutationCtx, row: Stranger) -> None: ...

    bench = open_bench(app_of(Note, functions={}))
    bench.executor.app = app_of(Note)
    endpoint = endpoint_of("app:strange", count_up)
    endpoint.function = strange
    bench.executor.app.endpoints = {"app:strange": endpoint}

    with pytest.raises(MigrationRefused, match="is of the class Stranger, which is no table of the app"):
        bench.database.migrations.start("strange", "cli")


def test_a_batch_that_is_too_much_for_one_transaction_becomes_smaller() -> None:
    bench = bench_with(*numbers(40))
    bench.executor.limits = evolve(FULL, documents_written=6)
    done = run(bench, batch=32)

    assert (done.state, done.processed, done.batch) == ("done", 40, 32)
    assert counts(bench) == [1] * 40


def test_batches_that_keep_clients_waiting_become_smaller_and_grow_again() -> None:
    bench = bench_with(*numbers(300))
    migrations = bench.database.migrations
    migrations.start("app:count_up", "cli", batch=100)
    migrations.step("app:count_up")
    migrations.pace("app:count_up", 100_000_000)
    migrations.step("app:count_up")
    assert row(bench).processed == 100 + 25
    migrations.pace("app:count_up", 1_000_000)
    migrations.step("app:count_up")
    assert row(bench).processed == 100 + 25 + 31
    migrations.pace("app:count_up", 10**12)
    migrations.step("app:count_up")
    assert row(bench).processed == 100 + 25 + 31 + 1
    rehearsal = Rehearsal.of(migrations, "odd_only", batch=100)
    rehearsal.step()
    rehearsal.pace(50_000_000)
    rehearsal.step()

    assert rehearsal.processed == 100 + 50
    assert drive(bench).processed == 300
    assert counts(bench) == [1] * 300


def test_a_failure_is_among_the_executions() -> None:
    bench = bench_with("x")
    run(bench, "fragile")
    (failed,) = [each for each in bench.executor.executions.kept if each.error]

    assert (failed.path, failed.cause) == ("app:fragile", "system")
    assert "not a number: x" in str(failed.error)


def test_a_single_document_that_is_too_much_fails() -> None:
    @migration(Note)
    async def greedy(ctx: MutationCtx, note: Note) -> None:
        for _ in range(10):
            await ctx.db.insert(Other(text=note.text))

    bench = bench_with(*numbers(5), greedy=greedy)
    bench.executor.limits = evolve(FULL, documents_written=6)
    failed = run(bench, "greedy")

    assert (failed.state, failed.processed, failed.document) == ("failed", 0, notes(bench)[0].id)
    assert "too many documents written" in str(failed.error)


def test_it_may_write_other_tables_but_none_of_the_system() -> None:
    @migration(Note)
    async def split(ctx: MutationCtx, note: Note) -> None:
        await ctx.db.insert(Other(text=note.text))
        await ctx.db.delete(note.id)

    @migration(Note)
    async def meddle(ctx: MutationCtx, note: Note) -> None:
        for each in await ctx.db.system.query(MigrationRow).collect():
            await ctx.db.delete(each.id)

    bench = bench_with(*numbers(12), meddle=meddle, split=split)
    assert "belong to the system" in str(run(bench, "meddle").error)
    done = run(bench, "split")

    async def others(ctx: QueryCtx) -> list[str]:
        return [other.text for other in await ctx.db.query(Other).collect()]

    assert (done.state, done.changed, notes(bench)) == ("done", 12, [])
    assert bench.read(others) == numbers(12)


def test_other_code_goes_on_with_it() -> None:
    @migration(Note)
    async def ten_more(ctx: MutationCtx, note: Note) -> None:
        await ctx.db.patch(note.id, count=note.count + 10)

    bench = bench_with(*numbers(15))
    bench.database.migrations.start("count_up", "cli")
    bench.database.migrations.step("app:count_up")
    bench.deploy(app_of(Note, Other, version=2, functions=FUNCTIONS | {"app:count_up": ten_more}))

    assert drive(bench).state == "done"
    assert counts(bench) == [1] * 10 + [10] * 5


def test_code_without_it_ends_it_with_what_to_do() -> None:
    @migration(Other)
    async def of_another_table(ctx: MutationCtx, other: Other) -> None: ...

    bench = bench_with(*numbers(15))
    bench.database.migrations.start("count_up", "cli")
    bench.database.migrations.step("app:count_up")
    bench.deploy(app_of(Note, Other, version=2, functions={"app:progress": progress}))
    failed = drive(bench)
    assert (failed.state, failed.processed, failed.document) == ("failed", 10, None)
    assert "no migration 'app:count_up': it has none: deploy it, then run it again" in str(failed.error)

    bench.deploy(app_of(Note, Other, version=3, functions={"app:count_up": of_another_table}))
    with pytest.raises(MigrationRefused, match="has begun with `notes`, and is one of `others` now"):
        bench.database.migrations.start("count_up", "cli")
    bench.deploy(app_of(Note, Other, version=4, functions=FUNCTIONS))
    assert run(bench).processed == 15
    assert counts(bench) == [1] * 15


def test_live_queries_show_how_far_it_has_come() -> None:
    bench = bench_with(*numbers(15))
    assert value_of(bench.query("app:progress")) == []
    bench.database.migrations.start("count_up", "cli")
    bench.database.migrations.step("app:count_up")
    assert value_of(bench.query("app:progress")) == [["app:count_up", "running", 10]]
    drive(bench)

    assert value_of(bench.query("app:progress")) == [["app:count_up", "done", 15]]


def test_nobody_calls_a_migration() -> None:
    bench = bench_with()

    assert "defined as Migration" in text_of(bench.mutate("app:count_up", admin=True))
    assert "Could not find public function" in text_of(bench.mutate("app:count_up"))
    (spec,) = [each for each in functions_spec(bench.executor.app) if "odd_only" in str(each)]
    assert isinstance(spec, dict)
    assert (spec["functionType"], spec["visibility"]) == ("Migration", {"kind": "internal"})
    assert "count_up" not in api_types(bench.executor.app.endpoints.values())


async def test_the_function_itself_can_be_called_in_tests_and_by_others() -> None:
    seen: list[object] = []

    @migration(Note)
    async def look(ctx: MutationCtx, note: Note) -> None:
        seen.append(note)

    assert isinstance(look, MigrationFunction)
    await look(None, Note(text="x"))  # type: ignore[arg-type]
    assert seen == [Note(text="x")]


def test_wrong_declarations_are_refused() -> None:
    no_table: Any = "notes"
    with pytest.raises(ValueError, match="from 1 to 1,000, not 0"):
        migration(Note, batch=0)
    with pytest.raises(TypeError, match="name the table that is migrated"):
        migration(no_table)

    @migration(Note)  # type: ignore[arg-type]
    async def other(ctx: MutationCtx, row: Other) -> None: ...

    @migration(Note)  # type: ignore[arg-type]
    async def many(ctx: MutationCtx, row: Note, more: int) -> None: ...

    for wrong in (other, many):
        with pytest.raises(AppInvalid, match="takes `ctx` and one document, as `row: Note`"):
            endpoint_of("app:wrong", wrong)


class OldTask(Document, table="tasks"):
    title: str
    done: bool


class WideTask(Document, table="tasks"):
    title: str
    done: bool | Unset = UNSET
    status: str | Unset = UNSET


class NewTask(Document, table="tasks"):
    title: str
    status: str


@migration(WideTask, batch=4)
async def give_status(ctx: MutationCtx, task: WideTask) -> None:
    if task.status is UNSET:
        await ctx.db.replace(task.id, {"title": task.title, "status": "done" if task.done else "open"})


def test_a_schema_is_widened_migrated_and_narrowed() -> None:
    bench = open_bench(app_of(OldTask))

    async def insert(ctx: MutationCtx) -> None:
        for number in range(10):
            await ctx.db.insert(OldTask(title=str(number), done=number % 2 == 0))

    async def insert_new(ctx: MutationCtx) -> None:
        await ctx.db.insert(WideTask(title="new", status="open"))

    async def statuses(ctx: QueryCtx) -> list[str]:
        return [task.status for task in await ctx.db.query(NewTask).collect()]

    bench.write(insert)
    bench.flush()
    with pytest.raises(SchemaMismatch):
        bench.deploy(app_of(NewTask, version=2))
    bench.deploy(app_of(WideTask, version=3, functions={"app:give_status": give_status}))
    bench.write(insert_new)
    bench.flush()
    with pytest.raises(SchemaMismatch):
        bench.deploy(app_of(NewTask, version=4))
    done = run(bench, "give_status")
    bench.flush()
    assert (done.processed, done.changed) == (11, 10)

    bench.deploy(app_of(NewTask, version=4))
    assert bench.read(statuses) == ["done", "open"] * 5 + ["open"]
    assert bench.reopen().read(statuses)[-1] == "open"


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(0, 30),
    batch=st.integers(1, 12),
    events=st.lists(st.sampled_from(["crash", "flush", "insert", "cancel", "deploy", "delete"]), max_size=12),
)
def test_whatever_comes_between_every_document_is_migrated_exactly_once(
    count: int, batch: int, events: list[str]
) -> None:
    bench = bench_with(*numbers(count))
    bench.database.migrations.start("app:count_up", "cli", batch=batch)
    bench.flush()
    for version, event in enumerate(events, start=2):
        bench = happen(bench, event, version)
        if row(bench).state == "cancelled":
            bench.database.migrations.start("app:count_up", "cli", batch=batch)
        if row(bench).state == "running":
            bench.database.migrations.step("app:count_up")
    done = drive(bench)

    assert done.state == "done"
    migrated = [note.count for note in notes(bench) if note.text != "late"]
    assert migrated == [1] * len(migrated)


def happen(bench: Bench, event: str, version: int) -> Bench:
    migrations = bench.database.migrations
    running = "app:count_up" in migrations.running()

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert(Note(text="new" if running else "late"))

    async def delete(ctx: MutationCtx) -> None:
        for note in await ctx.db.query(Note).take(2):
            await ctx.db.delete(note.id)

    match event:
        case "crash":
            bench.storage.crash()
            return open_bench(bench.executor.app, bench.storage, bench.clock, bench.entropy)
        case "flush":
            bench.flush()
        case "insert":
            bench.write(insert)
        case "delete":
            bench.write(delete)
        case "deploy":
            bench.deploy(app_of(Note, Other, version=version, functions=FUNCTIONS))
        case _:
            if running:
                migrations.cancel("app:count_up", "cli")
    return bench
