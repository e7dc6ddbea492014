"""The traffic of the past against other code."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from relive.engine.application.app import App, load_bundle
from relive.engine.application.bundle import bundle_of
from relive.engine.history.errors import DoesNotFit
from relive.engine.history.shadow import EXAMPLES_MAX, Shadow, Shadowed
from relive.log.entry import LSN

from .bench import SECRET, Bench, open_bench, value_of

SCHEMA = """
from relive import Document, field, index

class Item(Document):
    name: str = field()
    count: int = 0
    by_name = index(name)
"""

ITEMS = """
import random

from relive import Id, MutationCtx, mutation

from .schema import Item

@mutation
async def add(ctx: MutationCtx, name: str) -> Id[Item]:
    return await ctx.db.insert(Item(name=name, count=random.randrange(10)))

@mutation
async def count_up(ctx: MutationCtx, name: str) -> int:
    items = await ctx.db.query(Item).index(Item.by_name, name).collect()
    for item in items:
        await ctx.db.patch(item.id, count=item.count + 1)
    return len(items)
"""


def app_of(schema: str = SCHEMA, items: str = ITEMS) -> App:
    return load_bundle("items", bundle_of("items", {"schema": schema.encode(), "items": items.encode()}))


@pytest.fixture
def bench() -> Iterator[Bench]:
    app = app_of()
    bench = open_bench(app)
    for name in ("a", "b", "c", "a"):
        value_of(bench.mutate("items:add", name=name))
        value_of(bench.mutate("items:count_up", name=name))
    bench.flush()
    yield bench
    assert app.modules is not None
    app.modules.uninstall()


def shadowed(bench: Bench, app: App, first: int = 1, last: int | None = None) -> Shadowed:
    ticks = count()
    head = bench.database.runtime.tail.head
    try:
        work = Shadow(bench.database.log.reader, SECRET, lambda: next(ticks))
        return work.run(app, LSN(first), LSN(last or head))
    finally:
        assert app.modules is not None
        app.modules.uninstall()


def counts(result: Shadowed, function: str) -> tuple[int, int, int, int]:
    tally = result.functions[function]
    return tally.same, tally.writes, tally.results, tally.errors


def test_the_same_code_does_the_same(bench: Bench) -> None:
    result = shadowed(bench, app_of())

    assert counts(result, "items:add") == counts(result, "items:count_up") == (4, 0, 0, 0)
    assert result.is_same
    assert result.examples == []
    assert sum(result.left_out.values()) == 1  # the deploy
    cost = result.functions["items:count_up"].now
    assert (cost.runs, cost.documents_read) == (4, 2 * (1 + 1 + 1 + 2))  # the query, and each patch
    assert cost == result.functions["items:count_up"].before


def test_other_writes_are_found_and_shown(bench: Bench) -> None:
    result = shadowed(bench, app_of(items=ITEMS.replace("item.count + 1", "item.count + (2 if name == 'a' else 1)")))

    assert counts(result, "items:count_up") == (2, 2, 0, 0)
    assert counts(result, "items:add") == (4, 0, 0, 0)
    assert not result.is_same
    assert [(each.function, each.what) for each in result.examples] == [("items:count_up", "writes")] * 2
    assert result.examples[0].recorded != result.examples[0].again


def test_another_result_is_told_from_other_writes(bench: Bench) -> None:
    result = shadowed(bench, app_of(items=ITEMS.replace("return len(items)", "return -len(items)")))

    assert counts(result, "items:count_up") == (0, 0, 4, 0)
    assert (result.examples[0].recorded, result.examples[0].again) == ("1.0", "-1.0")
    assert len(result.examples) == EXAMPLES_MAX


def test_new_errors_are_found(bench: Bench) -> None:
    failing = shadowed(bench, app_of(items=ITEMS.replace("return len(items)", "return 1 // (2 - len(items))")))
    gone = shadowed(bench, app_of(items=ITEMS.replace("def count_up", "def count_more")))

    assert counts(failing, "items:count_up") == (3, 0, 0, 1)
    assert "ZeroDivisionError" in failing.examples[0].again
    assert counts(gone, "items:count_up") == (0, 0, 0, 4)
    assert gone.examples[0].again == "there is no such mutation"


def test_a_range_alone_is_compared(bench: Bench) -> None:
    result = shadowed(bench, app_of(), 3, 5)

    assert counts(result, "items:add") == (1, 0, 0, 0)
    assert counts(result, "items:count_up") == (2, 0, 0, 0)
    assert (result.first, result.last, sum(result.left_out.values())) == (3, 5, 0)


def test_a_new_field_with_a_default_is_no_difference(bench: Bench) -> None:
    result = shadowed(bench, app_of(SCHEMA.replace("    count", '    color: str = "red"\n    count')))

    assert result.is_same


def test_a_schema_that_does_not_fit_is_refused_with_the_entry(bench: Bench) -> None:
    for schema, first in ((SCHEMA.replace("    count", "    color: str\n    count"), 1), (SCHEMA, 1)):
        wrong = schema.replace("name: str = field()", "name: int = field()") if schema == SCHEMA else schema
        with pytest.raises(DoesNotFit) as caught:
            shadowed(bench, app_of(wrong), first)
        assert caught.value.lsn == 2
        assert "do not fit the schema" in str(caught.value)
