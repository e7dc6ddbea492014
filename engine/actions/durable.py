"""Rows that say which durable actions there are and what their steps gave: what survives a crash.

    begin ──> running <──> waiting ──> done | failed | cancelled
                 └── a row of ``_steps`` for each step, once it is done, has failed, or waits

All writes are transactions of the system (`Executor.write`), but for one: the step of a mutation is
recorded in the mutation's own entry (`step_beside`).

Invariants
    * There is one row for a request: sent again, it finds the action that it began.
    * A step that is done or has failed never changes.
    * An action that is done, failed or cancelled never runs again.
"""

from __future__ import annotations

from functools import partial
from typing import cast

from attrs import define, evolve, frozen

from ...log.entry import BEFORE_FIRST, Cause
from ...protocol import json
from ...protocol.results import ActionSuccess
from ..authentication.identity import Identity, identity_of_entry
from ..data.schema import Id, Unset
from ..data.system_tables import DurableAction, DurableState, Step, StepState
from ..errors import ActionCancelled, DurableActionUnknown, FunctionError
from ..execution.beside import Beside
from ..execution.calls import Call, Request
from ..execution.executor import Executor
from ..execution.failures import Failure
from ..execution.scheduled import job_of_cause
from ..execution.system_writes import SystemCtx, SystemHandler, Written
from ..limits import (
    DURABLE_ACTIONS_KEPT_S,
    DURABLE_ARGS_BYTES_MAX,
    DURABLE_RESULT_BYTES_MAX,
    DURABLE_STEPS_FORGOTTEN_MAX,
)
from .job import ActionOutcome

TABLE = DurableAction.__table__
UNFINISHED: tuple[DurableState, ...] = ("running", "waiting")


ERROR_CHARS_MAX = 8_000
"""What is kept of the text of an error whose data is left out."""


@frozen
class Taken:
    """How a step stands."""

    position: int
    name: str
    state: StepState
    attempts: int = 0
    until: float | None = None
    result: str | None = None
    failure: Failure | None = None


@define(eq=False)
class Records:
    executor: Executor

    def begin(
        self, call: Call, path: str, args: str, request: Request, key: str, origin: str
    ) -> Written[DurableAction]:
        """The row of a request, made now unless it is there.  Raises WritesRefused."""
        fresh = DurableAction(
            function=path,
            args=args,
            identity=call.identity.encoded if call.identity is not None else None,
            request=key,
            origin=origin,
            state="running",
            until=None,
            result=None,
            error=None,
            error_data=None,
            runs=1,
            started=0.0,
            finished=None,
        )
        note = partial(begin, fresh=fresh)
        return self.executor.write(path, request.cause, note, {"durable": "begin"}, request.id or None)

    def again(self, row: DurableAction) -> Written[None]:
        """A row whose action goes on after a stop of the server."""
        return self.write(row.id, row.function, "go on", partial(go_on, id=row.id))

    def move(self, id: str, function: str, state: DurableState, until: float | None = None) -> Written[None]:
        """It runs, or waits; nothing if it has ended meanwhile."""
        return self.write(id, function, state, partial(change, id=id, state=state, until=until))

    def end(self, id: str, function: str, outcome: ActionOutcome, failure: Failure | None) -> Written[None]:
        """Its outcome; nothing if it has one."""
        result = outcome.result.decode() if isinstance(outcome, ActionSuccess) else None
        state: DurableState = "done" if failure is None else "failed"
        note = partial(change, id=id, state=state, result=result, failure=failure)
        return self.write(id, function, state, note)

    def cancel(self, id: str, cause: str) -> Written[DurableAction]:
        """Raises DurableActionUnknown if there is none of that id, or it has ended."""
        row = self.row(id)
        return self.executor.write(row.function, cause, partial(cancel, id=id), {"durable": "cancel", "action": id})

    def record(self, id: str, function: str, taken: Taken) -> Written[None]:
        """How a step stands now.  Raises WritesRefused, and DocumentInvalid if its result is too large."""
        return self.write(id, function, f"step {taken.name}", partial(note_step, id=id, taken=taken))

    def write(self, id: str, function: str, what: str, note: SystemHandler[None]) -> Written[None]:
        return self.executor.write(function, "action", note, {"durable": what, "action": id}, f"{id} {function}")

    def has(self, id: str) -> bool:
        """As of the newest commit."""
        return self.executor.runtime.tables.get(TABLE, id) is not None

    def row(self, id: str) -> DurableAction:
        """As of the newest commit.  Raises DurableActionUnknown."""
        version = self.executor.runtime.tables.get(TABLE, id)
        if version is None or not isinstance(version.document, DurableAction):
            raise DurableActionUnknown(id)
        return version.document

    def rows(self) -> list[DurableAction]:
        """As of the newest commit, oldest first."""
        versions = self.executor.runtime.tables.table(TABLE).versions.values()
        rows = [version.document for version in versions]
        return sorted((row for row in rows if isinstance(row, DurableAction)), key=lambda row: row.started)

    def steps(self, id: str) -> list[Step]:
        """Of one action, in their order."""
        return self.executor.rehearse("steps", partial(steps_of, id=id))


def call_of(row: DurableAction) -> Call:
    """What was asked for."""
    job = job_of_cause(Cause("action", row.origin, BEFORE_FIRST))
    return Call(row.function, [json.parse(row.args)], admin=True, cause="action", identity=identity_of(row), job=job)


def identity_of(row: DurableAction) -> Identity | None:
    assert not isinstance(row.identity, Unset), "only functions do not see it"
    return identity_of_entry(row.identity)


def step_beside(id: str, taken: Taken) -> Beside:
    """Records a step that is a mutation in the entry of the mutation."""

    async def after(ctx: SystemCtx, result: bytes) -> None:
        await note_step(ctx, id, evolve(taken, state="done", result=result.decode()))

    return Beside(partial(require_unfinished, id=id), after)


async def require_unfinished(ctx: SystemCtx, id: str) -> None:
    """Raises ActionCancelled."""
    row = await row_of(ctx, id)
    if row is None or row.state not in UNFINISHED:
        raise ActionCancelled()


async def row_of(ctx: SystemCtx, id: str) -> DurableAction | None:
    return await ctx.db.get(as_id(id))


def as_id(id: str) -> Id[DurableAction]:
    return cast("Id[DurableAction]", id)


async def begin(ctx: SystemCtx, fresh: DurableAction) -> DurableAction:
    known = await ctx.db.query(DurableAction).index(DurableAction.by_request, fresh.request).unique()
    if known is not None:
        return known
    await forget(ctx)
    id = await ctx.db.insert(fresh)
    return await ctx.db.patch(id, started=now_ms(ctx))


async def forget(ctx: SystemCtx) -> None:
    """Two actions that ended long ago go, when another is begun; of one with many steps, some of those first."""
    before = now_ms(ctx) - DURABLE_ACTIONS_KEPT_S * 1_000
    for row in await ctx.db.query(DurableAction).index(DurableAction.by_finished, gt=0.0, lt=before).take(2):
        steps = await ctx.db.query(Step).index(Step.by_action, row.id).take(DURABLE_STEPS_FORGOTTEN_MAX)
        for step in steps:
            await ctx.db.delete(step.id)
        if len(steps) < DURABLE_STEPS_FORGOTTEN_MAX:
            await ctx.db.delete(row.id)


async def go_on(ctx: SystemCtx, id: str) -> None:
    row = await row_of(ctx, id)
    if row is not None and row.state in UNFINISHED:
        await ctx.db.patch(row.id, state="running", until=None, runs=row.runs + 1)


async def change(
    ctx: SystemCtx,
    id: str,
    state: DurableState,
    until: float | None = None,
    result: str | None = None,
    failure: Failure | None = None,
) -> None:
    row = await row_of(ctx, id)
    if row is None or row.state not in UNFINISHED:
        return
    await ctx.db.patch(
        row.id,
        state=state,
        until=until,
        result=result,
        error=failure.text if failure is not None else None,
        error_data=data_of(failure),
        finished=None if state in UNFINISHED else now_ms(ctx),
    )


async def cancel(ctx: SystemCtx, id: str) -> DurableAction:
    row = await row_of(ctx, id)
    if row is None or row.state not in UNFINISHED:
        raise DurableActionUnknown(id, row.state if row is not None else None)
    return await ctx.db.patch(row.id, state="cancelled", until=None, finished=now_ms(ctx), error=str(ActionCancelled()))


async def note_step(ctx: SystemCtx, id: str, taken: Taken) -> None:
    await require_unfinished(ctx, id)
    known = await ctx.db.query(Step).index(Step.by_action, as_id(id), taken.position).unique()
    step = Step(
        action=as_id(id),
        position=taken.position,
        name=taken.name,
        state=taken.state,
        attempts=taken.attempts,
        until=taken.until,
        result=taken.result,
        error=taken.failure.text if taken.failure is not None else None,
        error_data=data_of(taken.failure),
    )
    if known is None:
        await ctx.db.insert(step)
    else:
        assert known.state == "waiting", "a step that has ended never changes"
        await ctx.db.replace(known.id, step)


async def steps_of(ctx: SystemCtx, id: str) -> list[Step]:
    return await ctx.db.query(Step).index(Step.by_action, as_id(id)).collect()


def require_small_arguments(path: str, args: str) -> None:
    """Raises FunctionError."""
    bytes_ = len(args.encode())
    if bytes_ > DURABLE_ARGS_BYTES_MAX:
        limit = f"a durable action takes at most {DURABLE_ARGS_BYTES_MAX:,}"
        raise FunctionError(f"{path}: {bytes_:,} bytes of arguments; {limit}: insert what is large, and pass its id")


def require_small_result(path: str, result: bytes) -> None:
    """Raises FunctionError."""
    if len(result) > DURABLE_RESULT_BYTES_MAX:
        limit = f"a durable action records at most {DURABLE_RESULT_BYTES_MAX:,}"
        raise FunctionError(f"{path} returned {len(result):,} bytes; {limit}: insert what is large, and return its id")


def recordable(failure: Failure) -> Failure:
    """Without data that is too large to be recorded: it has failed in any case."""
    if failure.data is None or len(failure.data) <= DURABLE_RESULT_BYTES_MAX:
        return failure
    note = f"The data of the error, {len(failure.data):,} bytes, could not be recorded"
    return Failure(f"{failure.text[:ERROR_CHARS_MAX]}\n{note}", None)


def data_of(failure: Failure | None) -> str | None:
    return failure.data.decode() if failure is not None and failure.data is not None else None


def now_ms(ctx: SystemCtx) -> float:
    return ctx._run.run.clock_ns / 1e6
