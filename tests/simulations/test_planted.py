"""The simulator finds bugs: each of these, planted, within a bounded number of seeds; and none without."""

from __future__ import annotations

import pytest
from relive.simulations.campaign import search
from relive.simulations.checkers.verdict import judge
from relive.simulations.minimise import minimise
from relive.simulations.plan import FAULTS
from relive.simulations.run import run
from relive.simulations.subject import shipped

from .kills import SEEDS_MAX, known, seeds_for
from .planted import BUGS


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = BUGS[name]
    bug.plant(monkeypatch)

    assert search(seeds_for(name), kinds=bug.kinds).failures


def test_every_bug_has_its_number_of_seeds_written_down() -> None:
    assert set(known()) == set(BUGS)
    assert len(BUGS) >= 50


def test_a_bug_is_found_by_the_same_seed_again_and_gone_when_it_is_repaired() -> None:
    with pytest.MonkeyPatch.context() as patch:
        BUGS["who counts is not told"].plant(patch)
        first, again = (search(range(SEEDS_MAX)).found[0] for _ in range(2))
    repaired = judge(run(first.run.plan))

    assert first.violations == again.violations
    assert first.run.text() == again.run.text()
    assert not repaired.violations


def test_a_plan_is_made_smaller_and_fails_in_the_same_way() -> None:
    with pytest.MonkeyPatch.context() as patch:
        BUGS["who counts is not told"].plant(patch)
        found = search(range(SEEDS_MAX)).found[0]
        smallest = minimise(found, shipped()).best
        again = judge(run(smallest.run.plan))

    assert smallest.run.plan.operations <= 3
    assert smallest.run.plan.faults == ()
    assert again.violations[0].kind == found.violations[0].kind == "subscriptions: what is shown is true"


def test_what_ships_passes_and_everything_is_reached() -> None:
    campaign = search(range(160), kinds=FAULTS)

    assert [verdict.violations for verdict in campaign.found] == []
    assert campaign.cold() == ()
    assert campaign.seeds == 160
