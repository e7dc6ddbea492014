"""Actions of a server that is stopped, and `relive actions`."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Relive, Running, Serve, Start

ORDERS = """
import trio

from relive import ActionCtx, Document, MutationCtx, QueryCtx, action, field, index, internal_mutation, query

class Charge(Document):
    order: int = field()
    step: int
    by_order = index(order)

@query
async def charges(ctx: QueryCtx) -> list[list[int]]:
    return [[charge.order, charge.step] for charge in await ctx.db.query(Charge).collect()]

@internal_mutation
async def charge(ctx: MutationCtx, order: int, step: int) -> int:
    await ctx.db.insert(Charge(order=order, step=step))
    return step

async def outside(order: int) -> int:
    return order

@action(durable=True)
async def wait(ctx: ActionCtx) -> str:
    await ctx.step(outside, 1, name="first")
    await ctx.sleep(3600)
    return "woke"

@action
async def endless(ctx: ActionCtx) -> None:
    await ctx.run_mutation(charge, 0, 0)
    while True:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            await trio.lowlevel.cancel_shielded_checkpoint()
"""


@pytest.fixture
def orders(app: Path) -> Path:
    (app / "orders.py").write_text(ORDERS)
    return app


def call(port: int, path: str, **args: Any) -> None:
    """Ask for an action, and hear its answer unless the server stops first."""
    with suppress(httpx.HTTPError):
        httpx.post(f"http://127.0.0.1:{port}/api/action", json={"path": path, "args": args}, timeout=20)


def in_background(port: int, path: str, **args: Any) -> None:
    threading.Thread(target=call, args=(port, path), kwargs=args, daemon=True).start()


def listed(relive: Relive) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(relive("actions", "list", "--json").stdout)
    return found


def wait_for(running: Running, relive: Relive, count: int, *states: str) -> list[dict[str, Any]]:
    """All durable actions, once there are so many and each is in one of the states."""

    def there() -> bool:
        found = listed(relive)
        return len(found) >= count and all(each["state"] in states for each in found)

    running.wait(there)
    return listed(relive)


def test_an_action_that_sleeps_survives_a_stop_and_is_shown_and_cancelled(
    orders: Path, serve: Serve, relive: Relive, port: int
) -> None:
    running = serve(orders)
    in_background(port, "orders:wait")
    (row,) = wait_for(running, relive, 1, "waiting")
    assert running.end(signal.SIGTERM) == 0
    serve(orders)
    shown = relive("actions", "show", row["id"])
    steps = json.loads(relive("actions", "show", row["id"], "--json").stdout)["steps"]

    assert shown.returncode == 0, shown.stderr
    assert "orders:wait {}: " in shown.stdout
    assert [(step["name"], step["state"]) for step in steps] == [("first", "done"), ("sleep", "waiting")]
    assert "orders:wait" in relive("actions", "list").stdout
    assert relive("actions", "cancel", row["id"]).returncode == 0
    assert [each["state"] for each in listed(relive)] == ["cancelled"]
    again = relive("actions", "cancel", row["id"])
    assert (again.returncode, "has ended already: it is cancelled" in again.stderr) == (1, True)
    unknown = relive("actions", "show", "nothing")
    assert (unknown.returncode, "there is no durable action nothing" in unknown.stderr) == (1, True)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            ('name="first"', 'name="other"'),
            "step 1 is recorded as `first`, and the code that goes on now takes `other`",
        ),
        (("async def wait(", "async def renamed("), "Could not find"),
    ],
)
def test_an_action_whose_code_has_changed_fails_and_says_how(
    orders: Path, serve: Serve, relive: Relive, port: int, change: tuple[str, str], problem: str
) -> None:
    running = serve(orders)
    in_background(port, "orders:wait")
    wait_for(running, relive, 1, "waiting")
    running.end(signal.SIGTERM)
    (orders / "orders.py").write_text(ORDERS.replace(*change))
    (row,) = wait_for(serve(orders), relive, 1, "failed")

    assert problem in row["error"]


def test_an_action_that_swallows_its_cancellation_cannot_keep_the_server(
    orders: Path, start: Start, relive: Relive, port: int
) -> None:
    running = start("serve", orders, "--port", str(port))
    running.wait(lambda: bool(running.out))
    in_background(port, "orders:endless")
    running.wait(lambda: json.loads(relive("run", "orders:charges").stdout or "[]") == [[0, 0]])
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(40)

    assert running.process.returncode == 1
    assert "action orders:endless does not end although it was cancelled" in "\n".join(running.err)
    again = start("serve", orders, "--port", str(port))
    again.wait(lambda: bool(again.out))
    assert json.loads(relive("run", "orders:charges").stdout) == [[0, 0]]
