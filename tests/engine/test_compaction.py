"""After compaction the database is the same, and the past beyond retention is told to be gone, never made up."""

from __future__ import annotations

from contextlib import suppress

import attrs
import pytest
from relive.actors.checkpoints import fold
from relive.engine.application.app import App
from relive.engine.application.functions import mutation, query
from relive.engine.compaction import NeverThere, StillThere, compact
from relive.engine.data.schema import Document, Id, Record, field, index
from relive.engine.env import Env
from relive.engine.history.biography import biography
from relive.engine.history.comparison import compare_states
from relive.engine.history.past_query import ask, causes
from relive.engine.history.reexecution import verify_again
from relive.engine.history.replica import Replica
from relive.engine.history.statistics import Statistics
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.log.checkpoint import checkpoint_names
from relive.log.entry import DROPPED, LSN, Entry, Timestamp
from relive.log.errors import HistoryDropped
from relive.log.memory import MemoryStorage, Stopped
from relive.log.recovery import recover
from relive.log.retention import DocumentKey
from relive.protocol import cbor

from .bench import SECRET, Bench, Clock, Entropy, app_of, failure_of, open_bench, value_of

DAY_NS = 86_400 * 1_000_000_000
SECRET_TEXT = b"Lindenstrasse"


class Visit(Document, history_days=30):
    page: str = field()
    by_page = index(page)


class Page(Document):
    name: str


class Seen(Record):
    page: str | None
    lsn: int


@mutation
async def visit(ctx: MutationCtx, page: str) -> Id[Visit]:
    print("visiting", page)
    return await ctx.db.insert(Visit(page=page))


@mutation
async def change(ctx: MutationCtx, id: Id[Visit], page: str) -> str:
    await ctx.db.patch(id, page=page)
    return page


@mutation
async def drop(ctx: MutationCtx, id: Id[Visit]) -> None:
    await ctx.db.delete(id)


@mutation
async def name(ctx: MutationCtx, name: str) -> Id[Page]:
    return await ctx.db.insert(Page(name=name))


@query
async def pages(ctx: QueryCtx) -> list[str]:
    return [each.page async for each in ctx.db.query(Visit).index(Visit.by_page)]


@query
async def past(ctx: QueryCtx, id: Id[Visit]) -> list[Seen]:
    return [Seen(page=each.document.page if each.document else None, lsn=each.lsn) for each in await ctx.db.history(id)]


FUNCTIONS = (visit, change, drop, name, pages, past)
APP = app_of(Visit, Page, functions={f"app:{each.__name__}": each for each in FUNCTIONS})


@attrs.define
class Lived:
    """A database with changes long ago and changes of today, closed."""

    storage: MemoryStorage
    clock: Clock
    kept: str
    gone: str


def lived() -> Lived:
    bench = open_bench(APP)
    kept = value_of(bench.mutate("app:visit", page="first", request=1))
    gone = value_of(bench.mutate("app:visit", page=SECRET_TEXT.decode(), request=2))
    value_of(bench.mutate("app:name", name="home", request=7))
    value_of(bench.mutate("app:change", id=kept, page="second", request=3))
    value_of(bench.mutate("app:drop", id=gone, request=4))
    bench.clock.now_ns += 40 * DAY_NS
    bench.mutate("app:change", id=kept, page="third", request=5)
    bench.mutate("app:change", id=kept, page="fourth", request=6)
    bench.flush()
    bench.database.log.close()
    return Lived(bench.storage, bench.clock, kept, gone)


def compacted(
    storage: MemoryStorage, clock: Clock, erased: frozenset[DocumentKey] = frozenset(), *, dry_run: bool = False
) -> dict[str, int]:
    done = compact(storage, Env(clock, Entropy()), never, erased=erased, dry_run=dry_run, definer=False)
    assert (done.lsn is None) == (dry_run or not done.prepared.segments)
    return {table: dropped.versions for table, dropped in done.prepared.tables.items()}


def never(file: str, problem: str) -> None:
    raise AssertionError((file, problem))


def reopened(life: Lived, app: App = APP) -> Bench:
    return open_bench(app, life.storage, life.clock)


def entries_of(storage: MemoryStorage) -> list[Entry]:
    entries: list[Entry] = []
    recover(storage, entries.append)
    return entries


def test_old_versions_go_the_newest_and_the_rest_stay() -> None:
    life = lived()
    before = entries_of(life.storage)
    assert compacted(life.storage, life.clock, dry_run=True) == {"visits": 2}
    assert entries_of(life.storage) == before
    assert compacted(life.storage, life.clock) == {"visits": 2}
    after = entries_of(life.storage)
    bench = reopened(life)

    assert len(after) == len(before) + 1
    assert [entry.args == DROPPED for entry in after] == [False, True, True, False, False, True, False, False, False]
    assert not any(SECRET_TEXT in life.storage.content(file) for file in life.storage.names())
    assert value_of(bench.query("app:pages")) == ["fourth"]
    assert [cbor.decode(each.document)["name"] for each in after[3].writes if each.document] == ["home"]  # type: ignore[call-overload,index]
    record = after[-1]
    assert cbor.decode(record.args) == {
        "tables": {"visits": {"versions": 2, "bytes": sum(len(before[n].writes[0].document or b"") for n in (1, 2)),
                              "historyDays": 30}},
        "entries": 3,
        "erased": [],
    }  # fmt: skip
    bench.check()
    bench.flush()
    bench.database.log.close()
    assert compacted(life.storage, life.clock) == {}


def test_history_that_is_gone_is_told_to_be_gone() -> None:
    life = lived()
    compacted(life.storage, life.clock)
    bench = reopened(life)
    reader = bench.database.log.reader
    said = failure_of(bench.query("app:past", id=life.kept))
    chapters = biography(reader, "visits", life.kept)

    assert "beyond the history that its table keeps" in said.message
    assert [next(chapters).changes()[0].after for _ in range(2)] == ["fourth", "third"]
    last = next(chapters)
    assert (last.is_before_kept, last.after is not None and last.after["page"], last.changes()) == (False, "second", [])
    with pytest.raises(HistoryDropped, match="beyond the history"):
        next(chapters)
    for lsn in (2, 3, 4, 5):
        with pytest.raises(HistoryDropped, match=r"ask for a later time"):
            Replica.at(reader, SECRET, LSN(lsn), APP)
    for lsn, page in ((6, "second"), (7, "third"), (8, "fourth")):
        asked = ask(Replica.at(reader, SECRET, LSN(lsn), APP), "app:pages", {}, life.clock())
        assert asked.value == f'["{page}"]'.encode()


def test_verification_passes_over_what_is_gone_and_runs_the_rest_again() -> None:
    life = lived()
    compacted(life.storage, life.clock)
    bench = reopened(life)
    reader = bench.database.log.reader
    verified = verify_again(reader, SECRET, last=bench.database.log.last_lsn)
    asked = ask(Replica.at(reader, SECRET, LSN(6), APP), "app:pages", {}, life.clock())
    reads = causes(reader, SECRET, asked.reads, LSN(7))

    assert verified.different == 0
    assert sum(count for why, count in verified.unverifiable.items() if "beyond retention" in why) >= 5
    assert [(each.changed_by, each.unknown_until) for each in reads] == [(None, LSN(7))]


def test_both_ways_to_the_state_agree_after_compaction() -> None:
    life = lived()
    compacted(life.storage, life.clock)
    bench = reopened(life)
    reader = bench.database.log.reader

    assert Replica(reader, SECRET).whole_from == LSN(7)
    assert [each.problem for each in compare_states(reader, SECRET, bench.database.log.last_lsn)][:1] == [""]


def test_a_request_that_comes_again_gets_its_result_or_is_told_that_it_is_not_kept() -> None:
    life = lived()
    compacted(life.storage, life.clock)
    bench = reopened(life)
    last = bench.database.log.last_lsn

    assert value_of(bench.mutate("app:change", id=life.kept, page="fourth", request=6)) == "fourth"
    assert "not kept any more" in failure_of(bench.mutate("app:visit", page="first", request=1)).message
    assert bench.database.log.last_lsn == last


def test_a_deleted_document_is_erased_whatever_its_table_keeps() -> None:
    life = lived()
    bench = reopened(life)
    private = value_of(bench.mutate("app:visit", page="Gartenweg 7", request=10))
    bench.mutate("app:change", id=private, page="Gartenweg 8", request=11)
    still = life.storage.copy()
    bench.mutate("app:drop", id=private, request=12)
    bench.flush()
    bench.database.log.close()
    key = frozenset({("visits", private)})
    with pytest.raises(NeverThere, match="check the table"):
        compacted(life.storage, life.clock, frozenset({("pages", private)}))
    with pytest.raises(StillThere, match="delete it first"):
        compacted(life.storage, life.clock, frozenset({("visits", life.kept)}))
    assert still.names()
    assert compacted(life.storage, life.clock, key)["visits"] == 4
    log = b"".join(map(life.storage.content, life.storage.names()))

    assert log.count(b"Gartenweg 7") == 0
    assert log.count(b'"Gartenweg 8"') == 1  # A result: a client may still ask for it, for 14 days.
    assert log.count(b"Gartenweg 8") == 1
    life.clock.now_ns += 15 * DAY_NS
    compacted(life.storage, life.clock, key)
    assert not any(b"Gartenweg" in life.storage.content(file) for file in life.storage.names())
    assert value_of(reopened(life).query("app:pages")) == ["fourth"]


def test_a_checkpoint_from_before_goes_with_what_it_holds() -> None:
    life = lived()
    first = life.storage
    bench = reopened(life)
    bench.flush()
    bench.database.log.writer.seal()
    bench.database.log.close()
    assert fold(first, never) is not None
    old = checkpoint_names(first)
    life.clock.now_ns += 31 * DAY_NS
    bench = reopened(life)
    bench.mutate("app:change", id=life.kept, page="fifth", request=20)
    bench.flush()
    bench.database.log.close()
    life.clock.now_ns += 31 * DAY_NS
    compacted(first, life.clock)

    assert len(checkpoint_names(first)) == 1
    assert checkpoint_names(first) != old
    assert not any(b"fourth" in first.content(file) for file in first.names() if file.endswith(".checkpoint"))
    assert value_of(reopened(life).query("app:pages")) == ["fifth"]


def test_a_crash_at_any_point_of_a_compaction_loses_nothing() -> None:
    life = lived()
    for step in range(40):
        storage = life.storage.copy()
        storage.stops_after = step
        with suppress(Stopped):
            compacted(storage, life.clock)
        storage.crash(keep=lambda name, page: hash((step, name, page)) % 2 == 0)  # noqa: B023
        bench = open_bench(APP, storage, life.clock)
        assert value_of(bench.query("app:pages")) == ["fourth"]
        bench.check()
        bench.database.log.close()
        compacted(storage, life.clock)
        assert not any(SECRET_TEXT in storage.content(file) for file in storage.names())


def test_statistics_say_what_compaction_would_drop_and_has_dropped() -> None:
    life = lived()
    reader = reopened(life).database.log.reader
    before = Statistics.of(reader, Timestamp(life.clock())).tables["visits"]
    life.storage.unlock()
    compacted(life.storage, life.clock)
    after = Statistics.of(reopened(life).database.log.reader, Timestamp(life.clock())).tables["visits"]

    assert (before.history_days, before.beyond, before.dropped) == (30, 2, 0)
    assert before.beyond_size > 0
    assert (after.history_days, after.beyond, after.beyond_size, after.dropped) == (30, 0, 0, 2)
    assert after.current_size == before.current_size


def test_retention_is_a_number_of_days_of_the_class_of_the_table() -> None:
    for wrong in (-1, "30", True, 10**9):
        with pytest.raises(TypeError, match="history_days= is a number of days"):
            type(Document)("Wrong", (Document,), {"__module__": __name__}, history_days=wrong)  # type: ignore[misc]
    with pytest.raises(TypeError, match="say history_days= there"):

        class Other(Visit, tag="other", history_days=3):
            pass
