"""Migrations rehearsed: what they would do is told, and nothing is kept."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from relive.engine.application.functions import migration
from relive.engine.deployment.rehearsals import Rehearsal
from relive.engine.transactions.context import MutationCtx
from relive.engine.transactions.usage import FULL

from .bench import Bench
from .migrating import Note, Other, bench_with, notes, numbers, run


def rehearse(bench: Bench, name: str, **options: Any) -> Rehearsal:
    rehearsal = Rehearsal.of(bench.database.migrations, name, **options)
    while rehearsal.step():
        pass
    return rehearsal


def test_a_rehearsal_tells_what_would_change_and_changes_nothing() -> None:
    bench = bench_with(*numbers(25))
    head, before = bench.database.runtime.tail.head, notes(bench)
    found = rehearse(bench, "odd_only", batch=4)

    assert (found.processed, found.changed, found.failed, found.total) == (25, 12, 0, 25)
    assert (bench.database.runtime.tail.head, notes(bench)) == (head, before)
    assert len(found.samples) == 3
    (write,) = found.samples[0].writes
    assert (found.samples[0].document, write.table, write.id) == (before[1].id, "notes", before[1].id)
    assert isinstance(write.before, dict)
    assert isinstance(write.after, dict)
    assert (write.before["count"], write.after["count"]) == (0, 1)


def test_a_rehearsal_goes_on_behind_documents_that_fail_and_tells_the_first() -> None:
    bench = bench_with(*["1", "x"] * 20)
    found = rehearse(bench, "fragile", batch=7)
    bad = [note.id for note in notes(bench) if note.text == "x"]

    assert (found.processed, found.changed, found.failed) == (40, 20, 20)
    assert [failed.document for failed in found.failures] == bad[:10]
    assert "Uncaught ValueError: not a number: x" in found.failures[0].problem


def test_a_rehearsal_tells_of_documents_that_are_too_much_for_a_transaction() -> None:
    @migration(Note)
    async def greedy(ctx: MutationCtx, note: Note) -> None:
        for _ in range(10 if note.text == "x" else 2):
            await ctx.db.insert(Other(text=note.text))

    bench = bench_with("1", "x", "2", "3", "4", "x", "5", greedy=greedy)
    bench.executor.limits = evolve(FULL, documents_written=6)
    found = rehearse(bench, "greedy")

    assert (found.processed, found.changed, found.failed) == (7, 5, 2)
    assert all("too many documents written" in failed.problem for failed in found.failures)
    assert [write.before for write in found.samples[0].writes] == [None, None]


def test_a_rehearsal_begins_where_a_run_would_begin() -> None:
    bench = bench_with(*numbers(25))
    bench.database.migrations.start("count_up", "cli")
    bench.database.migrations.step("app:count_up")
    bench.database.migrations.cancel("app:count_up", "cli")

    assert (rehearse(bench, "count_up").processed, rehearse(bench, "count_up", restart=True).processed) == (15, 25)
    run(bench)
    assert rehearse(bench, "count_up").processed == 25
