"""Scheduled durable actions when the disk is full, the server stops, or what they end with is too large."""

from __future__ import annotations

from typing import Any

import pytest
from relive.actors.errors import WritesRefused
from relive.engine.actions import actions, steps
from relive.engine.actions.durable import Records
from relive.engine.application.app import App
from relive.engine.data.system_tables import DurableAction
from relive.engine.scheduling.driver import Schedules
from relive.log.memory import MemoryStorage

from relive import FunctionFailed
from relive.testing import TestApp

from ..server.harness import Running, eventually, serve

LARGE = """
from relive import *

@action(durable=True)
async def returns(ctx: ActionCtx, size: int) -> str:
    return "x" * size

@action(durable=True)
async def raises(ctx: ActionCtx, size: int) -> str:
    raise ApplicationError("x" * size)

@action(durable=True)
async def takes(ctx: ActionCtx, text: str) -> int:
    return len(text)

async def step(size: int) -> str:
    raise ApplicationError("x" * size)

@action(durable=True)
async def steps(ctx: ActionCtx, size: int) -> str:
    await ctx.step(step, size)
    return "never"
"""
FITS, MUCH = 500_000, 2_000_000


def actions_of(running: Running) -> list[DurableAction]:
    return running.database.actions.records.rows()


def states(running: Running) -> list[str]:
    return [job.row.state.kind for job in running.database.schedules.jobs.all()]


def refused_at_first(method: Any, times: int) -> tuple[Any, list[int]]:
    left = [times]

    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise WritesRefused("the disk is full")
        return method(self, *args, **kwargs)

    return refuse, left


@pytest.mark.parametrize("method", ["end", "move"])
async def test_what_a_full_disk_does_not_take_of_a_durable_action_is_written_later(
    app: App, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(actions, "RETRY_S", 0.01)
    monkeypatch.setattr(steps, "RETRY_S", 0.01)
    refuse, left = refused_at_first(getattr(Records, method), 3)
    monkeypatch.setattr(Records, method, refuse)
    async with serve(app) as running, running.client() as client:
        await client.connect()
        await client.answered(0, "main:call", function="main:steps", text="a")
        await eventually(lambda: states(running) == ["success"])
        assert [row.state for row in actions_of(running)] == ["done"]
    assert left == [0]


async def test_a_durable_action_whose_end_cannot_be_written_before_the_stop_goes_on_after_it(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "RETRY_S", 0.01)
    storage = MemoryStorage()
    refuse, left = refused_at_first(Records.end, 10**9)
    async with serve(app, storage) as running, running.client() as client:
        with monkeypatch.context() as full:
            full.setattr(Records, "end", refuse)
            running.database.actions.limits = type(running.database.actions.limits)(stop_s=0.05, cancel_s=0.5)
            await client.connect()
            await client.answered(0, "main:call", function="main:steps", text="a")
            await eventually(lambda: left[0] < 10**9)
            assert (states(running), [row.state for row in actions_of(running)]) == (["inProgress"], ["running"])
            await running.stop()
    async with serve(app, storage) as running:
        await eventually(lambda: states(running) == ["success"])
        assert [(row.state, row.runs) for row in actions_of(running)] == [("done", 2)]
        versions = running.database.runtime.tables.table("notes").versions.values()
        assert sorted(version.document.text for version in versions) == ["a first", "a second"]  # type: ignore[attr-defined]


async def test_a_stop_that_waits_for_actions_does_not_look_for_due_jobs_all_the_time(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, turn = 0, Schedules.turn

    async def counted(self: Schedules, nursery: Any) -> bool:
        nonlocal turns
        turns += self.stopping
        return await turn(self, nursery)

    monkeypatch.setattr(Schedules, "turn", counted)
    async with serve(app) as running, running.client() as client:
        running.database.actions.limits = type(running.database.actions.limits)(stop_s=0.3, cancel_s=0.3)
        await client.connect()
        await client.answered(0, "main:call", function="main:wait")
        await eventually(lambda: states(running) == ["inProgress"])
        await client.answered(1, "main:later", text="a", seconds=0.1)
        await running.stop()
    assert turns < 20


def test_what_a_durable_action_ends_with_is_limited_and_more_fails_the_action_alone() -> None:
    with TestApp({"main": LARGE}) as app:
        assert app.action("main:returns", size=FITS) == "x" * FITS
        for function in ("returns", "raises", "steps"):
            with pytest.raises(FunctionFailed, match=r"recorded|records at most"):
                app.action(f"main:{function}", size=MUCH)
        with pytest.raises(FunctionFailed, match=r"takes at most 262,144.*pass its id"):
            app.action("main:takes", text="x" * FITS)
        assert [row["state"] for row in app.documents("_durable_actions")] == ["done", "failed", "failed", "failed"]
        app.restart()
        assert app.action("main:returns", size=1) == "x"
