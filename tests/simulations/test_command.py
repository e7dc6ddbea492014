"""The command line: what it says, what it keeps, and how it exits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner, Result
from relive.protocol import cbor
from relive.simulations import subject
from relive.simulations.__main__ import main
from relive.simulations.checkers.violation import Violation
from relive.simulations.command import BROKEN, COLD, PASSED, VIOLATION
from relive.simulations.kept import save
from relive.simulations.plan import FAULTS, Plan
from relive.simulations.subject import shipped
from relive.simulations.swarm import generate

from .planted import BUGS

FOUND = ("subscriptions: what is shown is true", "pages: pages fit together")
"""Which of the two shows first depends on the seed."""


def simulate(folder: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["--keep", str(folder), *map(str, arguments)])


@pytest.fixture
def nobody_is_told() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        BUGS["who gets a document is not told"].plant(patch)
        yield patch


def keep(plan: Plan, folder: Path) -> Path:
    return save(plan, Violation("shape", "of a test", ""), shipped(), folder)


def test_seeds_without_a_failure_exit_with_0(tmp_path: Path) -> None:
    result = simulate(tmp_path, "--seeds", 3)

    assert result.exit_code == PASSED
    assert "3 seeds in" in result.output
    assert "nothing is wrong" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_failure_is_kept_run_first_and_told_again_until_it_is_repaired(
    tmp_path: Path, nobody_is_told: pytest.MonkeyPatch
) -> None:
    found = simulate(tmp_path, "--seeds", 20)
    (file,) = tmp_path.iterdir()
    again, first = simulate(tmp_path, "--replay", file), simulate(tmp_path, "--seeds", 20, "--json")
    nobody_is_told.undo()
    repaired, passed = simulate(tmp_path, "--replay", file), simulate(tmp_path, "--seeds", 2)

    assert found.exit_code == again.exit_code == first.exit_code == VIOLATION
    assert file.name.partition("-")[0] in ("subscriptions", "pages")
    assert f"again: python -m relive.simulations --replay {file}" in found.output
    assert any(f"FAIL  {each}" in again.output for each in FOUND)
    assert json.loads(first.output)["seeds"] == 0
    assert json.loads(first.output)["kept"] == [{"file": str(file), "result": "violation", "sameCode": True}]
    assert repaired.exit_code == passed.exit_code == PASSED
    assert f"{file}: nothing is wrong any more" in passed.output


def test_json_says_what_the_text_says(tmp_path: Path, nobody_is_told: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = json.loads(simulate(tmp_path, "--seeds", 20, "--json").output)

    assert told["result"] == "violation"
    assert told["finding"]["kind"] in FOUND
    assert told["finding"]["plan"]["seed"] == told["failures"][0]["seed"]
    assert sum(map(len, told["finding"]["plan"]["clients"])) <= 3
    assert {row["lane"] for row in told["finding"]["rows"]} <= {*told["finding"]["lanes"]}
    assert any(row["wrong"] for row in told["finding"]["rows"])


def test_probes_that_stay_cold_exit_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PROBES", (*subject.PROBES, "a pig flies"))

    result = simulate(tmp_path, "--seeds", 2, "--until-probes")

    assert result.exit_code == COLD
    assert "never reached: " in result.output
    assert "a pig flies" in result.output


def test_a_campaign_goes_on_until_all_is_reached_and_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PROBES", ("fault kill", "fault crash"))

    told = json.loads(simulate(tmp_path, "--seeds", 200, "--until-probes", "--json").output)

    assert told["result"] == "passed"
    assert told["seeds"] < 100


def test_time_ends_a_campaign(tmp_path: Path) -> None:
    told = json.loads(simulate(tmp_path, "--time", 0.01, "--json").output)

    assert (told["result"], told["seeds"]) == ("passed", 1)


def test_a_checker_that_fails_exits_with_3_and_names_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: object) -> None:
        raise RuntimeError("the checker is wrong")

    monkeypatch.setattr(subject, "judge", broken)

    result = simulate(tmp_path, "--seeds", 3, "--first", 7)

    assert result.exit_code == BROKEN
    assert "the simulator itself failed at seed 7" in result.output
    assert "the checker is wrong" in result.output


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"not a plan", "this is no plan that can be run"),
        (cbor.encode({"format": 99}), "it is of format 99, and this version of relive reads format 1"),
        (cbor.encode({"format": 1, "subject": "examples/bank"}), "it is for 'examples/bank', and this is 'relive'"),
        (cbor.encode({"format": 1, "subject": "relive"}), "there is no plan in it"),
    ],
)
def test_a_plan_that_cannot_be_run_exits_with_3_and_is_passed_over_by_campaigns(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    file = tmp_path / "old.plan"
    file.write_bytes(content)
    replayed, campaign = simulate(tmp_path, "--replay", file), simulate(tmp_path, "--seeds", 1)

    assert replayed.exit_code == BROKEN
    assert problem in replayed.output
    assert campaign.exit_code == PASSED
    assert "not run: " in campaign.output
    assert problem in campaign.output


def test_a_plan_that_is_not_there_exits_with_3(tmp_path: Path) -> None:
    result = simulate(tmp_path, "--replay", tmp_path / "no.plan")

    assert result.exit_code == BROKEN
    assert "no.plan: No such file or directory" in result.output


def test_a_plan_of_other_code_is_run_and_said_to_be(tmp_path: Path) -> None:
    other = evolve(shipped(), code=b"other")
    file = save(generate(1), Violation("shape", "of a test", ""), other, tmp_path)

    assert "it was found with other code of the app" in simulate(tmp_path, "--replay", file).output


def test_an_unknown_fault_exits_with_3(tmp_path: Path) -> None:
    result = simulate(tmp_path, "--faults", "flood")

    assert result.exit_code == BROKEN
    assert "there is no fault 'flood'" in result.output


def test_only_the_faults_that_are_asked_for_are_planned() -> None:
    kinds = {fault.kind for seed in range(100) for fault in generate(seed, ["kill", "cut"]).faults}

    assert kinds == {"kill", "cut"} < set(FAULTS)


def test_a_plan_without_operations_runs(tmp_path: Path) -> None:
    file = keep(evolve(generate(1), clients=((), ()), faults=()), tmp_path)

    assert simulate(tmp_path, "--replay", file).exit_code == PASSED


def test_processes_find_what_one_finds(tmp_path: Path) -> None:
    """As a person would run it: the hash seed is set by starting over, and workers are started."""
    command = [sys.executable, "-m", "relive.simulations", "--seeds", "20", "--check-determinism", "20%", "--json"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    told = [
        json.loads(
            subprocess.run([*command, *jobs], cwd=tmp_path, env=environment, capture_output=True, check=True).stdout
        )
        for jobs in ([], ["--jobs", "2"])
    ]

    assert told[0]["probes"] == told[1]["probes"]
    assert told[0]["seeds"] == told[1]["seeds"] == 20
    assert told[0]["determinism"] == told[1]["determinism"]
    assert told[0]["determinism"]["seeds"] > 0


def test_a_page_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    result = simulate(tmp_path, "--seeds", 100_000, "--html", tmp_path / "absent" / "page.html")

    assert result.exit_code == BROKEN
    assert "page.html cannot be written: there is no such folder" in result.output
