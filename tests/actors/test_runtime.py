"""The actors under trio: nothing leaves before it is durable, and what each failure means."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import Factory, define, field
from relive.actors.errors import CommitterFailed, WritesRefused
from relive.actors.messages import Commit
from relive.actors.supervisor import REBUILDS_MAX
from relive.actors.tables import Tables
from relive.actors.tail import Committed
from relive.actors.version import Change
from relive.log.entry import LSN, Kind
from relive.log.errors import SyncFailed
from relive.log.memory import MemoryStorage
from relive.log.writer import Batch
from trio.testing import wait_all_tasks_blocked

from .samples import Machine, commit_of, ranks_in


@define(eq=False)
class Disk:
    """Writes batches when the test lets it, and remembers how many entries each held."""

    batches: list[int] = field(factory=list)
    may_write: trio.Event = Factory(trio.Event)

    async def write(self, write: Callable[[Batch], LSN], batch: Batch) -> LSN:
        self.batches.append(len(batch))
        await self.may_write.wait()
        return write(batch)

    def open(self) -> None:
        self.may_write.set()

    def shut(self) -> None:
        self.may_write = trio.Event()


@define(eq=False)
class Item:
    """Waits behind the release gate."""

    released: bool = False
    dropped: str = ""

    def release(self) -> None:
        self.released = True

    def wake(self) -> None:
        assert self.released

    def drop(self, problem: str) -> None:
        self.dropped = problem


@asynccontextmanager
async def running(machine: Machine) -> AsyncIterator[None]:
    """The writer task runs; at the end everything queued is written."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(machine.runtime.write_log)
        yield
        machine.runtime.stop()


def machine_with(disk: Disk, storage: MemoryStorage | None = None) -> Machine:
    return Machine.start(storage, disk.write)


async def failure_of(machine: Machine, act: Callable[[], Awaitable[None]]) -> BaseExceptionGroup[BaseException]:
    """How the process stops while ``act`` and the writer task run."""
    with pytest.raises(BaseExceptionGroup) as stopped:
        await run_beside_the_writer(machine, act)
    return stopped.value


async def run_beside_the_writer(machine: Machine, act: Callable[[], Awaitable[None]]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(machine.runtime.supervisor.wait_failed)
        nursery.start_soon(machine.runtime.write_log)
        await act()


def held(machine: Machine, lsn: int) -> Item:
    item = Item()
    machine.runtime.hold(LSN(lsn), item)
    return item


async def test_nothing_is_released_before_it_is_durable() -> None:
    disk = Disk()
    machine = machine_with(disk)
    async with running(machine):
        item = held(machine, machine.commit(a=1).lsn)
        await wait_all_tasks_blocked()

        assert machine.ranks() == {"a": 1}
        assert not item.released
        disk.open()
        await machine.runtime.wait_durable(LSN(1))
        assert item.released
        assert held(machine, 1).released


async def test_while_one_batch_is_written_the_next_gathers() -> None:
    disk = Disk()
    machine = machine_with(disk)
    async with running(machine):
        machine.commit(a=0)
        await wait_all_tasks_blocked()
        for number in range(1, 6):
            machine.commit(a=number)
        disk.open()

    assert disk.batches == [1, 5]
    assert machine.runtime.committer.durable == 6


async def test_stopping_writes_what_is_queued_first() -> None:
    disk = Disk()
    disk.open()
    machine = machine_with(disk)
    async with running(machine):
        machine.commit(a=1)

    machine.runtime.log.close()
    assert Machine.start(machine.storage).ranks() == {"a": 1}


async def test_items_leave_in_the_order_in_which_they_came() -> None:
    disk = Disk()
    machine = machine_with(disk)
    left = []
    async with running(machine), trio.open_nursery() as waiters:
        for number in range(5):
            lsn = machine.commit(a=number).lsn

            async def wait(lsn: LSN = lsn) -> None:
                await machine.runtime.wait_durable(lsn)
                left.append((lsn, machine.runtime.committer.durable))

            waiters.start_soon(wait)
        await wait_all_tasks_blocked()
        disk.open()

    assert sorted(lsn for lsn, _ in left) == [1, 2, 3, 4, 5]
    assert all(lsn <= durable for lsn, durable in left)


async def test_a_failed_fsync_stops_the_process() -> None:
    disk = Disk()
    machine = machine_with(disk)
    item = held(machine, machine.commit(a=1).lsn)
    machine.storage.failing_syncs = 1
    disk.open()
    failure = await failure_of(machine, trio.sleep_forever)

    assert "the log could not be written" in str(failure.exceptions[0])
    assert not item.released
    with pytest.raises(CommitterFailed):
        machine.commit(a=2)


async def test_a_commit_after_a_failed_fsync_stops_the_process_too() -> None:
    machine = Machine.start()
    machine.commit(a=1)
    machine.storage.failing_syncs = 1
    batch = machine.runtime.log.writer.take()
    assert batch is not None
    with pytest.raises(SyncFailed):
        machine.runtime.log.writer.write(batch)

    # The thread knows it already, the writer task has not come to hear of it.
    with pytest.raises(CommitterFailed, match="the log could not be written"):
        machine.commit(a=2)


async def test_after_a_failed_fsync_the_log_has_the_truth() -> None:
    disk = Disk()
    disk.open()
    machine = machine_with(disk)

    async def fail_second() -> None:
        machine.commit(a=1)
        await machine.runtime.wait_durable(LSN(1))
        machine.storage.failing_syncs = 1
        machine.commit(a=2)

    await failure_of(machine, fail_second)
    machine.storage.crash()

    assert Machine.start(machine.storage).ranks() == {"a": 1}


async def test_on_a_full_disk_what_was_not_written_is_taken_back_and_reads_go_on() -> None:
    disk = Disk()
    disk.open()
    machine = machine_with(disk)
    rewinds: list[LSN] = []
    machine.runtime.rewind = lambda: rewinds.append(machine.runtime.tail.head)
    async with running(machine):
        machine.commit(a=1, b=1)
        await machine.runtime.wait_durable(LSN(1))
        machine.storage.space = 0
        disk.shut()
        machine.commit(a=2)
        await wait_all_tasks_blocked()
        machine.transact({"b": None, "c": 3}, request=(b"session-number-1", 1))
        items = [held(machine, 2), held(machine, 3)]
        disk.open()
        with pytest.raises(WritesRefused):
            await machine.runtime.wait_durable(LSN(3))

        machine.check()
        assert [(item.released, bool(item.dropped)) for item in items] == [(False, True)] * 2
        assert machine.ranks() == {"a": 1, "b": 1}
        assert machine.runtime.requests.find(b"session-number-1", 1) is None
        assert (machine.runtime.tail.head, rewinds) == (1, [1])
        with pytest.raises(WritesRefused):
            machine.commit(a=4)
        machine.storage.space = None
        machine.now += 10**9
        assert machine.transact({"c": 5}, request=(b"session-number-1", 1)).lsn == 2
        await machine.runtime.wait_durable(LSN(2))

    machine.check()
    machine.runtime.log.close()
    again = Machine.start(machine.storage)
    assert again.ranks() == machine.ranks() == {"a": 1, "b": 1, "c": 5}
    assert again.runtime.requests.find(b"session-number-1", 1) == 2


async def test_a_full_disk_that_stays_full_refuses_again() -> None:
    disk = Disk()
    disk.open()
    machine = machine_with(disk)
    async with running(machine):
        machine.commit(a=1)
        await machine.runtime.wait_durable(LSN(1))
        machine.storage.space = 0
        for _ in range(3):
            machine.now += 10**9
            lsn = machine.commit(a=2).lsn
            with pytest.raises(WritesRefused):
                await machine.runtime.wait_durable(lsn)
            machine.check()
            assert (lsn, machine.ranks()) == (2, {"a": 1})


async def test_a_deploy_that_the_disk_refuses_stops_the_process() -> None:
    disk = Disk()
    disk.open()
    machine = machine_with(disk)
    machine.storage.space = 0
    machine.runtime.commit(commit_of(machine.runtime.tables, {"a": 1}, kind=Kind.DEPLOY))
    failure = await failure_of(machine, trio.sleep_forever)

    assert "a deploy could not be written" in str(failure.exceptions[0])


@define(eq=False)
class Failing:
    """Tables' follower: fails so many times, having done half of its work."""

    times: int
    apply: Callable[[Tables, Committed], None]

    def __call__(self, tables: Tables, committed: Committed) -> None:
        if self.times:
            self.times -= 1
            change: Change = committed.changes[0]
            tables.table(change.table).apply(change, committed.entry.lsn)
            raise RuntimeError("a bug in the tables")
        self.apply(tables, committed)


def fail(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    failing = Failing(times, Tables.apply)
    monkeypatch.setattr(Tables, "apply", lambda tables, committed: failing(tables, committed))
    monkeypatch.setattr(logging.getLogger("relive"), "disabled", True)


async def test_tables_that_fail_once_are_rebuilt_from_the_log_and_serve_on(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()
    disk.open()
    machine = machine_with(disk)
    tables, rewinds = machine.runtime.tables, []
    machine.runtime.rewind = lambda: rewinds.append(tables.position)
    async with running(machine):
        machine.commit(a=1, b=1)
        await machine.runtime.wait_durable(LSN(1))
        disk.shut()
        machine.commit(b=None, c=2)
        await wait_all_tasks_blocked()
        fail(monkeypatch, times=1)
        machine.commit(a=3, c=3)
        machine.check()

        assert (machine.ranks(), rewinds) == ({"a": 3, "c": 3}, [3])
        assert machine.runtime.tables is tables
        machine.commit(a=4)
        disk.open()
        await machine.runtime.wait_durable(LSN(4))

    machine.check()
    assert ranks_in(tables) == {"a": 4, "c": 3}
    machine.runtime.log.close()
    assert Machine.start(machine.storage).ranks() == {"a": 4, "c": 3}


async def test_what_was_rebuilt_can_still_be_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()
    disk.open()
    machine = machine_with(disk)
    async with running(machine):
        machine.commit(a=1)
        await machine.runtime.wait_durable(LSN(1))
        disk.shut()
        machine.storage.space = 0
        fail(monkeypatch, times=1)
        machine.commit(a=2, b=2)
        machine.commit(a=3)
        disk.open()
        with pytest.raises(WritesRefused):
            await machine.runtime.wait_durable(LSN(3))

        machine.check()
        assert machine.ranks() == {"a": 1}


def test_tables_that_fail_again_and_again_stop_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine.start()
    fail(monkeypatch, times=REBUILDS_MAX + 1)
    for number in range(REBUILDS_MAX):
        machine.commit(a=number)
        machine.check()

    with pytest.raises(CommitterFailed, match="tables failed 4 times"):
        machine.commit(a=9)
    with pytest.raises(CommitterFailed):
        machine.commit(a=9)


def test_tables_that_cannot_be_rebuilt_stop_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine.start()
    machine.commit(a=1)
    fail(monkeypatch, times=1)
    monkeypatch.setattr(Tables, "replay", lambda tables, entry: 1 / 0)

    with pytest.raises(CommitterFailed, match="tables could not be rebuilt"):
        machine.commit(a=2)


def test_a_broken_invariant_of_the_committer_stops_the_process() -> None:
    machine = Machine.start()
    machine.commit(a=1)
    commit: Commit = commit_of(machine.runtime.tables, {"a": 2}, snapshot=7)

    with pytest.raises(CommitterFailed, match="a snapshot from the future"):
        machine.runtime.commit(commit)
    with pytest.raises(CommitterFailed):
        machine.commit(a=3)
