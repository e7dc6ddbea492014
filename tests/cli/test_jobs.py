"""Scheduled functions of a server that is killed again and again, and `relive jobs`."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Relive, Running, Serve

WORK = """
import trio

from relive import *
from relive import ScheduledFunction

class Order(Document):
    number: int = field()
    by_number = index(number)

class Effect(Document):
    number: int = field()
    kind: str
    early_ms: float

@query
async def effects(ctx: QueryCtx) -> list[list[str]]:
    return [[str(effect.number), effect.kind] for effect in await ctx.db.query(Effect).collect()]

@query
async def orders(ctx: QueryCtx) -> list[int]:
    return [order.number for order in await ctx.db.query(Order).collect()]

@query
async def early(ctx: QueryCtx) -> int:
    return len(await ctx.db.query(Effect).filter(lambda effect: effect.early_ms > 0.001).collect())

@internal_mutation
async def effect(ctx: MutationCtx, number: int, kind: str, due: float) -> None:
    await ctx.db.insert(Effect(number=number, kind=kind, early_ms=due - ctx.now.timestamp() * 1000))
    if kind == "first":
        await ctx.scheduler.run_after(0.02, effect, number, "second", ctx.now.timestamp() * 1000 + 20)

@internal_action
async def outside(ctx: ActionCtx, number: int) -> None:
    await trio.sleep(0.02)
    await ctx.run_mutation(effect, number, "action", 0.0)

@mutation
async def order(ctx: MutationCtx, number: int, seconds: float) -> None:
    await ctx.db.insert(Order(number=number))
    await ctx.scheduler.run_after(seconds, effect, number, "first", ctx.now.timestamp() * 1000 + seconds * 1000)
    await ctx.scheduler.run_after(seconds, outside, number)

@mutation
async def far(ctx: MutationCtx) -> None:
    await ctx.scheduler.run_after(3600, outside, 1)
"""
ROUNDS = int(os.environ.get("RELIVE_KILL_ROUNDS", "6"))
"""The environment variable is for whoever has the time for more."""
ORDERS_A_ROUND = 12


@pytest.fixture
def work(app: Path) -> Path:
    (app / "work.py").write_text(WORK)
    return app


def jobs(relive: Relive) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(relive("jobs", "list", "--json").stdout)
    return found


def ask(running_port: int, path: str, **args: Any) -> None:
    """Nobody minds if the server is killed before it answers."""
    with suppress(httpx.HTTPError):
        httpx.post(f"http://127.0.0.1:{running_port}/api/mutation", json={"path": path, "args": args}, timeout=5)


def test_killed_at_any_moment_scheduled_functions_are_neither_lost_nor_doubled(
    work: Path, serve: Serve, relive: Relive, port: int
) -> None:
    draw = random.Random(11)
    running: Running = serve(work)
    for round in range(ROUNDS):
        for number in range(ORDERS_A_ROUND):
            ask(port, "work:order", number=round * ORDERS_A_ROUND + number, seconds=draw.random() * 0.3)
        time.sleep(draw.random() * 0.3)
        running.end(signal.SIGKILL)
        running = serve(work)
    running.wait(lambda: all(job["state"]["kind"] not in ("pending", "inProgress") for job in jobs(relive)))
    ended = jobs(relive)
    effects = Counter((number, kind) for number, kind in json.loads(relive("run", "work:effects").stdout))
    orders = {str(int(number)) for number in json.loads(relive("run", "work:orders").stdout)}

    assert {number for number, kind in effects if kind == "first"} == orders, "no scheduled mutation is lost"
    assert {number for number, kind in effects if kind == "second"} == orders
    assert set(effects.values()) == {1}, "nothing happens twice"
    assert json.loads(relive("run", "work:early").stdout) == 0
    actions = Counter(job["state"]["kind"] for job in ended if job["name"] == "work:outside")
    done = sum(kind == "action" for _, kind in effects)
    assert sum(actions.values()) == len(orders)
    assert actions["success"] <= done <= sum(actions.values()), "an action that counts as done has done it"
    assert all(job["state"]["kind"] == "success" for job in ended if job["name"] == "work:effect")
    assert relive("log", "verify").returncode == 0


def test_jobs_are_shown_and_cancelled(work: Path, serve: Serve, relive: Relive, port: int) -> None:
    serve(work)
    assert "nothing is scheduled" in relive("jobs", "list").stderr
    ask(port, "work:far")
    (job,) = jobs(relive)
    shown = relive("jobs", "list").stdout
    assert "work:outside" in shown
    assert "pending" in shown
    assert relive("jobs", "cancel", job["_id"]).returncode == 0
    assert [each["state"]["kind"] for each in jobs(relive)] == ["canceled"]
    again = relive("jobs", "cancel", "nothing")
    assert again.returncode == 1
    assert "there is no scheduled function nothing" in again.stderr


def test_crons_are_shown(work: Path, serve: Serve, relive: Relive, port: int) -> None:
    (work / "again.py").write_text(
        "from relive import *\nfrom .work import effect\ncrons = Crons()\n"
        'crons.every("tick", 3600, effect, {"number": 1, "kind": "cron", "due": 0.0})\n'
        'crons.daily("report", effect, {"number": 2, "kind": "cron", "due": 0.0}, hour_utc=8, minute_utc=0)\n'
    )
    running = serve(work)
    running.wait(lambda: len(json.loads(relive("run", "work:effects").stdout)) == 1)
    shown = relive("jobs", "crons").stdout
    found = json.loads(relive("jobs", "crons", "--json").stdout)
    assert [(cron["name"], cron["schedule"]) for cron in found] == [
        ("report", "cron 0 8 * * *"),
        ("tick", "every 3600 s"),
    ]
    assert "never" in shown
    assert found[1]["lastRun"] > 0
    assert "cron tick" in relive("log", "show").stdout
