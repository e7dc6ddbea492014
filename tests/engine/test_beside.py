"""What the system writes beside a mutation: in the same entry, or nowhere."""

from __future__ import annotations

import pytest
from relive.engine.application.functions import mutation
from relive.engine.data.schema import Document
from relive.engine.data.system_tables import Pause
from relive.engine.errors import ApplicationError
from relive.engine.execution.beside import Beside
from relive.engine.execution.calls import Call, Request
from relive.engine.execution.system_writes import SystemCtx
from relive.engine.limits import DOCUMENTS_WRITTEN_MAX
from relive.engine.transactions.context import MutationCtx
from relive.log.entry import LSN
from relive.protocol.results import FunctionFailure, MutationSuccess

from .bench import Bench, bench_of


class Note(Document, table="notes"):
    text: str


@mutation
async def write(ctx: MutationCtx, count: int = 1, fails: bool = False) -> int:
    for _ in range(count):
        await ctx.db.insert(Note(text="x"))
    if fails:
        raise ApplicationError("no")
    return count


async def note(ctx: SystemCtx, result: bytes) -> None:
    await ctx.db.insert(Pause(since=float(result)))


async def refuse(ctx: SystemCtx) -> None:
    raise ApplicationError("not wanted any more")


@pytest.fixture
def bench() -> Bench:
    return bench_of(Note, write=write)


def run(bench: Bench, beside: Beside, **args: object) -> MutationSuccess | FunctionFailure:
    request = Request("schedule", None, 0, "job 7", LSN(1))
    return bench.database.executor.mutate(Call("app:write", [args]), request, beside).outcome


def test_what_is_written_beside_a_mutation_is_in_its_entry_with_the_cause_that_was_given(bench: Bench) -> None:
    done = run(bench, Beside(after=note))
    entry = bench.entry()

    assert isinstance(done, MutationSuccess)
    assert [write.table for write in entry.writes if not write.table.startswith("_t")] == ["notes", "_pauses"]
    assert (entry.cause.kind, entry.cause.id, entry.cause.parent) == ("schedule", "job 7", 1)


@pytest.mark.parametrize(("beside", "fails"), [(Beside(after=note), True), (Beside(refuse, note), False)])
def test_a_mutation_that_fails_or_is_not_wanted_writes_nothing_beside_it_either(
    bench: Bench, beside: Beside, fails: bool
) -> None:
    before = bench.database.runtime.tail.head
    done = run(bench, beside, fails=fails)

    assert isinstance(done, FunctionFailure)
    assert bench.database.runtime.tail.head == before


def test_rows_of_the_system_count_against_no_limit_of_the_function(bench: Bench) -> None:
    done = run(bench, Beside(after=note), count=DOCUMENTS_WRITTEN_MAX)

    assert isinstance(done, MutationSuccess)


def test_a_function_sees_and_makes_the_same_whatever_runs_beside_it() -> None:
    ids = []
    for beside in (Beside(), Beside(after=note)):
        bench = bench_of(Note, write=write)
        run(bench, beside)
        ids.append([write.id for write in bench.entry().writes if write.table == "notes"])

    assert ids[0] == ids[1]
