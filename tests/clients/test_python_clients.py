"""The official PyPI client, unmodified, against a server process."""

from __future__ import annotations

from .conftest import RunScript
from .server import Server


def test_a_python_subscription_follows_every_mutation(run_python: RunScript) -> None:
    result = run_python("live")

    everything = ["own", "of another", "by HTTP"]
    assert result["seen"] == [[], everything[:1], everything[:2], everything]
    assert result["asked"] == result["by_http"] == everything
    assert result["added"] == [1, 3, 6]


def test_failures_reach_the_python_client_with_their_data(run_python: RunScript) -> None:
    result = run_python("failures")

    assert [case["sent"] for case in result["with_data"]] == [
        {"code": "full", "seats": 3},
        "just text",
        None,
        [1, "two", None],
        7.5,
    ]
    for case in result["with_data"]:
        assert case["received"] == [{"data": case["sent"]}] * 4
    for failure in result["plain"]:
        assert "Server Error" in failure["message"]
    for failure in result["unknown"]:
        assert failure["message"]
    assert result["still_connected"] == 1


def test_every_kind_of_value_survives_in_python(run_python: RunScript) -> None:
    result = run_python("values")

    assert result["checked"] == 24
    assert result["kinds"] == {
        "null": "NoneType",
        "true": "bool",
        "integer": "float",
        "fraction": "float",
        "largest": "float",
        "minus_zero": "float",
        "nan": "float",
        "infinity": "float",
        "minus_infinity": "float",
        "int64": "ConvexInt64",
        "int64_small": "ConvexInt64",
        "text": "str",
        "bytes": "bytes",
        "array": "list",
        "object": "dict",
    }


def test_large_results_and_arguments_arrive_in_python(run_python: RunScript) -> None:
    result = run_python("large")

    assert result["received"] == result["bytes"]
    assert result["last"] == 255
    assert result["measured"] == result["characters"]


def test_a_python_subscription_outlives_a_killed_server(run_python: RunScript, server: Server) -> None:
    def kill_and_restart() -> None:
        server.kill()
        server.restart()

    result = run_python("restart", {"kill and restart": kill_and_restart})

    assert result["before"] == [0, 1]
    assert result["added"] == 2
    assert result["after"][-1] == 2
    assert result["asked"] == 2
