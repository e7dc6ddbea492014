"""Aggregates that come, change and go with deploys: they count all that is there, whoever wrote it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from relive.engine.data.aggregates import aggregate
from relive.engine.data.indexes import index
from relive.engine.data.schema import Document, field
from relive.engine.transactions.context import MutationCtx

from ..engine.bench import app_of, bench_of
from .test_aggregates import ask


class ByPage(Document, table="visits"):
    page: str = field()
    seconds: int = field()
    clicks: int = field()
    made = aggregate(by=(page,), sum=seconds)


class OtherSum(Document, table="visits"):
    page: str = field()
    seconds: int = field()
    clicks: int = field()
    made = aggregate(by=(page,), sum=clicks)


class OtherOrder(Document, table="visits"):
    page: str = field()
    seconds: int = field()
    clicks: int = field()
    made = aggregate(by=(seconds, page), sum=clicks)


class OnlyIndex(Document, table="visits"):
    page: str = field()
    seconds: int = field()
    clicks: int = field()
    made = index(page)


class Renamed(Document, table="visits"):
    page: str = field()
    spent: int = field(formerly="seconds")
    clicks: int = field()
    made = aggregate(by=(page,), sum=spent)


def test_an_aggregate_that_is_deployed_later_counts_what_is_there() -> None:
    class Old(Document, table="visits"):
        page: str = field()
        seconds: float = 0.0

    class New(Document, table="visits"):
        page: str = field()
        seconds: float = field(default=0.0)
        by_page = aggregate(by=(page,))

    class Newer(Document, table="visits"):
        page: str = field()
        seconds: float = field(default=0.0)
        by_page = aggregate(by=(page,), sum=seconds)

    bench = bench_of(Old)

    async def visit(ctx: MutationCtx) -> None:
        for seconds in (0.1, 0.2, 0.3):
            await ctx.db.insert(Old(page="home", seconds=seconds))

    bench.write(visit)
    bench.deploy(app_of(New, version=2))
    assert ask(bench, lambda ctx: ctx.db.aggregate(New.by_page, "home").count()) == 3
    bench.deploy(app_of(Newer, version=3))
    bench.check()
    assert ask(bench, lambda ctx: ctx.db.aggregate(Newer.by_page, "home").sum()) == math.fsum([0.1, 0.2, 0.3])


def test_a_deploy_may_make_another_of_an_aggregate_and_it_counts_all_that_is_there() -> None:
    bench = bench_of(ByPage)

    def write(cls: Any, last: str = "seconds") -> None:
        async def visit(ctx: MutationCtx) -> None:
            for number in (1, 2, 3):
                await ctx.db.insert(cls(page="home", **{last: number}, clicks=10 * number))

        bench.write(visit)

    def total(cls: Any, *equal: Any) -> tuple[int, int]:
        found: Any = ask(bench, lambda ctx: ctx.db.aggregate(cls.made, *equal).sum())
        count: int = ask(bench, lambda ctx: ctx.db.aggregate(cls.made, *equal).count())
        return found, count

    write(ByPage)
    assert total(ByPage, "home") == (6, 3)
    versions: list[tuple[Any, tuple[Any, ...], tuple[int, int]]] = [
        (OtherSum, ("home",), (120, 6)),
        (OtherOrder, (2,), (60, 3)),
        (OnlyIndex, (), (0, 0)),
        (ByPage, ("home",), (30, 15)),
    ]
    for number, (cls, equal, expected) in enumerate(versions, start=2):
        bench.deploy(app_of(cls, version=number))
        write(cls)
        bench.check()
        if cls is OnlyIndex:
            with pytest.raises(TypeError, match="an index declared with aggregate"):
                total(cls)
        else:
            assert total(cls, *equal) == expected
    bench.deploy(app_of(Renamed, version=6))
    write(Renamed, "spent")
    bench.check()
    assert total(Renamed, "home") == (36, 18)
    bench = bench.reopen()
    assert total(Renamed, "home") == (36, 18)
