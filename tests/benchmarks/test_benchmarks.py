"""The benchmarks run, at tiny sizes.  What they measure is not looked at: no test depends on speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
RUN_S_MAX = 120
TINY = ["--seconds", "0.1", "--rounds", "1", "--documents", "200", "--subscribers", "4"]


def run_benchmarks(data: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments, "--data", str(data)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_row_gives_its_figures_and_their_limits_and_leaves_nothing_behind(tmp_path: Path) -> None:
    output = run_benchmarks(tmp_path, "--json", *TINY)

    figures: list[dict[str, Any]] = json.loads(output)["figures"]
    assert [row for row, _ in rows_of(figures)] == [
        "in-process",
        "mutations-1",
        "mutations-16",
        "mutations-64",
        "notify",
        "fan-out",
        "channels",
        "restart",
        "search",
        "limits",
    ]
    assert dict(rows_of(figures)) == {
        "in-process": 12,
        "mutations-1": 1,
        "mutations-16": 1,
        "mutations-64": 1,
        "notify": 2,
        "fan-out": 1,
        "channels": 3,
        "restart": 7,
        "search": 4,
        "limits": 10,
    }
    assert all(figure["value"] > 0 for figure in figures if figure["figure"] != "resident per idle subscriber")
    assert {
        figure["row"]: figure["limit"] for figure in figures if figure["limit"] and "p99" not in figure["figure"]
    } == {
        "mutations-1": "echo-1",
        "mutations-16": "echo-16",
        "mutations-64": "echo-64",
        "notify": "fsync p50 + echo-1 p50",
        "fan-out": "push-13000",
        "channels": "fsync p50 + echo-1 p50",
        "restart": "read-1000000",
    }
    assert all(figure["ratio"] > 0 for figure in figures if figure["limit"])
    assert not list(tmp_path.iterdir())


def test_a_profile_names_the_functions_of_the_server(tmp_path: Path) -> None:
    output = run_benchmarks(tmp_path, "profile", "mutations-1", "--seconds", "0.1", "--functions", "1000")

    assert "run_and_commit" in output


def rows_of(figures: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Each row in the order of the table, with the number of its figures."""
    counts: dict[str, int] = {}
    for figure in figures:
        counts[figure["row"]] = counts.get(figure["row"], 0) + 1
    return list(counts.items())
