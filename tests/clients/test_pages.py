"""Lists read page by page, with the official clients and React's own hooks, against a server process."""

from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import pytest

from .conftest import FOLDER, RunScript
from .pages import Choice, History, Pages, check_drawn
from .server import Server

DEPLOY_S_MAX = 30
SYSTEM_ERROR = {"isConvexSystemError": True, "paginationError": "InvalidCursor"}
INDEX = "by_rank = index(board, rank)"


def test_pages_are_loaded_change_are_split_and_left(run_node: RunScript) -> None:
    result = run_node("paginated")

    assert (result["error"], result["connections"]) == (None, 1)
    tens = list(range(10, 90, 10))
    assert result["loading"] == [
        ["LoadingFirstPage", []],
        ["CanLoadMore", tens[:3]],
        ["LoadingMore", tens[:3]],
        ["CanLoadMore", tens[:6]],
        ["LoadingMore", tens[:6]],
        ["Exhausted", tens],
    ]
    assert result["changed"] == [
        *result["loading"],
        ["Exhausted", [5, *tens]],
        ["Exhausted", [5, *tens, 90]],
        ["Exhausted", [5, 10, 20, 25, 30, 30, 35, 40, 50, 60, 60, 65, 70, 80, 90]],
        ["Exhausted", [10, 20, 25, 30, 30, 35, 40, 50, 60, 60, 65, 70, 80]],
    ]
    assert result["splitsBefore"] == 0
    grown = [10, *range(11, 17), 20, 25, 30]
    assert result["split"]["list"] == [*grown, 30, 35, 40, 50, 60, 60, 65, 70, 80]
    assert result["split"]["halves"] == 4, "two hooks, two halves each"
    check_split(result["split"]["said"])
    assert result["shrunk"] == [25, 30, 30, 35, 40, 50, 60, 60, 65, 70, 80]
    assert result["twin"] == {"status": "CanLoadMore", "ranks": [1, 25, 30]}
    assert [rows for rows, _ in groupby(result["optimistic"])] == [["pending"], ["real"]]
    for results, whole in result["beside"]:
        assert results == whole[: len(results)], "two queries of one transition were drawn apart"


def check_split(said: list[Any]) -> None:
    """Each hook gives its page up once both halves are there."""
    halves: set[int] = set()
    arrived: set[int] = set()
    dropped = 0
    for each in said:
        for change in each.get("sent", {}).get("modifications", []):
            if change["type"] == "Add":
                halves.add(change["queryId"])
            else:
                dropped += 1
                assert change["queryId"] not in halves
                assert len(arrived) >= 2 * dropped, "a page was dropped before its halves had come"
        arrived |= halves & {change["queryId"] for change in each.get("received", {}).get("modifications", [])}
    assert (dropped, len(arrived)) == (2, 4)


def test_pages_keep_their_ends_though_connections_are_lost(run_node: RunScript, server: Server) -> None:
    result = run_node("paginated_reconnect", {"kill and restart": lambda: kill_and_restart(server)})

    for lost in (result["cut"], result["killed"]):
        assert len(lost["asked"]) == 2
        assert lost["asked"] == lost["told"], "the client hands back the journals it was given"
        assert None not in lost["asked"].values()
    assert set(result["statuses"]) == {"CanLoadMore", "LoadingMore"}, "a list on screen never starts again"
    assert (result["end"], result["error"]) == ("Exhausted", None)
    assert result["connections"] >= 5, "cut, killed, cut while loading, cut while adding"


def kill_and_restart(server: Server) -> None:
    server.kill()
    server.restart()


def test_a_list_whose_cursors_are_no_good_any_more_starts_again(
    run_node: RunScript, server: Server, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(FOLDER / "app", other)
    schema = (other / "schema.py").read_text()
    assert INDEX in schema
    (other / "schema.py").write_text(schema.replace(INDEX, "by_rank = index(board, hidden, rank)"))

    def deploy() -> None:
        command = [sys.executable, "-m", "relive", "deploy", str(other), "--data", str(server.data)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEPLOY_S_MAX)
        assert done.returncode == 0, done.stdout + done.stderr

    def restart() -> None:
        server.stop()
        server.restart()

    result = run_node("paginated_invalid", {"deploy another index": deploy, "restart with the first index": restart})

    assert result["survived"], "a cursor that is no good must not cost the connection"
    assert result["error"] is None
    for drawn, first_page in (("more", "10,20"), ("deployed", "10,30"), ("restarted", "10,20"), ("other", "3,2")):
        assert result[drawn][-1] == f"CanLoadMore {first_page}"
        assert "LoadingFirstPage " in result[drawn]
    # What went wrong is hidden from clients of `relive serve`; that a cursor was invalid is data.
    assert result["failures"] == [SYSTEM_ERROR] * 3 + [None]
    assert "Server Error" in result["thrown"]


@pytest.mark.parametrize("seed", [1, 2])
def test_no_row_is_ever_missing_or_shown_twice(
    run_node: RunScript, server: Server, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("RELIVE_SEED", str(seed))
    result = run_node("paginated_random", {"kill and restart": lambda: kill_and_restart(server)})

    history = History.of(result["reading"], result["writing"])
    pages = Pages(history)
    pages.check(result["reading"])
    for drawing in result["lists"]:
        assert drawing["error"] is None, drawing["name"]
        choice = Choice.of(drawing["args"])
        check_drawn(drawing["drawn"], choice, history, set(pages.ends[choice].values()))
    # It was a test: many writes, pages of every kind, and some handed over from one socket to the next.
    assert len(history.times) > 150
    assert pages.pages > 500
    assert pages.splits > 50
    assert pages.resumed > 20


def check_lists(lists: list[Any]) -> None:
    for each in lists:
        for reader, most in (("http", 5), ("socket", 4)):
            assert list(chain.from_iterable(each[reader])) == each["whole"]
            assert all(len(page) == most for page in each[reader][:-1])
    assert [len(each["whole"]) for each in lists] == [23, 19, 0]


def test_pages_to_the_end_without_a_subscription(run_node: RunScript) -> None:
    result = run_node("paginated_http")

    check_lists(result["lists"])
    assert result["failures"] == [SYSTEM_ERROR, SYSTEM_ERROR]


def test_pages_to_the_end_in_python(run_python: RunScript) -> None:
    result = run_python("pages")

    check_lists(result["lists"])
    assert result["watched"] == [[0, 1, 2], [0, 1, 1, 2], [1, 1, 2]]
    assert result["failures"] == [{"data": SYSTEM_ERROR}] * 2
