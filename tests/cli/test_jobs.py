"""`relive jobs`: what is scheduled, and crons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Relive, Serve

WORK = """
from relive import *

class Effect(Document):
    number: int
    kind: str

@query
async def effects(ctx: QueryCtx) -> int:
    return await ctx.db.query(Effect).count()

@internal_mutation
async def effect(ctx: MutationCtx, number: int, kind: str) -> None:
    await ctx.db.insert(Effect(number=number, kind=kind))

@internal_action
async def outside(ctx: ActionCtx, number: int) -> None:
    await ctx.run_mutation(effect, number, "action")

@mutation
async def far(ctx: MutationCtx) -> None:
    await ctx.scheduler.run_after(3600, outside, 1)
"""


@pytest.fixture
def work(app: Path) -> Path:
    (app / "work.py").write_text(WORK)
    return app


def jobs(relive: Relive) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(relive("jobs", "list", "--json").stdout)
    return found


def ask(running_port: int, path: str, **args: Any) -> None:
    url = f"http://127.0.0.1:{running_port}/api/mutation"
    httpx.post(url, json={"path": path, "args": args}, timeout=5).raise_for_status()


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
        'crons.every("tick", 3600, effect, {"number": 1, "kind": "cron"})\n'
        'crons.daily("report", effect, {"number": 2, "kind": "cron"}, hour_utc=8, minute_utc=0)\n'
    )
    running = serve(work)
    running.wait(lambda: json.loads(relive("run", "work:effects").stdout) == 1)
    shown = relive("jobs", "crons").stdout
    found = json.loads(relive("jobs", "crons", "--json").stdout)
    assert [(cron["name"], cron["schedule"]) for cron in found] == [
        ("report", "cron 0 8 * * *"),
        ("tick", "every 3600 s"),
    ]
    assert "never" in shown
    assert found[1]["lastRun"] > 0
    assert "cron tick" in relive("log", "show").stdout
