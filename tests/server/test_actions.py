"""Actions, from clients over the socket and over HTTP: answered, limited, cancelled, never run twice."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import trio
from relive.engine.actions.actions import ActionLimits
from relive.engine.application.app import App, load_app
from relive.log.entry import FIRST_LSN
from relive.log.memory import MemoryStorage

from .harness import ADMIN_KEY, SESSION, Client, Running, serve

FOLDER = Path(__file__).parent
KEY = {"authorization": f"Convex {ADMIN_KEY}"}
SOON = ActionLimits(run_s=0.3, cancel_s=0.2, stop_s=0.1)


async def ask(client: Client, request_id: int, path: str, **args: Any) -> None:
    await client.send({"type": "Action", "requestId": request_id, "udfPath": path, "args": [args]})


async def answer_to(client: Client, request_id: int) -> dict[str, Any]:
    while (message := await client.next())["type"] != "ActionResponse" or message["requestId"] != request_id:
        pass
    return message


async def until_waiting(client: Client) -> None:
    """Until an action that waits has begun."""
    await client.watch(9, "counters:get", name="waiting")
    await client.until(lambda: bool(client.value(9) == 1.0))


def causes(running: Running) -> list[tuple[str, str]]:
    reader = running.database.log.reader
    return [(entry.function, f"{entry.cause.kind} {entry.cause.id}") for entry in reader.entries(FIRST_LSN)]


@pytest.mark.parametrize("path", ["actions:double", "actions:double_elsewhere"])
async def test_an_action_reads_and_writes_through_functions_and_its_client_gets_the_result(
    running: Running, path: str
) -> None:
    async with running.client() as client:
        await client.connect()
        await client.answered(0, "counters:add", name="a", amount=4)
        await client.watch(1, "counters:get", name="a")
        await ask(client, 7, path, name="a")
        response = await answer_to(client, 7)
        await client.until(lambda: bool(client.value(1) == 8.0))

    assert response["success"]
    assert response["result"] == 8.0
    assert response["logLines"] == ["[LOG] 'doubling a'"]


async def test_the_entry_of_a_mutation_says_which_request_of_a_client_made_the_action_call_it(
    running: Running,
) -> None:
    async with running.client() as client:
        await client.connect()
        await ask(client, 7, "actions:double_elsewhere", name="a")
        await answer_to(client, 7)
    executions = [each for each in running.database.executor.executions.after(0) if each.kind == "action"]

    (found,) = [cause for function, cause in causes(running) if function == "counters:add"]
    assert found == f"action {executions[0].request_id} actions:double_elsewhere > actions:double from client"


async def test_an_action_is_called_over_http_by_each_of_its_routes(running: Running) -> None:
    async with running.http() as http:
        body = {"path": "actions:double", "args": {"name": "a"}, "format": "json"}
        one = await http.post("/api/action", json=body)
        two = await http.post("/api/run/actions/double", json={"args": {"name": "a"}})
        three = await http.post("/api/function", json=body, headers=KEY)

    for response in (one, two, three):
        assert response.json() == {"status": "success", "value": 0, "logLines": ["[LOG] 'doubling a'"]}


async def test_an_internal_action_is_for_holders_of_the_admin_key_alone(running: Running) -> None:
    async with running.http() as http:
        body = {"path": "actions:hidden", "args": {}, "format": "json"}
        refused = await http.post("/api/action", json=body)
        allowed = await http.post("/api/action", json=body, headers=KEY)

    assert "Could not find public function" in refused.json()["errorMessage"]
    assert allowed.json()["value"] == "hidden"


async def test_the_data_of_an_application_error_reach_the_client(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        await ask(client, 1, "actions:refuse", data="no")
        response = await answer_to(client, 1)

    assert not response["success"]
    assert response["errorData"] == "no"


async def test_an_action_goes_on_when_its_client_goes_away(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        await ask(client, 1, "actions:wait", seconds=0.2)
        await until_waiting(client)
    actions = running.database.actions
    assert len(actions.known) == 1
    with trio.fail_after(5):
        await actions.wait_until_idle()

    (execution,) = [each for each in running.database.executor.executions.after(0) if each.kind == "action"]
    assert execution.success
    assert execution.duration_ns >= 200_000_000


@pytest.mark.parametrize("path", ["actions:wait", "actions:wait_elsewhere", "actions:never_ends"])
async def test_an_action_that_takes_too_long_is_cancelled_and_its_client_is_told(running: Running, path: str) -> None:
    running.database.actions.limits = SOON
    async with running.client() as client:
        await client.connect()
        await ask(client, 1, path)
        with trio.fail_after(5):
            response = await answer_to(client, 1)

    assert not response["success"]
    assert "it took longer than 0.3 s" in response["result"]
    assert path != "actions:wait_elsewhere" or response["logLines"] == ["[LOG] 'cancelled'"]


async def test_more_actions_than_may_run_wait_for_their_turn_and_more_than_may_wait_are_refused(
    running: Running,
) -> None:
    running.database.actions.limits = ActionLimits(running=1, waiting=1)
    async with running.client() as client:
        await client.connect()
        await ask(client, 1, "actions:wait", seconds=0.3)
        await until_waiting(client)
        await ask(client, 2, "actions:double", name="a")
        await ask(client, 3, "actions:double", name="a")
        answers = [await client.response() for _ in range(1)]
        while len(answers) < 3:
            message = await client.next()
            answers += [message] if message["type"] == "ActionResponse" else []

    assert [(each["requestId"], each["success"]) for each in answers] == [(3, False), (1, True), (2, True)]
    assert "1 actions are running and 1 wait for their turn" in answers[0]["result"]


@pytest.mark.parametrize("path", ["actions:wait", "actions:wait_elsewhere", "actions:never_ends"])
async def test_a_stop_cancels_actions_after_a_while_and_tells_their_clients(running: Running, path: str) -> None:
    running.database.actions.limits = SOON
    async with running.client() as client:
        await client.connect()
        await ask(client, 1, path)
        await until_waiting(client)
        await running.stop()
        response = await answer_to(client, 1)

    assert not response["success"]
    assert "the server is stopping" in response["result"] or "longer than" in response["result"]


async def test_actions_do_not_start_while_the_deployment_is_paused(running: Running) -> None:
    async with running.http() as http:
        await http.post("/api/change_deployment_state", json={"newState": "paused"}, headers=KEY)
        response = await http.post("/api/action", json={"path": "actions:double", "args": {"name": "a"}})

    assert response.json()["errorData"]["code"] == "DeploymentPaused"
    assert [function for function, _ in causes(running) if function == "counters:add"] == []


async def test_what_a_client_is_told_of_an_action_is_redacted_as_of_a_mutation(running: Running) -> None:
    running.database.executor.redact = True
    async with running.http() as http:
        failed = (await http.post("/api/action", json={"path": "actions:refuse", "args": {"data": "no"}})).json()
        done = (await http.post("/api/action", json={"path": "actions:double", "args": {"name": "a"}})).json()

    assert failed["errorMessage"].endswith("] Server Error")
    assert failed["errorData"] == "no"
    assert done == {"status": "success", "value": 0}


async def test_a_durable_action_that_waits_for_its_turn_when_the_server_stops_runs_after_the_next_start(
    app: App,
) -> None:
    storage = MemoryStorage()
    async with serve(app, storage) as running, running.client() as client:
        running.database.actions.limits = ActionLimits(running=1, stop_s=0.1, cancel_s=0.2)
        await client.connect(SESSION)
        await ask(client, 1, "actions:wait")
        await until_waiting(client)
        await ask(client, 2, "actions:fill", name="a")
        await running.stop()
        stopped = await answer_to(client, 2)
    async with serve(app, storage) as running:
        with trio.fail_after(5):
            await running.database.actions.wait_until_idle()
        (row,) = running.database.actions.records.rows()

    assert "the server is stopping" in stopped["result"]
    assert (row.state, row.result, row.runs) == ("done", "3.0", 2)


async def test_an_action_that_runs_while_another_version_is_deployed_keeps_its_code_and_calls_the_new(
    tmp_path: Path, running: Running
) -> None:
    folder = tmp_path / "app"
    shutil.copytree(FOLDER / "app", folder)
    for name, old, new in (("counters", "amount: int = 1", "amount: int = 10"), ("actions", '"doubling"', '"again"')):
        text = (folder / f"{name}.py").read_text()
        assert old in text
        (folder / f"{name}.py").write_text(text.replace(old, new))
    async with running.client() as client:
        await client.connect()
        await ask(client, 1, "actions:add_twice", name="a", seconds=0.3)
        await client.watch(1, "counters:get", name="a")
        await client.until(lambda: bool(client.value(1) == 1.0))
        await running.database.deploy(load_app(folder))
        response = await answer_to(client, 1)

    assert (response["result"], response["logLines"]) == (11.0, ["[LOG] 'doubling a'"])


async def test_a_durable_action_sent_again_is_found_and_not_done_again(app: App) -> None:
    storage = MemoryStorage()
    for _ in range(2):
        async with serve(app, storage) as running, running.client() as client:
            await client.connect(SESSION)
            await ask(client, 5, "actions:fill", name="a")
            response = await answer_to(client, 5)
            assert response["result"] == 3.0
            made = [function for function, _ in causes(running)]

    assert made.count("counters:add") == 4  # The last one changed nothing, and is a step all the same.


@pytest.mark.parametrize(
    ("path", "says"),
    [("actions:leave", "Uncaught KeyboardInterrupt"), ("actions:raise_unspeakable", "Uncaught Unspeakable")],
)
async def test_whatever_an_action_raises_fails_that_action_and_nothing_else(
    running: Running, path: str, says: str
) -> None:
    with trio.open_signal_receiver(signal.SIGINT):  # As in a server.
        async with running.http() as http:
            failed = await http.post("/api/action", json={"path": path, "args": {}}, headers=KEY)
            well = await http.post("/api/action", json={"path": "actions:hidden", "args": {}}, headers=KEY)

    assert says in failed.json()["errorMessage"]
    assert well.json()["value"] == "hidden"


@pytest.mark.parametrize("what", ["nursery", "scope"])
async def test_an_action_that_leaves_a_scope_of_trio_open_harms_nobody_else(
    running: Running, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    async with running.http() as http:
        left = await http.post("/api/action", json={"path": "actions:leave_open", "args": {"what": what}})
        await running.database.actions.wait_until_idle()
        well = await http.post("/api/action", json={"path": "actions:hidden", "args": {}}, headers=KEY)

    assert left.json()["value"] == "left"
    assert well.json()["value"] == "hidden"
    assert "actions:leave_open has left a nursery or a cancel scope open" in caplog.text


async def test_a_ctx_is_for_its_action_alone_and_for_the_thread_of_the_engine(running: Running) -> None:
    """A write from another thread wakes nobody who would make it durable: everything after it would wait."""
    async with running.http() as http:
        answers = {}
        for name in ("leave_ctx", "use_left", "use_on_thread", "use_from_thread"):
            answer = await http.post("/api/action", json={"path": f"actions:{name}", "args": {}}, headers=KEY)
            answers[name] = answer.json().get("value", answer.json().get("errorMessage"))

    assert "actions:leave_ctx has ended, and its ctx with it" in answers["use_left"]
    assert "actions:use_on_thread uses its ctx on another thread" in answers["use_on_thread"]
    assert answers["use_from_thread"] == 1
    assert [function for function, _ in causes(running) if function.startswith("counters")] == ["counters:add"]
