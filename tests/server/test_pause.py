"""A deployment that is paused runs no functions, on either door, and loses nothing."""

from __future__ import annotations

from typing import Any

from relive.log.entry import Kind

from .harness import ADMIN_KEY, Running, eventually

KEY = {"Authorization": f"Convex {ADMIN_KEY}"}


async def change(running: Running, state: object, **headers: str) -> Any:
    async with running.http(**(headers or KEY)) as http:
        return await http.post("/api/change_deployment_state", json={"newState": state})


async def call(running: Running, kind: str, path: str, **args: object) -> Any:
    async with running.http() as http:
        return (await http.post(f"/api/{kind}", json={"path": path, "args": args})).json()


async def test_while_paused_every_call_says_so_and_nothing_is_written(running: Running) -> None:
    await call(running, "mutation", "counters:add", name="a")
    assert (await change(running, "paused")).json() == {"state": "paused", "changed": True}
    head = running.database.runtime.tail.head

    for kind, path in (("query", "counters:get"), ("mutation", "counters:add")):
        answer = await call(running, kind, path, name="a")
        assert answer["status"] == "error"
        assert answer["errorData"]["code"] == "DeploymentPaused"
    assert running.database.runtime.tail.head == head

    await change(running, "running")
    assert (await call(running, "mutation", "counters:add", name="a"))["status"] == "success"
    assert (await call(running, "query", "counters:get", name="a"))["value"] == 2


async def test_live_queries_are_told_and_come_back_by_themselves(running: Running) -> None:
    async with running.client() as client:
        await client.watch(0, "counters:get", name="a")
        await client.until(lambda: client.value(0) == 0.0)
        await change(running, "paused")
        failed = await client.transition()
        assert failed["modifications"][0]["errorData"]["code"] == "DeploymentPaused"
        await change(running, "running")
        back = await client.transition()
        assert back["modifications"][0]["value"] == 0.0


async def test_pausing_twice_changes_nothing_and_the_log_says_who_paused(running: Running) -> None:
    await change(running, "paused")
    entry = running.database.executor.entry(running.database.runtime.tail.head)
    assert (entry.kind, entry.function) == (Kind.SYSTEM, "change_deployment_state")

    head = running.database.runtime.tail.head
    assert (await change(running, "paused")).json() == {"state": "paused", "changed": False}
    assert running.database.runtime.tail.head == head
    async with running.http(**KEY) as http:
        assert (await http.get("/api/deployment_state")).json() == {"state": "paused"}


async def test_only_the_admin_may_and_only_these_states(running: Running) -> None:
    async with running.http() as http:
        answer = await http.post("/api/change_deployment_state", json={"newState": "paused"})
    assert (answer.status_code, answer.json()["code"]) == (403, "BadDeployKey")
    for wrong in ("asleep", None, 3, ["paused"]):
        assert (await change(running, wrong)).status_code == 400
    await eventually(lambda: True)
    assert (await call(running, "query", "counters:get", name="a"))["status"] == "success"
