"""The command line: what it says, what it keeps, and how it exits."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner, Result
from relive.simulations.__main__ import BROKEN, VIOLATION, main
from relive.simulations.plan import FAULTS, to_bytes
from relive.simulations.swarm import generate

from .planted import BUGS


def simulate(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_seeds_without_a_failure_exit_with_0() -> None:
    result = simulate("--seeds", 3)

    assert (result.exit_code, result.output) == (0, "3 seeds: nothing is wrong\n")


def test_a_failure_is_reported_kept_and_failing_again_until_it_is_repaired(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        BUGS["who gets a document is not told"][0](patch)
        found = simulate("--seeds", 20, "--folder", tmp_path)
        (file,) = tmp_path.iterdir()
        again = simulate("--replay", file)
    repaired = simulate("--replay", file)

    assert found.exit_code == again.exit_code == VIOLATION
    assert f"python -m relive.simulations --replay {file}" in found.output
    assert "subscriptions: what is shown is true" in again.output
    assert repaired.exit_code == 0
    assert "nothing is wrong" in repaired.output


def test_a_plan_that_cannot_be_run_exits_with_3(tmp_path: Path) -> None:
    file = tmp_path / "old.plan"
    file.write_bytes(b"not a plan")
    result = simulate("--replay", file)

    assert result.exit_code == BROKEN
    assert "no plan that can be run" in result.output


def test_an_unknown_fault_exits_with_3() -> None:
    result = simulate("--faults", "flood")

    assert result.exit_code == BROKEN
    assert "there is no fault 'flood'" in result.output


def test_only_the_faults_that_are_asked_for_are_planned() -> None:
    kinds = {fault.kind for seed in range(100) for fault in generate(seed, ["kill", "cut"]).faults}

    assert kinds == {"kill", "cut"} < set(FAULTS)


def test_a_plan_without_operations_runs(tmp_path: Path) -> None:
    file = tmp_path / "empty.plan"
    file.write_bytes(to_bytes(evolve(generate(1), clients=((), ()), faults=())))

    assert simulate("--replay", file).exit_code == 0
