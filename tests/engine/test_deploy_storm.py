"""Deploys in a storm of writes: what comes out is what a recovery of the same log with the new code gives."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from attrs import define, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.definition import BY_ID
from relive.actors.tables import Tables
from relive.engine.data.schema import Document, Id, index
from relive.engine.data.schema import field as stored_field
from relive.engine.data.system_tables import TABLES
from relive.engine.data.table_codec import untyped
from relive.engine.database import Database
from relive.engine.deployment import rebuild
from relive.engine.deployment.deploy import Deploy
from relive.engine.errors import SchemaMismatch
from relive.engine.transactions.context import MutationCtx
from relive.log.entry import LSN, Kind

from .bench import Bench, app_of, open_bench


class Task(Document):
    text: str | int
    rank: int = stored_field(default=0)
    by_rank = index(rank)


class Log(Document):
    """The new code has no class for it."""

    line: str = stored_field()
    by_line = index(line)


class NewTask(Document, table="tasks"):
    """Only texts fit; with a field, an index and an order more."""

    text: str = stored_field()
    rank: int = stored_field(default=0)
    note: str = "none"
    by_rank = index(rank, text)
    by_text = index(text)


class Label(Document):
    task: Id[NewTask]


OLD = app_of(Task, Log)
NEW = app_of(NewTask, Label, version=2)


@frozen
class Write:
    """A transaction: what is done, to which document, with which value."""

    operations: tuple[tuple[str, int, int], ...]


operations = st.tuples(
    st.sampled_from(["insert", "insert", "patch", "replace", "delete", "log", "unlog", "plain"]),
    st.integers(0, 30),
    st.integers(0, 5),
)
writes = st.lists(operations, min_size=1, max_size=4).map(lambda chosen: Write(tuple(chosen)))
steps = st.lists(st.sampled_from(["slice", "slice", "flush"]) | writes, max_size=25)


@define(eq=False)
class Storm:
    """A database with the old code, and writes to it."""

    bench: Bench = field(factory=lambda: open_bench(OLD))
    ids: list[str] = field(factory=list)
    logs: list[str] = field(factory=list)

    def write(self, write: Write, odd: bool) -> None:
        """``odd``: texts may be numbers, which the new code refuses."""

        async def handler(ctx: MutationCtx) -> None:
            for operation, which, value in write.operations:
                await self.do(ctx, operation, which, value % 3 if odd and value > 2 else f"text {value}")

        self.bench.write(handler)

    async def do(self, ctx: MutationCtx, operation: str, which: int, value: Any) -> None:
        tasks = [id for id in self.ids if await ctx.db.get(Id[Task](id)) is not None]
        chosen: Any = tasks[which % len(tasks)] if tasks else None
        match operation:
            case "insert":
                self.ids.append(await ctx.db.insert(Task(text=value, rank=which % 4)))
            case "log":
                self.logs.append(await ctx.db.insert(Log(line=f"line {which}")))
            case "unlog" if self.logs:
                await ctx.db.delete(Id[Log](self.logs.pop(which % len(self.logs))))
            case "plain":
                await ctx.db.insert("labels_of_old", {"which": which})
            case "patch" if chosen:
                await ctx.db.patch(chosen, text=value)
            case "replace" if chosen:
                await ctx.db.replace(chosen, Task(text=value, rank=which % 4))
            case "delete" if chosen:
                await ctx.db.delete(chosen)
            case _:
                pass


def looks(tables: Tables) -> dict[str, Any]:
    """Everything that tables hold, comparable: documents as stored and as read, indexes in order."""
    return {
        # Which tables there are, a recovery may say in an entry of its own.
        name: (
            {id: (v.lsn, v.size, repr(v.document), v.stored) for id, v in sorted(table.versions.items())},
            {
                each.index: [(key, version.id) for key, version in table.index(each.index).entries.items()]
                for each in table.definition.indexes
                if each.index != BY_ID
            },
        )
        for name, table in tables.by_name.items()
        if table.versions and name != TABLES
    }


def recovered(bench: Bench) -> Bench:
    """Another database of the same log, as far as it is durable, with the new code."""
    again = open_bench(NEW, bench.storage.copy())
    again.check()
    return again


def assert_all_as_defined(database: Database) -> None:
    """Every table, an empty one too, is ordered as the code that is served wants it."""
    for name, table in database.runtime.tables.by_name.items():
        codec = database.executor.codecs.get(name) or untyped(name)
        assert table.definition.indexes == codec.definition.indexes, name


def finish(database: Database, deploy: Deploy, bench: Bench) -> LSN | SchemaMismatch:
    """What `Database.deploy` does, in one go: the entry, or why there is none."""
    try:
        while True:
            while not deploy.slice():
                deploy.rebuild.check()
            if deploy.rebuild.settled <= database.runtime.committer.durable:
                return database.activate(deploy)
            bench.flush()
    except SchemaMismatch as mismatch:
        return mismatch


@settings(max_examples=150, deadline=None)
@given(st.lists(writes, max_size=8), steps, st.integers(1, 4), st.booleans(), st.booleans(), st.booleans())
def test_a_deploy_in_a_storm_of_writes_gives_what_recovery_gives(
    before: list[Write], during: list[str | Write], work: int, odd: bool, durable: bool, undone: bool
) -> None:
    storm = Storm()
    bench, database = storm.bench, storm.bench.database
    for each in before:
        storm.write(each, odd)
    if durable:
        bench.flush()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rebuild, "WORK_PER_SLICE", work)
        deploy = database.begin_deploy(NEW)
        for step in during:
            if isinstance(step, Write):
                storm.write(step, odd)
            elif step == "flush":
                bench.flush()
            else:
                with suppress(SchemaMismatch):  # A later write may still change what does not fit.
                    deploy.slice()
                deploy.rebuild.check()
        served, head = looks(database.runtime.tables), database.runtime.tail.head
        lsn = finish(database, deploy, bench)
    database.end_deploy(deploy)
    bench.check()
    if isinstance(lsn, SchemaMismatch):
        assert (looks(database.runtime.tables), database.runtime.tail.head) == (served, head)
        assert bench.executor.app is OLD
        bench.flush()
        with pytest.raises(SchemaMismatch) as refused:
            recovered(bench)
        assert refused.value.count == lsn.count
        return
    assert_all_as_defined(database)

    assert (lsn, bench.entry().kind) == (head + 1, Kind.DEPLOY)
    if undone:
        tables, tail = database.runtime.tables, database.runtime.tail
        for committed in list(tail.newest_first()):
            if committed.entry.lsn > database.runtime.committer.durable:
                tables.undo(committed)
                tables.check()
    else:
        bench.flush()
    assert looks(database.runtime.tables) == looks(recovered(bench).database.runtime.tables)
