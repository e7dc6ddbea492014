"""The past of documents, as the log tells it."""

from __future__ import annotations

import pytest
from relive.engine.data.schema import Document, Id, field, index
from relive.engine.history.biography import biography, differences
from relive.engine.history.errors import NoHistory
from relive.engine.history.statistics import DAY_NS, Statistics
from relive.engine.transactions.context import MutationCtx
from relive.log.entry import LSN

from .bench import app_of, open_bench


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

    statistics = Statistics.of(bench.database.log.reader)
    tally = statistics.tables["tickets"]
    first, second = (write.document for lsn in (2, 3) for write in bench.entry(LSN(lsn)).writes)
    assert first is not None
    assert second is not None
    assert (tally.documents, tally.versions, tally.tombstones) == (1, 2, 0)
    assert (tally.current_size, tally.old_size) == (len(second), len(first))
    assert statistics.total.entries == 3
    assert statistics.growth_per_day is not None
    assert abs(statistics.growth_per_day - statistics.total.size) <= 1
