"""Runs: the same plan gives the same trace, byte for byte, in whatever process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from attrs import evolve
from relive.simulations.errors import PlanInvalid
from relive.simulations.plan import FAULTS, from_bytes, to_bytes
from relive.simulations.run import run
from relive.simulations.schedule import FIFO, REPLAY
from relive.simulations.swarm import generate

SEEDS = 6
PRINT_DIGESTS = f"""
import logging
logging.disable()
from relive.simulations.run import run
from relive.simulations.swarm import generate
for seed in range({SEEDS}):
    print(run(generate(seed)).digest())
"""


def digests_of_a_process(hash_seed: str) -> list[str]:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", PRINT_DIGESTS]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_the_same_plan_gives_the_same_trace_in_every_process_and_with_every_hash_seed() -> None:
    here = [run(generate(seed)).digest() for seed in range(SEEDS)]
    noise = [object() for _ in range(10_007)]
    again = [run(generate(seed)).digest() for seed in range(SEEDS)]

    assert again == here, len(noise)
    assert all(digests_of_a_process(hash_seed) == here for hash_seed in ("0", "1", "4294967295"))
    assert len(set(here)) == SEEDS


def test_recorded_choices_of_the_scheduler_give_the_trace_again() -> None:
    plan = next(each for each in map(generate, range(100)) if each.policy == "one")
    first = run(plan)

    replayed = run(evolve(plan, policy=REPLAY, choices=first.choices))

    assert replayed.text() == first.text()


def test_the_simplest_schedule_draws_nothing() -> None:
    assert run(evolve(generate(1), policy=FIFO)).choices == ()


def test_a_plan_outlives_its_file() -> None:
    plans = [generate(seed) for seed in range(50)]

    assert [from_bytes(to_bytes(plan)) for plan in plans] == plans
    assert {fault.kind for plan in plans for fault in plan.faults} == set(FAULTS)


def test_a_plan_of_a_seed_stays_the_plan_of_that_seed() -> None:
    assert to_bytes(generate(7)) == to_bytes(generate(7))


@pytest.mark.parametrize("data", [b"", b"\xa0", to_bytes(generate(1))[:-1], to_bytes(generate(1)) + b"\x00"])
def test_what_is_no_plan_is_refused(data: bytes) -> None:
    with pytest.raises(PlanInvalid, match="no plan that can be run"):
        from_bytes(data)


def test_a_plan_with_an_unknown_fault_is_refused() -> None:
    plan = next(each for each in map(generate, range(100)) if each.faults)

    with pytest.raises(PlanInvalid, match="no fault 'flood'"):
        evolve(plan, faults=(evolve(plan.faults[0], kind="flood"),))
