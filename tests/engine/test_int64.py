"""Int64 is a kind of its own: no number is taken for one, and none for a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from relive.engine.application.app import load_app
from relive.engine.data.schema import Document, Record, field, index
from relive.engine.database import Database
from relive.engine.env import real_env
from relive.engine.execution.calls import Call, Request
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.operations import append
from relive.log.memory import MemoryStorage
from relive.protocol import json
from relive.protocol.results import FunctionFailure, MutationSuccess, QueryFailure, QuerySuccess
from relive.protocol.values import Int64

from .bench import Bench, app_of, bench_of

SOURCE = """
from __future__ import annotations
from relive import *


class Row(Document):
    n: Int64 = field()
    by_n = index(n)


class Inner(Record):
    numbers: list[int]


@mutation
async def add(ctx: MutationCtx, n: Int64) -> Int64:
    return (await ctx.db.get(await ctx.db.insert(Row(n=n)))).n


@query
async def exactly(ctx: QueryCtx, n: int) -> int:
    return len(await ctx.db.query(Row).index(Row.by_n, n).collect())


@query
async def above(ctx: QueryCtx, n: int) -> int:
    return len(await ctx.db.query(Row).index(Row.by_n, gt=n).collect())


@query
async def total(ctx: QueryCtx, inner: Inner) -> int:
    return sum(inner.numbers)
"""
FIVE = {"$integer": "BQAAAAAAAAA="}
REQUEST = Request("client", None, 0)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    folder = tmp_path / "int64app"
    folder.mkdir()
    (folder / "rows.py").write_text(SOURCE)
    return Database.open(MemoryStorage(), load_app(folder), real_env(), b"secret")


def test_an_int64_goes_in_and_comes_out_as_one(database: Database) -> None:
    done = database.executor.mutate(Call("rows:add", [{"n": FIVE}]), REQUEST).outcome

    assert isinstance(done, MutationSuccess)
    assert json.decode(done.result) == Int64(5)
    assert type(json.decode(done.result)) is Int64


def test_a_number_is_not_taken_for_an_int64(database: Database) -> None:
    done = database.executor.mutate(Call("rows:add", [{"n": 5.0}]), REQUEST).outcome

    assert isinstance(done, FunctionFailure)
    assert "Expected `Int64`, got `int` (at $.n)" in done.message


@pytest.mark.parametrize(
    ("path", "args", "where"),
    [("rows:exactly", {"n": FIVE}, "$.n"), ("rows:total", {"inner": {"numbers": [1.0, FIVE]}}, "$.inner.numbers[1]")],
)
def test_an_int64_is_not_taken_for_a_number(database: Database, path: str, args: object, where: str) -> None:
    answer = database.executor.query(Call(path, [args])).result

    assert isinstance(answer, QueryFailure)
    assert f"expected a number, got an Int64 (bigint) (at {where})" in answer.message


@pytest.mark.parametrize(
    ("path", "n", "found"), [("exactly", 5, 1), ("exactly", 4, 0), ("above", 4, 1), ("above", 5, 0)]
)
def test_pythons_own_int_finds_an_int64(database: Database, path: str, n: int, found: int) -> None:
    database.executor.mutate(Call("rows:add", [{"n": FIVE}]), REQUEST)

    answer = database.executor.query(Call(f"rows:{path}", [{"n": n}])).result
    assert isinstance(answer, QuerySuccess)
    assert json.decode(answer.value) == found


class Counted(Record):
    times: Int64 = Int64(0)
    also: list[Int64 | None] = field(default_factory=list)


class Tally(Document):
    n: Int64 = field()
    plain: int
    many: list[Int64]
    by_name: dict[str, Int64]
    counted: Counted
    any: Any = None
    by_n = index(n)


async def untyped(ctx: QueryCtx) -> list[Any]:
    return await ctx.db.query("tallies").collect()


def test_the_log_says_of_pythons_own_ints_that_they_are_int64_where_the_class_says_so() -> None:
    """Without the class, or with another, a restart must give what was there before it."""
    bench = bench_of(Tally)

    async def insert(ctx: MutationCtx) -> Any:
        counted = Counted(times=4, also=[5, None])  # type: ignore[arg-type,list-item]
        return await ctx.db.insert(
            Tally(n=1, plain=1, many=[2], by_name={"a": 3}, counted=counted, any=[6])  # type: ignore[arg-type,list-item,dict-item]
        )

    def changed() -> Bench:
        bench = bench_of(Tally)
        id = bench.write(insert)

        async def change(ctx: MutationCtx) -> None:
            await ctx.db.patch(id, n=7)
            await ctx.db.merge(id, many=append(8))

        bench.write(change)
        return bench

    without = app_of(version=2)
    again, bench = changed().reopen(without), changed()
    bench.deploy(without)

    for each in (again, bench):
        (row,) = each.read(untyped)
        assert [type(item) for item in (row["n"], *row["many"], *row["by_name"].values())] == [Int64] * 4
        assert [type(row["counted"]["times"]), *map(type, row["counted"]["also"])] == [Int64, Int64, type(None)]
        assert [type(row["plain"]), type(row["any"][0])] == [int, int]
        assert (row["n"], row["many"]) == (7, [2, 8])
