"""What aggregates cost, and what they save: ``python -m benchmarks.aggregates [DOCUMENTS]``.

Ratios of one process, in memory: each way to ask about a range of all documents to `count()` of the same
range and to reading all of it; and a mutation on a table with an aggregate to one on a table without.
Rates are the best of three rounds, for other work on the machine comes and goes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter

from relive import TransactionLimits
from relive.testing import TestApp

DOCUMENTS = 100_000
PER_CALL = 5_000
ROUNDS = 3
SECONDS = 0.4
READ_ALL = 32_000
"""A transaction reads no more than so many: reading all of them takes several."""

SOURCE = """
from relive import Document, MutationCtx, QueryCtx, aggregate, field, index, mutation, query

class Plain(Document):
    shop: str = field()
    price: float = field()
    by_shop = index(shop, price)

class Added(Document):
    shop: str = field()
    price: float = field()
    by_shop = aggregate(by=(shop, price), sum=price)

@mutation
async def fill(ctx: MutationCtx, start: int, stop: int) -> None:
    for number in range(start, stop):
        await ctx.db.insert(Added(shop="a", price=number / 7))

@mutation
async def plain(ctx: MutationCtx) -> None:
    await ctx.db.insert(Plain(shop="b", price=ctx.random.random()))

@mutation
async def added(ctx: MutationCtx) -> None:
    await ctx.db.insert(Added(shop="b", price=ctx.random.random()))

@query
async def nothing(ctx: QueryCtx) -> None:
    pass

@query
async def count(ctx: QueryCtx) -> int:
    return await ctx.db.query(Added).index(Added.by_shop, "a", gte=1.0).count()

@query
async def total(ctx: QueryCtx) -> float:
    return await ctx.db.aggregate(Added.by_shop, "a", gte=1.0).sum()

@query
async def greatest(ctx: QueryCtx) -> float | None:
    return await ctx.db.aggregate(Added.by_shop, "a", gte=1.0).max()

@query
async def rank(ctx: QueryCtx) -> int:
    return await ctx.db.aggregate(Added.by_shop, "a").rank(5000.0)

@query
async def middle(ctx: QueryCtx, position: int) -> float:
    return (await ctx.db.aggregate(Added.by_shop, "a").at(position)).price

@query
async def scan(ctx: QueryCtx, limit: int) -> float:
    return sum(each.price for each in await ctx.db.query(Added).index(Added.by_shop, "a", gte=1.0).take(limit))
"""


def time_of(call: Callable[[], object]) -> float:
    """Seconds that a call takes, the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        start, calls = perf_counter(), 0
        while perf_counter() - start < SECONDS:
            call()
            calls += 1
        best = min(best, (perf_counter() - start) / calls)
    return best


def main(documents: int) -> None:
    with TestApp({"app": SOURCE}, twice=False) as app:
        for start in range(0, documents, PER_CALL):
            app.mutation("app:fill", start=start, stop=min(start + PER_CALL, documents))
        limit = min(documents, READ_ALL - 1, TransactionLimits().documents_read)
        empty = time_of(lambda: app.query("app:nothing"))
        count = time_of(lambda: app.query("app:count")) - empty
        scan = (time_of(lambda: app.query("app:scan", limit=limit)) - empty) * documents / limit
        print(f"{documents:,} documents; a query of nothing takes {empty * 1e6:.0f} us, and is taken off")
        print(f"{'count()':12} {count * 1e6:8.0f} us   {scan / count:10,.0f} times faster than reading all")
        for name, args in (("total", {}), ("greatest", {}), ("rank", {}), ("middle", {"position": documents // 2})):
            taken = time_of(lambda name=name, args=args: app.query(f"app:{name}", **args)) - empty  # type: ignore[misc]
            ratio = f"{scan / taken:10,.0f} times faster than reading all, {taken / count:.1f} times a count()"
            print(f"{name:12} {taken * 1e6:8.0f} us   {ratio}")
        plain, added = (time_of(lambda name=name: app.mutation(f"app:{name}")) for name in ("plain", "added"))  # type: ignore[misc]
        print(f"a mutation of one document with an aggregate: {added / plain:.2f} times one with an index")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENTS)
