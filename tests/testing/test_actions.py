"""Actions and durable steps, in an app under test: each transaction durable, the clock in the test's hands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import trio
from relive.engine.data.system_tables import DurableAction, Step

from relive import ApplicationError, FunctionFailed
from relive.testing import TestApp

APP = """
import asyncio
import logging
import sys
import trio
from relive import *

class Note(Document, table="notes"):
    text: str

calls = []
fate = {"failures": 0}

@query
async def notes(ctx: QueryCtx) -> list[Note]:
    return await ctx.db.query(Note).collect()

@internal_mutation
async def put(ctx: MutationCtx, text: str) -> Id[Note]:
    return await ctx.db.insert(Note(text=text))

@internal_mutation
async def refuse(ctx: MutationCtx) -> None:
    await ctx.db.insert(Note(text="never"))
    raise ApplicationError({"code": "refused"})

@action
async def together(ctx: ActionCtx) -> int:
    async with trio.open_nursery() as nursery:
        for text in "abc":
            nursery.start_soon(ctx.run_mutation, put, text)
    return len([note.text for note in await ctx.run_query(notes)])

@action(runtime="asyncio")
async def gathered(ctx: ActionCtx) -> int:
    await asyncio.gather(*[ctx.run_mutation(put, text) for text in "abc"])
    try:
        await asyncio.wait_for(ctx.sleep(0.0), 5)
        await ctx.run_mutation(refuse)
    except ApplicationError as error:
        return len(error.data["code"])
    return 0

@action
async def refused(ctx: ActionCtx) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ctx.run_mutation, refuse)

@action
async def speak(ctx: ActionCtx) -> str:
    print("one", end="")
    logging.getLogger("app").info("two")
    logging.getLogger("library").debug("not this")
    print("three", file=sys.stderr)
    return ctx.env.get("NAME", "nobody") + " " + ctx.meta.function.kind

@action
async def wrong(ctx: ActionCtx) -> int:
    return "text"

async def outside(number: int) -> int:
    calls.append(number)
    if fate["failures"]:
        fate["failures"] -= 1
        raise ValueError("the network is down")
    return number * 2

@action(durable=True)
async def order(ctx: ActionCtx, number: int) -> int:
    doubled = await ctx.step(outside, number)
    await ctx.step(put, str(doubled))
    await ctx.sleep(3600)
    try:
        await ctx.step(refuse, name="pay")
    except ApplicationError as error:
        await ctx.step(put, error.data["code"], name="tell")
    return doubled

@action(durable=True, runtime="asyncio")
async def order_elsewhere(ctx: ActionCtx, number: int) -> int:
    async def here() -> int:
        await asyncio.sleep(0)
        return await outside(number)
    doubled = await ctx.step(here)
    await ctx.step(put, str(doubled))
    return doubled

@action(durable=True)
async def hurried(ctx: ActionCtx) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ctx.step, put, "a")
        nursery.start_soon(ctx.step, put, "b")

@action
async def no_steps(ctx: ActionCtx) -> None:
    await ctx.step(put, "a")

@action
async def parent(ctx: ActionCtx, depth: int = 0) -> int:
    if depth == 20:
        return 0
    return await ctx.run_action(parent, depth=depth + 1)

@query
async def outcalls(ctx: QueryCtx) -> int:
    return len(calls)

@action
async def set_fate(ctx: ActionCtx, failures: int) -> None:
    fate["failures"] = failures
"""


@pytest.fixture
def app() -> Iterator[TestApp]:
    with TestApp({"app": APP}, env={"NAME": "ada"}) as running:
        yield running


def texts(app: TestApp) -> list[Any]:
    return [note["text"] for note in app.documents("notes")]


def test_calls_of_one_action_at_once_are_transactions_of_their_own_that_every_watch_sees(app: TestApp) -> None:
    watch = app.watch("app:notes")

    assert app.action("app:together") == 3
    assert [len(result) for result in watch.results] == [0, 1, 2, 3]


def test_an_action_on_a_thread_of_asyncio_calls_functions_and_meets_their_errors(app: TestApp) -> None:
    assert app.action("app:gathered") == len("refused")
    assert sorted(texts(app)) == ["a", "b", "c"]


def test_what_a_nursery_wraps_reaches_the_client_as_it_is(app: TestApp) -> None:
    with pytest.raises(ApplicationError) as caught:
        app.action("app:refused")
    assert caught.value.data == {"code": "refused"}


def test_what_an_action_prints_and_logs_goes_to_its_own_log(app: TestApp, capfd: pytest.CaptureFixture[str]) -> None:
    assert app.action("app:speak") == "ada action"
    assert app.logs == ["[LOG] 'one'", "[INFO] 'two'", "[LOG] 'three'"]
    assert capfd.readouterr() == ("", "")


def test_a_result_that_the_action_does_not_declare_is_refused(app: TestApp) -> None:
    with pytest.raises(FunctionFailed, match="ReturnsValidationError"):
        app.action("app:wrong")


def test_actions_that_call_one_another_too_deeply_are_stopped(app: TestApp) -> None:
    with pytest.raises(FunctionFailed, match="actions that call one another"):
        app.action("app:parent")


async def test_a_test_that_is_a_task_of_trio_may_call_actions(app: TestApp) -> None:
    await trio.lowlevel.checkpoint()
    assert app.action("app:together") == 3


def test_a_durable_action_records_its_steps_and_sleeps_as_long_as_it_says(app: TestApp) -> None:
    before = app.now

    assert app.action("app:order", number=4) == 8
    assert texts(app) == ["8", "refused"]
    assert (app.now - before).total_seconds() >= 3600
    (row,) = app.documents(DurableAction.__table__)
    assert (row["state"], row["result"], row["runs"]) == ("done", "8.0", 1)
    steps = [(step["name"], step["state"], step["result"]) for step in app.documents(Step.__table__)]
    assert [name for name, _, _ in steps] == ["outside", "put", "sleep", "pay", "tell"]
    assert [state for _, state, _ in steps] == ["done", "done", "done", "failed", "done"]


def test_the_step_of_a_mutation_is_recorded_in_the_entry_of_its_writes(app: TestApp) -> None:
    app.action("app:order_elsewhere", number=4)
    entries = list(app._database.log.reader.entries(1))  # type: ignore[arg-type]
    (entry,) = [each for each in entries if each.function == "app:put"]

    assert {write.table for write in entry.writes} >= {"notes", "_steps"}
    assert entry.cause.id.endswith("app:order_elsewhere from test")


def test_a_step_that_fails_is_tried_again_after_longer_and_longer_pauses(app: TestApp) -> None:
    app.action("app:set_fate", failures=3)
    before = app.now

    assert app.action("app:order_elsewhere", number=4) == 8
    assert app.query("app:outcalls") == 4
    assert 7 <= (app.now - before).total_seconds() < 8
    assert [step["attempts"] for step in app.documents("_steps")] == [3, 0]


def test_a_step_that_fails_too_often_raises_what_is_recorded(app: TestApp) -> None:
    app.action("app:set_fate", failures=9)

    with pytest.raises(FunctionFailed, match="the network is down"):
        app.action("app:order", number=4)
    assert app.query("app:outcalls") == 4
    assert [row["state"] for row in app.documents("_durable_actions")] == ["failed"]


@pytest.mark.parametrize(
    ("path", "problem"),
    [("app:hurried", "take one at a time"), ("app:no_steps", "needs `@action\\(durable=True\\)`")],
)
def test_steps_at_once_and_steps_that_nothing_records_are_refused(app: TestApp, path: str, problem: str) -> None:
    with pytest.raises(FunctionFailed, match=problem):
        app.action(path)


def test_a_durable_action_that_ended_long_ago_is_forgotten_when_others_begin(app: TestApp) -> None:
    app.action("app:order_elsewhere", number=1)
    app.advance(13 * 86_400)
    app.action("app:order_elsewhere", number=2)
    assert len(app.documents("_durable_actions")) == 2
    app.advance(2 * 86_400)
    app.action("app:order_elsewhere", number=3)

    assert [row["args"] for row in app.documents("_durable_actions")] == ['{"number":2.0}', '{"number":3.0}']
    assert len(app.documents("_steps")) == 4
