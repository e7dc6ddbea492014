"""The assembled database under trio, on a disk that works, fills up and fails."""

from __future__ import annotations

import pytest
import trio
from relive.actors.errors import CommitterFailed, WritesRefused
from relive.actors.runtime import Runtime
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.log.errors import DiskFull, FolderInUse
from relive.log.memory import MemoryStorage

from .bench import app_of, bench_of, open_bench, text_of, value_of


class Line(Document):
    text: str


@mutation
async def add(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert(Line(text=text))


@query
async def lines(ctx: QueryCtx) -> list[str]:
    found = []
    async for line in ctx.db.query(Line):
        found.append(line.text)
        if len(found) == 100:
            break
    return found


APP = app_of(Line, functions={"app:add": add, "app:lines": lines})


async def test_a_database_runs_until_it_is_stopped_and_keeps_what_it_acknowledged() -> None:
    bench = open_bench(APP)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.database.run)
        for number in range(20):
            outcome = bench.mutate("app:add", text=str(number))
        await bench.database.runtime.wait_durable(outcome.lsn)
        assert value_of(bench.query("app:lines")) == [str(number) for number in range(20)]
        bench.database.runtime.stop()
    bench.storage.crash()
    again = open_bench(APP, bench.storage)

    assert value_of(again.query("app:lines")) == [str(number) for number in range(20)]


async def test_a_crash_loses_nothing_that_was_acknowledged() -> None:
    bench = open_bench(APP)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.database.run)
        outcome = bench.mutate("app:add", text="kept")
        await bench.database.runtime.wait_durable(outcome.lsn)
        nursery.cancel_scope.cancel()
    bench.mutate("app:add", text="never written")
    bench.storage.crash()

    assert value_of(open_bench(APP, bench.storage).query("app:lines")) == ["kept"]


async def test_a_full_disk_refuses_writes_and_goes_on_reading() -> None:
    bench = open_bench(APP)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.database.run)
        await bench.database.runtime.wait_durable(bench.mutate("app:add", text="kept").lsn)
        bench.storage.space = 0
        with pytest.raises(WritesRefused):
            await bench.database.runtime.wait_durable(bench.mutate("app:add", text="lost").lsn)
        with pytest.raises(WritesRefused, match="writes are refused"):
            bench.mutate("app:add", text="refused")

        assert value_of(bench.query("app:lines")) == ["kept"]
        bench.storage.space = None
        bench.clock.now_ns += 2 * 10**9
        await bench.database.runtime.wait_durable(bench.mutate("app:add", text="again").lsn)
        bench.check()
        bench.database.runtime.stop()

    assert value_of(bench.reopen().query("app:lines")) == ["kept", "again"]


async def test_a_failed_fsync_ends_the_run() -> None:
    bench = open_bench(APP)
    bench.storage.failing_syncs = 1
    bench.mutate("app:add", text="lost")
    with pytest.raises(BaseExceptionGroup) as ended:
        await bench.database.run()

    assert ended.group_contains(CommitterFailed)
    with pytest.raises(CommitterFailed):
        bench.mutate("app:add", text="never")


def test_one_database_has_the_folder() -> None:
    bench = open_bench(APP)

    with pytest.raises(FolderInUse):
        open_bench(APP, bench.storage)


def test_an_app_without_tables_can_be_served_and_get_some_later() -> None:
    @query
    async def one(ctx: QueryCtx) -> int:
        return 1

    bench = open_bench(app_of(functions={"app:one": one}))
    assert value_of(bench.query("app:one")) == 1
    bench.deploy(app_of(Line, version=2, functions={"app:add": add, "app:lines": lines}))
    bench.mutate("app:add", text="first")

    assert value_of(bench.reopen().query("app:lines")) == ["first"]


def test_an_invariant_that_breaks_inside_of_a_commit_is_not_told_to_clients_as_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = open_bench(APP)

    def break_down(runtime: Runtime, request: object) -> None:
        runtime.supervisor.stop("an invariant broke", AssertionError())

    monkeypatch.setattr(Runtime, "commit", break_down)

    with pytest.raises(CommitterFailed):
        bench.mutate("app:add", text="x")


def test_a_function_of_a_deployed_app_can_be_taken_away() -> None:
    bench = bench_of(Line, add=add)
    bench.deploy(app_of(Line, version=2))

    assert "Could not find public function" in text_of(bench.mutate("app:add", text="x"))


def test_a_disk_that_is_full_from_the_start_is_told() -> None:
    storage = MemoryStorage(space=0)

    with pytest.raises(DiskFull):
        open_bench(APP, storage)
