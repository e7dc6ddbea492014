"""The driver: the same choices give the same course, and a program that gets nowhere is found out."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio._core._run as trio_run
from relive.simulations import driver
from relive.simulations.driver import Clock, drive, sample
from relive.simulations.errors import Deadlock, TooManySteps, TrioUnsupported
from relive.simulations.randomness import stream
from relive.simulations.schedule import FIFO, ONE, PCT, POLICIES, REPLAY, SHUFFLE, Schedule


def schedule(policy: str = SHUFFLE, seed: int = 1) -> Schedule:
    return Schedule(policy, stream(seed, "tests"))


async def race(order: list[int]) -> str:
    async def child(number: int) -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
            order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(child, number)
    return "done"


def raced(policy: str, seed: int = 1, choices: tuple[int, ...] = ()) -> tuple[list[int], Schedule]:
    order: list[int] = []
    used = Schedule(policy, stream(seed, "tests"), choices)
    assert drive(race, order, schedule=used) == "done"
    return order, used


@pytest.mark.parametrize("policy", [SHUFFLE, FIFO, ONE, PCT])
def test_the_same_seed_gives_the_same_order(policy: str) -> None:
    assert raced(policy)[0] == raced(policy)[0]
    assert sample(policy) == sample(policy)


def test_other_seeds_give_other_orders() -> None:
    assert len({tuple(raced(policy, seed)[0]) for seed in range(5) for policy in (SHUFFLE, ONE, PCT)}) == 15


@pytest.mark.parametrize("policy", [ONE, PCT])
def test_recorded_choices_give_the_order_again(policy: str) -> None:
    order, used = raced(policy)

    assert raced(REPLAY, choices=tuple(used.choices))[0] == order


def test_every_policy_is_known() -> None:
    assert set(POLICIES) == {SHUFFLE, FIFO, ONE, PCT, REPLAY}


def test_time_passes_only_when_nothing_can_run() -> None:
    seen: list[float] = []

    async def program() -> None:
        await trio.sleep(3600)
        seen.append(trio.current_time())
        with trio.move_on_after(0.5):
            await trio.sleep_forever()
        seen.append(trio.current_time())

    drive(program, schedule=schedule(), clock=Clock(10.0))

    assert seen == [3610.0, 3610.5]


def test_a_program_in_which_nobody_can_run_is_a_deadlock() -> None:
    with pytest.raises(Deadlock, match="nothing can run any more"):
        drive(trio.sleep_forever, schedule=schedule())


def test_a_program_that_runs_in_circles_is_stopped() -> None:
    async def circle() -> None:
        while True:
            await trio.lowlevel.checkpoint()

    with pytest.raises(TooManySteps):
        drive(circle, schedule=schedule(), steps_max=1000)


def test_what_the_program_raises_comes_out_and_trio_is_as_before() -> None:
    run: Any = trio_run
    before = run._r, run._ALLOW_DETERMINISTIC_SCHEDULING

    async def fail() -> None:
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        drive(fail, schedule=schedule())

    assert (run._r, run._ALLOW_DETERMINISTIC_SCHEDULING) == before


def test_a_version_of_trio_without_what_the_driver_needs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_checked", False)
    monkeypatch.delattr(trio_run, "unrolled_run")

    with pytest.raises(TrioUnsupported, match="unrolled_run"):
        driver.check()


def test_a_version_of_trio_that_is_not_deterministic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = iter(range(100))
    monkeypatch.setattr(driver, "_checked", False)
    monkeypatch.setattr(driver, "sample", lambda policy: [str(next(runs))])

    with pytest.raises(TrioUnsupported, match="not the same"):
        driver.check()
