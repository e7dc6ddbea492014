"""The official npm clients, unmodified, in Node, against a server process."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from .conftest import RunScript
from .server import Server


def test_a_subscription_follows_every_mutation(run_node: RunScript) -> None:
    result = run_node("live")

    assert result["seen"][0] == []
    assert result["atOnce"] == ["own"]
    assert result["seen"][-1] == ["own", "of another", "by HTTP"]
    assert result["afterUnsubscribe"] == 0
    assert result["message"]["_id"] == result["id"]
    assert set(result["message"]) == {"_id", "_creationTime", "author", "body"}


def test_two_clients_see_the_same_order(run_node: RunScript) -> None:
    result = run_node("two_clients")

    first, second = result["seen"]
    final = first[-1]
    assert second[-1] == final
    assert Counter(final) == Counter(f"{n}: {i}" for n in range(2) for i in range(result["each"]))
    for lists in (first, second):
        for shown in lists:
            assert shown == final[: len(shown)], "shown in an order that was not the final one"
    for n in range(2):  # the messages of one client keep the order in which it sent them
        assert [body for body in final if body.startswith(f"{n}:")] == [f"{n}: {i}" for i in range(result["each"])]


def test_an_optimistic_row_gives_way_to_the_real_one_in_one_step(run_node: RunScript) -> None:
    result = run_node("optimistic")

    assert result["atOnce"] == ["one (pending)", "two (pending)", "three (pending)"]
    assert result["settled"] == ["one", "two", "three"]
    assert result["errorData"] == {"code": "refused", "body": "refused"}
    assert result["rolledBack"] == ["one", "two", "three"]
    check_rows(result["rows"])
    values = result["values"]
    assert all(earlier <= later for earlier, later in pairwise(values)), f"it went back: {values}"
    assert values[-1] == max(values) == result["sum"]


def check_rows(rows: list[list[str]]) -> None:
    """No message is ever on screen twice, none vanishes, and none becomes pending again."""
    for shown in rows:
        bodies = [row.removesuffix(" (pending)") for row in shown]
        assert len(set(bodies)) == len(bodies), f"shown twice: {shown}"
    for earlier, later in pairwise(rows):
        for row in earlier:
            body = row.removesuffix(" (pending)")
            if body == "refused":
                continue  # its mutation failed, so it must vanish
            assert body in later or row in later, f"{row!r} vanished: {earlier} then {later}"


def test_failures_reach_the_client_with_their_data(run_node: RunScript) -> None:
    result = run_node("failures")

    sent = [case.pop("sent") for case in result["withData"]]
    assert sent == [{"code": "full", "seats": 3}, "just text", None, [1, "two", None], 7.5, "10n"]
    for data, case in zip(sent, result["withData"], strict=True):
        assert case == {where: {"data": data} for where in case}
    for where, failure in result["plain"].items():
        assert set(failure) == {"message"}, f"{where}: an ordinary error carries no data"
        assert failure["message"], where
    for where in ("mutation", "query", "httpMutation", "httpQuery"):
        assert "Server Error" in result["plain"][where]["message"], where
    assert result["messages"] == []
    assert result["live"] == [0, {"data": {"code": "odd", "value": 1}}, 2]
    assert result["connections"] == 1, "a failing function must not cost the connection"


def test_every_kind_of_value_survives_the_way_there_and_back(run_node: RunScript) -> None:
    result = run_node("values")

    assert result["checked"] == 28
    types = {"whole": True, "ratio": True, "big": True, "raw": True, "tags": True}
    assert result["typed"] == {**types, "maybe": None}
    assert result["typedHttp"] == {**types, "maybe": "set"}


def test_each_mutation_happens_once_though_the_server_is_killed(run_node: RunScript, server: Server) -> None:
    def kill_and_restart() -> None:
        server.kill()
        server.restart()

    result = run_node("restart", {"kill and restart": kill_and_restart})

    sent: list[int] = list(range(result["sent"]))
    assert lost_or_repeated(sent, result["stored"]) == {}
    assert result["stored"] == sent, "mutations of one client take effect in the order of their calls"
    assert result["shown"] == sent
    assert result["connections"] > 1, "the kill did not interrupt the connection"


def test_actions_are_answered_and_one_that_a_crash_cuts_off_fails_and_is_not_run_again(
    run_node: RunScript, server: Server
) -> None:
    def kill_and_restart() -> None:
        server.kill()
        server.restart()

    result = run_node("actions", {"kill and restart": kill_and_restart})

    assert "Connection lost while action was in flight" in result.pop("lost")
    assert result == {
        "counted": 2,
        "together": [2, 4, 6],
        "overHttp": 4,
        "refused": {"code": 7},
        "after": 6,
        "shown": 1,
    }


def lost_or_repeated(sent: list[int], stored: list[int]) -> dict[Any, int]:
    """How often each message is there, for those that are not there exactly once."""
    times = Counter(dict.fromkeys(sent, 0))
    times.update(stored)
    return {body: n for body, n in times.items() if n != 1}


def test_http_queries_and_mutations(run_node: RunScript) -> None:
    result = run_node("http")

    assert (result["before"], result["added"], result["after"]) == (0, 5, 5)
    assert result["consistent"] == [5, 5]
    assert result["latest"] == 6
    assert result["queued"] == [1, 2, 3]


def test_large_results_and_arguments_arrive(run_node: RunScript) -> None:
    result = run_node("large")

    assert result["live"] == result["http"] == result["bytes"]
    assert result["last"] == 255
    assert result["measured"] == result["measuredHttp"] == result["characters"]
    assert result["connections"] == 1, "a large message must not cost the connection"
