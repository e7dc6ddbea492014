"""Every entry runs again as it ran: with its code, on the state that the log tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from attrs import evolve
from relive.actors.table import Table
from relive.engine.application.app import App, load_bundle
from relive.engine.application.bundle import bundle_of
from relive.engine.data.catalog import Catalog
from relive.engine.errors import FunctionNotFound, WrongKind
from relive.engine.execution.calls import Call, Request
from relive.engine.execution.executor import Executor
from relive.engine.history import reexecution
from relive.engine.history.comparison import compare_states, difference
from relive.engine.history.errors import BeforeHistory
from relive.engine.history.past_query import ask, causes, lsn_at
from relive.engine.history.reexecution import Difference, Sample, Verification, verify_again, verify_part
from relive.engine.history.replica import Replica
from relive.log.entry import LSN, Entry, Write
from relive.protocol import cbor

from .bench import SECRET, Bench, open_bench, value_of
from .test_conflicts import Rivalled

SCHEMA = """
from relive import Document, Int64, field, index

class Item(Document):
    name: str = field()
    count: int = 0
    at: Int64 = Int64(0)
    by_name = index(name)
"""

ITEMS = """
import random

from relive import COMMIT_TIMESTAMP, Id, MutationCtx, increment, migration, mutation

from .schema import Item

@mutation
async def add(ctx: MutationCtx, name: str) -> Id[Item]:
    print("adding", name, random.random(), ctx.meta.request_id)
    return await ctx.db.insert(Item(name=name, at=COMMIT_TIMESTAMP))

@mutation
async def count_up(ctx: MutationCtx, id: Id[Item]) -> None:
    await ctx.db.merge(id, count=increment())

@mutation
async def rename(ctx: MutationCtx, name: str, other: str) -> int:
    items = await ctx.db.query(Item).index(Item.by_name, name).collect()
    for item in items:
        await ctx.db.patch(item.id, name=other, at=COMMIT_TIMESTAMP)
        await ctx.run_mutation(count_up, id=item.id)
    return sum([len(await ctx.db.history(item.id)) for item in items])

@migration(Item, batch=2)
async def zero(ctx: MutationCtx, item: Item) -> None:
    await ctx.db.patch(item.id, count=0)
"""

LISTING = """
from relive import QueryCtx, query

@query
async def names(ctx: QueryCtx) -> list[str]:
    return [item.name for item in await ctx.db.query(Item).collect()]

@query
async def broken(ctx: QueryCtx) -> float:
    return 1 / 0
"""


def items_app(items: str = ITEMS) -> App:
    return load_bundle("items", bundle_of("items", {"schema": SCHEMA.encode(), "items": items.encode()}))


@pytest.fixture
def bench() -> Iterator[Bench]:
    app = items_app()
    yield open_bench(app)
    assert app.modules is not None
    app.modules.uninstall()


def verified(bench: Bench, **options: Any) -> Verification:
    bench.flush()
    return verify_again(bench.database.log.reader, SECRET, last=bench.database.runtime.tail.head, **options)


def worked(bench: Bench) -> None:
    """A little of everything."""
    id = value_of(bench.mutate("items:add", name="a"))
    value_of(bench.mutate("items:add", name="b"))
    value_of(bench.mutate("items:count_up", id=id))
    value_of(bench.mutate("items:rename", name="a", other="c"))


def test_entries_run_again_and_are_the_same(bench: Bench) -> None:
    worked(bench)

    verification = verified(bench)
    assert verification.first is None
    assert (verification.checked, verification.deploys, verification.different) == (4, 1, 0)
    assert not verification.unverifiable


def test_each_entry_runs_with_the_code_of_its_time(bench: Bench) -> None:
    worked(bench)
    bench.flush()
    bench.deploy(items_app(ITEMS.replace("adding", "another adds")))
    value_of(bench.mutate("items:add", name="d"))

    verification = verified(bench)
    assert verification.first is None
    assert (verification.checked, verification.deploys) == (5, 2)


def test_a_merge_into_what_the_transaction_had_not_seen_is_made_anew(bench: Bench) -> None:
    id = value_of(bench.mutate("items:add", name="a"))
    behind: Any = Rivalled.of(bench.database.runtime)
    first = bench.executor
    second = Executor(behind, Catalog(behind.tables), first.env, SECRET, first.app, first.codecs, leader=first)
    value_of(bench.mutate("items:count_up", id=id))
    outcome = second.mutate(Call("items:count_up", [{"id": id}]), Request("http", None, 0))

    entry = bench.entry(outcome.lsn)
    assert entry.snapshot < entry.lsn - 1, "it was merged"
    verification = verified(bench)
    assert verification.first is None
    assert verification.checked == 3


def test_steps_of_a_migration_run_again_and_requests_for_it_do_not(bench: Bench) -> None:
    worked(bench)
    migrations = bench.database.migrations
    migrations.start("items:zero", "cli")
    while migrations.running():
        migrations.step("items:zero")

    verification = verified(bench)
    assert verification.first is None
    assert verification.checked == 4 + 2
    assert sum(verification.unverifiable.values()) == 1


def test_a_range_and_a_sample_of_it(bench: Bench) -> None:
    worked(bench)

    ranged = verified(bench, first=LSN(3))
    assert (ranged.checked, ranged.deploys, ranged.passed_over) == (3, 0, 2)
    sampled = verified(bench, first=LSN(2), sample=2)
    assert (sampled.checked, sampled.passed_over) == (2, 3)


class Edited:
    """A reader of a log in which one entry was changed."""

    is_reduced = False

    def __init__(self, bench: Bench, lsn: int, change: Callable[[Entry], Entry]) -> None:
        self.reader, self.lsn, self.change = bench.database.log.reader, lsn, change

    def entries(self, first: LSN, *, canonical: bool) -> Iterator[Entry]:
        for entry in self.reader.entries(first, canonical=canonical):
            yield self.change(entry) if entry.lsn == self.lsn else entry

    def entry(self, lsn: LSN) -> Entry:
        return self.reader.entry(lsn)


def renamed(entry: Entry) -> Entry:
    (write,) = entry.writes
    assert write.document is not None
    fields = cbor.decode(write.document)
    assert isinstance(fields, dict)
    return evolve(entry, writes=(evolve(write, document=cbor.encode({**fields, "name": "forged"})),))


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("writes", renamed),
        ("reads", lambda entry: evolve(entry, reads=())),
        ("writes", lambda entry: evolve(entry, seed=bytes(16), logs=())),
        ("printed", lambda entry: evolve(entry, logs=("[LOG] 'other'",))),
        ("result", lambda entry: evolve(entry, result_digest=bytes(16))),
        ("outcome", lambda entry: evolve(entry, args=cbor.encode({"name": 5}))),
    ],
)
def test_what_does_not_follow_is_found(bench: Bench, what: str, change: Callable[[Entry], Entry]) -> None:
    value_of(bench.mutate("items:add", name="a"))
    if what == "reads":
        value_of(bench.mutate("items:rename", name="a", other="b"))
    bench.flush()
    head = bench.database.runtime.tail.head

    edited: Any = Edited(bench, head, change)
    verification = verify_again(edited, SECRET, last=head)
    assert verification.different == 1
    assert isinstance(verification.first, Difference)
    assert (verification.first.lsn, verification.first.what) == (head, what)
    assert verification.first.recorded != verification.first.again


def test_parts_of_a_range_say_together_what_the_whole_says(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    worked(bench)
    worked(bench)
    bench.flush()
    head, reader = bench.database.runtime.tail.head, bench.database.log.reader
    whole = verify_again(reader, SECRET, last=head)
    # Parts begin in the middle of everything, with no more behind them than what may have been read.
    monkeypatch.setattr(reexecution, "COMMITS_HELD_MAX", 1)

    assert whole.checked > 5
    for cut in range(1, head):
        sample = Sample.of(LSN(1), head, None)
        first = verify_part(reader, SECRET, LSN(1), LSN(cut), sample)
        first.join(verify_part(reader, SECRET, LSN(cut + 1), head, sample))
        assert first == whole


def test_functions_that_are_gone_cannot_be_verified(bench: Bench) -> None:
    worked(bench)
    bench.flush()
    edited: Any = Edited(bench, 3, partial(evolve, function="items:gone"))
    other: Any = Edited(bench, 3, partial(evolve, code=b"other"))

    for reader, problem in ((edited, "its function is not in the deployed code"), (other, "the code that ran")):
        verification = verify_again(reader, SECRET, last=LSN(5))
        assert (verification.checked, verification.different) == (3, 0)
        (said,) = verification.unverifiable
        assert said.startswith(problem)


def test_a_replica_of_any_moment_is_what_the_tables_were(bench: Bench) -> None:
    worked(bench)
    bench.flush()
    reader = bench.database.log.reader
    walked = Replica(reader, SECRET)
    for entry in reader.entries(LSN(1)):
        walked.apply(entry)
        walked.tables.check()
        jumped = Replica.at(reader, SECRET, entry.lsn)
        for name, table in walked.tables.by_name.items():
            versions = jumped.tables.table(name).versions
            assert {id: version.lsn for id, version in table.versions.items()} == {
                id: version.lsn for id, version in versions.items()
            }
    assert walked.position == bench.database.runtime.tail.head


def test_nobody_writes_to_a_log_by_verifying_it(bench: Bench) -> None:
    worked(bench)
    bench.flush()
    before = list(bench.database.log.reader.encoded(LSN(1)))
    verified(bench)

    assert list(bench.database.log.reader.encoded(LSN(1))) == before
    assert all(isinstance(write, Write) for write in bench.entry().writes)


def test_both_ways_to_a_state_lead_to_the_same(bench: Bench) -> None:
    worked(bench)
    bench.flush()
    bench.deploy(items_app(ITEMS.replace("adding", "another adds")))
    value_of(bench.mutate("items:add", name="d"))
    bench.flush()

    tables = compare_states(bench.database.log.reader, SECRET, bench.database.runtime.tail.head)
    assert {each.table: (each.documents, each.problem) for each in tables} == {
        "_tables": (1, ""),
        "items": (3, ""),
    }
    (items,) = (each for each in tables if each.table == "items")
    assert items.keys == 6


def test_a_state_that_differs_is_told(bench: Bench) -> None:
    worked(bench)
    bench.flush()
    reader, head = bench.database.log.reader, bench.database.runtime.tail.head

    def problem_after(spoil: Callable[[Table], None]) -> str:
        one, other = (Replica.at(reader, SECRET, head) for _ in range(2))
        spoil(one.tables.table("items"))
        return difference(one.tables.table("items"), other.tables.table("items"), one.codecs["items"])

    def forget_key(table: Table) -> None:
        table.indexes["by_name"].entries.popitem()

    def forget_document(table: Table) -> None:
        table.versions.popitem()

    def age(table: Table) -> None:
        next(iter(table.versions.values())).lsn = LSN(1)

    assert problem_after(lambda table: None) == ""
    assert problem_after(forget_key) == "the index by_name has other keys after a start"
    assert problem_after(forget_document).endswith("is there after a start only")
    assert "is of entry 1, and after a start of entry" in problem_after(age)


def test_the_newest_entry_of_a_time(bench: Bench) -> None:
    worked(bench)
    bench.flush()
    reader, last = bench.database.log.reader, bench.database.runtime.tail.head

    for entry in reader.entries(LSN(1)):
        assert lsn_at(reader, entry.ts, last) == entry.lsn
        assert entry.lsn == 1 or lsn_at(reader, entry.ts - 1, last) == entry.lsn - 1
    with pytest.raises(BeforeHistory):
        lsn_at(reader, reader.entry(LSN(1)).ts - 1, last)
    with pytest.raises(BeforeHistory):
        lsn_at(reader, 0, LSN(0))


def test_the_past_is_asked_with_the_code_of_then_or_now(bench: Bench) -> None:
    worked(bench)
    bench.flush()
    now = items_app(ITEMS + LISTING)
    bench.deploy(now)
    bench.flush()
    reader = bench.database.log.reader

    asked = ask(Replica.at(reader, SECRET, LSN(3), now), "items:names", {}, 5)
    assert (asked.value, asked.problem) == (b'["a","b"]', "")
    assert [str(read.index) for read in asked.reads] == ["items.by_creation_time"]
    assert [read.changed_by.lsn for read in causes(reader, SECRET, asked.reads, LSN(3)) if read.changed_by] == [3]
    assert ask(Replica.at(reader, SECRET, LSN(5), now), "items:names", {}, 5).value == b'["c","b"]'
    with pytest.raises(FunctionNotFound):
        ask(Replica.at(reader, SECRET, LSN(5)), "items:names", {}, 5)
    with pytest.raises(WrongKind):
        ask(Replica.at(reader, SECRET, LSN(5)), "items:add", {"name": "x"}, 5)
    assert "ZeroDivisionError" in ask(Replica.at(reader, SECRET, LSN(5), now), "items:broken", {}, 5).problem
