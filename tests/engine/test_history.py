"""The past of documents, as the log tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, Id, field, index
from relive.engine.execution.calls import Call
from relive.engine.history.biography import biography, differences
from relive.engine.history.errors import NoHistory
from relive.engine.history.statistics import DAY_NS, Statistics
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.revisions import Revision
from relive.log.entry import LSN, Timestamp
from relive.protocol import json
from relive.protocol.results import QueryFailure, QuerySuccess

from .bench import Bench, app_of, open_bench


class Ticket(Document):
    owner: str = field()
    tags: dict[str, int] = field(default_factory=dict)
    by_owner = index(owner)


async def issue(ctx: MutationCtx) -> Id[Ticket]:
    return await ctx.db.insert(Ticket(owner="ada", tags={"a": 1}))


def test_a_biography_follows_the_versions_of_one_document() -> None:
    bench = open_bench(app_of(Ticket))
    id, other = bench.write(issue), bench.write(issue)

    async def change(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, owner="bob", tags={"a": 1, "b": 2})

    async def remove(ctx: MutationCtx) -> None:
        await ctx.db.delete(other)
        await ctx.db.delete(id)

    bench.write(change)
    bench.write(remove)
    bench.flush()

    chapters = list(biography(bench.database.log.reader, "tickets", id))
    assert [chapter.entry.lsn for chapter in chapters] == [5, 4, 2]
    assert [(each.path, each.before, each.after) for each in chapters[1].changes()] == [
        ("owner", "ada", "bob"),
        ("tags.b", None, 2),
    ]
    assert chapters[0].after is None
    assert chapters[2].before is None
    assert [each.was_there for each in chapters[2].changes()] == [False] * 4
    with pytest.raises(NoHistory):
        next(biography(bench.database.log.reader, "tickets", "nothing"))


def test_fields_differ_by_the_value_model() -> None:
    found = list(differences({"a": 1, "b": None, "c": {"d": 1}}, {"a": True, "c": {"d": 1, "e": [1]}}))

    assert [(each.path, each.was_there, each.is_there) for each in found] == [
        ("a", True, True),
        ("b", True, False),
        ("c.e", False, True),
    ]


def test_statistics_tell_current_from_old_bytes() -> None:
    bench = open_bench(app_of(Ticket))
    id = bench.write(issue)
    bench.clock.now_ns += DAY_NS

    async def change(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, owner="b")

    bench.write(change)
    bench.flush()

    statistics = Statistics.of(bench.database.log.reader, Timestamp(bench.clock()))
    tally = statistics.tables["tickets"]
    first, second = (write.document for lsn in (2, 3) for write in bench.entry(LSN(lsn)).writes)
    assert first is not None
    assert second is not None
    assert (tally.documents, tally.versions, tally.tombstones) == (1, 2, 0)
    assert (tally.current_size, tally.old_size) == (len(second), len(first))
    assert statistics.total.entries == 3
    assert statistics.growth_per_day is not None
    assert abs(statistics.growth_per_day - statistics.total.size) <= 1


@query
async def past_of(ctx: QueryCtx, id: Id[Ticket], limit: int = 100) -> list[Revision[Ticket]]:
    return await ctx.db.history(id, limit)


@query
async def owners_of(ctx: QueryCtx, id: Id[Ticket]) -> list[str | None]:
    return [each.document.owner if each.document else None for each in await ctx.db.history(id)]


@mutation
async def rename(ctx: MutationCtx, id: Id[Ticket], owner: str) -> int:
    await ctx.db.patch(id, owner=owner)
    return len(await ctx.db.history(id))


def history_bench() -> Bench:
    return open_bench(app_of(Ticket, functions={"app:past": past_of, "app:owners": owners_of, "app:rename": rename}))


def value_of(answer: QuerySuccess | QueryFailure) -> Any:
    assert isinstance(answer, QuerySuccess), answer
    return json.decode(answer.value)


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_query_sees_the_versions_of_a_document(on_disk: bool) -> None:
    bench = history_bench()
    id = bench.write(issue)
    bench.mutate("app:rename", id=id, owner="bob")
    if on_disk:
        bench.flush()
        bench = bench.reopen()

    newest, first = value_of(bench.query("app:past", id=id))
    assert (newest["lsn"], newest["function"], newest["document"]["owner"]) == (3, "app:rename", "bob")
    assert (first["lsn"], first["document"]["owner"]) == (2, "ada")
    assert newest["ts"] == bench.entry(LSN(3)).ts
    assert [each["lsn"] for each in value_of(bench.query("app:past", id=id, limit=1))] == [3]
    assert isinstance(bench.query("app:past", id=id, limit=0), QueryFailure)


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_deleted_document_has_a_past(on_disk: bool) -> None:
    bench = history_bench()
    id = bench.write(issue)

    async def remove(ctx: MutationCtx) -> None:
        await ctx.db.delete(id)

    bench.write(remove)
    bench.write(issue)
    if on_disk:
        bench.flush()
        bench = bench.reopen()

    assert value_of(bench.query("app:owners", id=id)) == [None, "ada"]


def test_a_search_for_a_deletion_ends_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = history_bench()
    id, lost = bench.write(issue), bench.write(issue)

    async def remove(ctx: MutationCtx) -> None:
        await ctx.db.delete(lost)

    bench.write(remove)
    bench.mutate("app:rename", id=id, owner="bob")
    bench.flush()
    bench = bench.reopen()
    monkeypatch.setattr("relive.engine.execution.past_entries.HISTORY_SEARCH_ENTRIES_MAX", 1)

    failure = bench.query("app:owners", id=lost)
    assert isinstance(failure, QueryFailure)
    assert "entries searched for a deleted document" in failure.message
    monkeypatch.setattr("relive.engine.execution.past_entries.HISTORY_SEARCH_ENTRIES_MAX", 2)
    assert value_of(bench.query("app:owners", id=lost)) == [None, "ada"]


def test_history_follows_the_document_and_not_ones_own_writes() -> None:
    bench = history_bench()
    id = bench.write(issue)

    evaluated = bench.executor.query(Call("app:owners", [{"id": id}]))
    assert [str(read.index) for read in evaluated.reads] == ["tickets.by_id"]
    assert id.encode() in evaluated.reads[0]
    # A mutation sees what was committed before it.
    assert bench.mutate("app:rename", id=id, owner="bob").outcome.result == b"1.0"  # type: ignore[union-attr]
    assert bench.mutate("app:rename", id=id, owner="eve").outcome.result == b"2.0"  # type: ignore[union-attr]
    assert value_of(bench.query("app:owners", id=id)) == ["eve", "bob", "ada"]


def test_the_past_has_its_own_past() -> None:
    bench = history_bench()
    id = bench.write(issue)
    bench.mutate("app:rename", id=id, owner="bob")
    past, lsn = bench.database.past(bench.entry(LSN(2)).ts)

    evaluated = bench.executor.query(Call("app:owners", [{"id": id}]), past, lsn)
    assert isinstance(evaluated.result, QuerySuccess)
    assert json.decode(evaluated.result.value) == ["ada"]


def test_a_version_that_fits_the_table_no_more_is_a_mapping() -> None:
    class Other(Document, table="tickets"):
        holder: str = field()

    @query
    async def kinds(ctx: QueryCtx, id: str) -> list[str]:
        found = await ctx.db.history(Id[Any](id))
        return [each.document["owner"] if isinstance(each.document, Mapping) else "new" for each in found]

    bench = history_bench()
    id = bench.write(issue)

    async def remove(ctx: MutationCtx) -> None:
        await ctx.db.delete(id)

    bench.write(remove)
    bench.flush()
    bench = bench.reopen(app_of(Other, functions={"app:kinds": kinds}))

    assert value_of(bench.query("app:kinds", id=id)) == ["new", "ada"]
