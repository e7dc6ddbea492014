"""The official HTTP clients: credentials, refusals, and what they hear of failures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from relive.engine.data_folder import DataFolder

from .conftest import FOLDER, RunScript
from .script import run_script
from .server import Server

REDACTED = re.compile(r"\[Request ID: [0-9a-f]{16}\] Server Error")


@pytest.fixture
def admin_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the scripts that the test runs."""
    monkeypatch.setenv("RELIVE_ADMIN_KEY", str(DataFolder.read(server.data).local_key))


@pytest.mark.usefixtures("admin_key")
def test_the_node_client_is_told_what_it_may_know(run_node: RunScript) -> None:
    result = run_node("http_edges")

    check(result)
    assert (result["byAdminActing"], result["anyKind"]) == (0, 1)
    assert "Could not find public function for 'part/counters:add'." in result["component"]
    assert result["announced"] is None
    assert len(result["lines"]) == 1
    assert "'hello'" in result["lines"][0]
    codes = {name: json.loads(result[name]["message"])["code"] for name in ("badPath", "wrongKey", "token")}
    assert codes == {
        "badPath": "BadConvexFunctionIdentifier",
        "wrongKey": "BadDeployKey",
        "token": "NoAuthProvider",
    }


@pytest.mark.usefixtures("admin_key")
def test_the_python_client_is_told_what_it_may_know(run_python: RunScript) -> None:
    result = run_python("http_edges")

    check(result)
    assert result["lines"] == ["[LOG] 'hello'"]
    assert result["badPath"]["message"].startswith("400 BadConvexFunctionIdentifier: ")
    assert result["wrongKey"]["message"] == "403 BadDeployKey: the admin key is wrong"
    assert result["token"]["message"].startswith("401 NoAuthProvider: ")


def check(result: dict[str, Any]) -> None:
    assert (result["byAdmin"], result["internal"]) == (0, "for admins")
    assert "Uncaught ValueError: the query broke" in result["plainForAdmin"]
    assert REDACTED.fullmatch(result["plain"]["message"])
    assert REDACTED.fullmatch(result["hidden"]["message"])
    assert result["withData"] == {"data": {"code": 5}}
    assert "Trying to execute counters.js:get as Action, but it is defined as Query." in result["action"]


@pytest.fixture
def frank(tmp_path: Path) -> Iterator[Server]:
    """A server that tells everybody everything."""
    server = Server(FOLDER / "app", tmp_path / "frank", ("--show-errors",))
    server.start()
    yield server
    server.stop()


def test_a_server_may_tell_clients_why_functions_fail(frank: Server, node: str) -> None:
    plain = run_script([node, "failures.mjs"], frank, cwd=FOLDER / "node")["plain"]

    for where in ("mutation", "httpMutation"):
        assert "Uncaught ValueError: the mutation broke" in plain[where]["message"]
    for where in ("query", "httpQuery"):
        assert "Uncaught ValueError: the query broke" in plain[where]["message"]
    assert "Could not find public function for 'failures:nothing'." in plain["unknownMutation"]["message"]
    assert "ArgumentValidationError" in plain["wrongType"]["message"]


def test_by_default_a_served_app_tells_no_client_why_functions_fail(run_node: RunScript) -> None:
    for where, failure in run_node("failures")["plain"].items():
        found = REDACTED.search(failure["message"])
        assert found is not None, where
        rest = failure["message"].replace(found[0], "")
        assert not re.search("broke|Uncaught|Error|find|execute", rest), (where, rest)
