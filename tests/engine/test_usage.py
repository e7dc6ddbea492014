"""What a transaction may do: counted, told to whoever asks, warned of, refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from relive.actors.version import Version
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, field, index
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.scan import Scan
from relive.engine.transactions.usage import TransactionLimits, Usage
from relive.log.entry import IndexName

from .bench import Bench, bench_of, text_of, value_of


class Item(Document):
    name: str = field()
    by_name = index(name)


@mutation
async def fill(ctx: MutationCtx, count: int) -> dict[str, list[int]]:
    for number in range(count):
        await ctx.db.insert(Item(name=f"{number:03}"))
    return shown(ctx)


@query
async def read(ctx: QueryCtx, count: int) -> dict[str, list[int]]:
    await ctx.db.query(Item).take(count)
    await ctx.db.query(Item).count()
    return shown(ctx)


@query
async def read_on(ctx: QueryCtx) -> str:
    """A handler that does not take no for an answer."""
    problems = []
    for _ in range(3):
        try:
            await ctx.db.query(Item).collect()
        except Exception as error:
            problems.append(str(error))
    return "\n".join(problems)


def shown(ctx: QueryCtx) -> dict[str, list[int]]:
    return {name: [metric.used, metric.remaining] for name, metric in ctx.meta.transaction_metrics().items()}


@mutation
async def about(ctx: MutationCtx) -> list[str]:
    deployment = ctx.meta.deployment
    return [ctx.meta.function.name, deployment.app, deployment.code[:4], deployment.engine, ctx.meta.request_id]


@pytest.fixture
def bench() -> Bench:
    bench = bench_of(Item, fill=fill, read=read, read_on=read_on, about=about)
    bench.mutate("app:fill", count=10)
    return bench


def test_a_function_can_ask_what_it_has_used_and_what_is_left(bench: Bench) -> None:
    bench.executor.limits = TransactionLimits(documents_read=10, ranges_read=5, documents_written=4)
    metrics = value_of(bench.query("app:read", count=7))

    assert metrics["documents_read"] == [7, 3]
    assert metrics["ranges_read"] == [2, 3]
    assert metrics["documents_written"] == [0, 4]
    assert metrics["bytes_read"][0] > 0
    assert value_of(bench.mutate("app:fill", count=3))["documents_written"] == [3, 1]


@pytest.mark.parametrize(("count", "warned"), [(8, False), (9, True)])
def test_a_run_that_comes_near_a_limit_says_so_in_its_log(bench: Bench, count: int, warned: bool) -> None:
    bench.executor.limits = TransactionLimits(documents_read=10)
    lines = bench.query("app:read", count=count).log_lines

    expected = f"[WARN] 'near a limit: documents read: {count} of 10 allowed in one transaction'"
    assert lines == ((expected,) if warned else ())


def test_the_entry_of_a_mutation_that_came_near_says_so_too(bench: Bench) -> None:
    bench.executor.limits = TransactionLimits(documents_written=5)
    bench.mutate("app:fill", count=5)

    assert "documents written: 5 of 5" in bench.entry().logs[0]


def test_a_refusal_says_used_allowed_and_what_to_do(bench: Bench) -> None:
    bench.executor.limits = TransactionLimits(documents_read=4)
    problem = text_of(bench.query("app:read", count=9))

    assert "too many documents read: 5 in one transaction, 4 allowed. Read a smaller range of an index" in problem


def test_who_wrote_too_much_is_not_told_to_read_less(bench: Bench) -> None:
    bench.executor.limits = TransactionLimits(documents_written=4)
    problem = text_of(bench.mutate("app:fill", count=9))

    assert "too many documents written: 5 in one transaction, 4 allowed. Write less at once" in problem


@pytest.mark.parametrize("count", [-1, 2.5, True, "3"])
def test_a_limit_is_a_count(count: Any) -> None:
    with pytest.raises(ValueError, match="documents_read is a whole number of 0 or more"):
        TransactionLimits(documents_read=count)


def test_whoever_catches_a_refusal_is_refused_again(bench: Bench) -> None:
    bench.executor.limits = TransactionLimits(documents_read=4)

    problems = value_of(bench.query("app:read_on")).split("\n")
    assert [problem.split(" in one")[0] for problem in problems] == [
        f"too many documents read: {count}" for count in (5, 6, 7)
    ]


def test_reaching_a_limit_does_not_depend_on_what_was_kept_from_before(bench: Bench) -> None:
    bench.executor.limits = TransactionLimits(documents_read=8)
    first = bench.query("app:read", count=9)
    reopened = bench.reopen()
    reopened.executor.limits = bench.executor.limits

    assert "too many documents read" in text_of(first)
    assert reopened.query("app:read", count=9).digest == first.digest


def test_a_function_knows_its_deployment_and_its_request(bench: Bench) -> None:
    name, app, code, engine, request_id = value_of(bench.mutate("app:about"))
    assert (name, app, code) == ("app:about", "bench", bench.executor.app.code.hex()[:4])
    assert engine
    assert len(request_id) == 16


def test_queries_have_no_request_for_their_results_are_shared(bench: Bench) -> None:
    contexts: list[Any] = []

    async def look(ctx: QueryCtx) -> None:
        contexts.append(ctx)

    bench.read(look)
    assert not hasattr(contexts[0].meta, "request_id")


class EmptyOverlay:
    generation = 0

    def merged(self, *_: object) -> Iterator[tuple[bytes, Version]]:
        return iter(())


@pytest.mark.parametrize(("stop", "bytes_read"), [(b"b", 4), (None, 3)])
def test_both_ends_of_a_range_count_as_bytes_read(stop: bytes | None, bytes_read: int) -> None:
    overlay: Any = EmptyOverlay()
    usage = Usage()
    assert [*Scan(overlay, usage, IndexName("items", "by_name"), b"abc", stop, False)] == []
    assert (usage.ranges_read, usage.bytes_read) == (1, bytes_read)
