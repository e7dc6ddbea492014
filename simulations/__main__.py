"""``python -m relive.simulations``: run a campaign, or one plan again.

Exit codes: 0 nothing was found, 1 a violation, 2 something was never reached, 3 the simulator itself failed.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from .campaign import search
from .checkers.verdict import Verdict, judge
from .errors import PlanInvalid, TrioUnsupported
from .minimise import minimise
from .plan import FAULTS, from_bytes
from .report import report, save
from .run import run

VIOLATION, COLD, BROKEN = 1, 2, 3
SEEDS_FOR_PROBES = 300
"""Fewer seeds need not reach everything."""


@click.command()
@click.option("--seeds", default=300, show_default=True, help="How many seeds to run.")
@click.option("--first", default=0, show_default=True, help="The first of them.")
@click.option("--faults", default=",".join(FAULTS), help="Which faults there may be, with commas; empty for none.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".simulations"), help="Where plans are kept.")
@click.option("--replay", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Run one plan again.")
@click.option("--debug", is_flag=True, help="Show what the server logs.")
def main(seeds: int, first: int, faults: str, folder: Path, replay: Path | None, debug: bool) -> None:
    """Simulate the server, its clients and its disk."""
    if not debug:
        logging.disable()
    try:
        sys.exit(replayed(replay) if replay is not None else searched(range(first, first + seeds), faults, folder))
    except (PlanInvalid, TrioUnsupported) as error:
        click.echo(error, err=True)
        sys.exit(BROKEN)


def replayed(file: Path) -> int:
    verdict = judge(run(from_bytes(file.read_bytes())))
    if verdict.violations:
        click.echo(report(verdict, file), nl=False)
        return VIOLATION
    click.echo(f"seed {verdict.run.plan.seed}: nothing is wrong")
    return 0


def searched(seeds: range, faults: str, folder: Path) -> int:
    kinds = [kind for kind in faults.split(",") if kind]
    unknown = sorted(set(kinds) - set(FAULTS))
    if unknown:
        raise PlanInvalid(f"there is no fault {unknown[0]!r}; there are {', '.join(FAULTS)}")
    campaign = search(seeds, kinds=kinds)
    if campaign.found:
        show(campaign.found[0], folder)
        return VIOLATION
    click.echo(f"{campaign.seeds} seeds: nothing is wrong")
    cold = campaign.cold()
    if cold and len(seeds) >= SEEDS_FOR_PROBES and set(kinds) == set(FAULTS):
        click.echo(f"never reached: {', '.join(cold)}")
        return COLD
    return 0


def show(found: Verdict, folder: Path) -> None:
    smallest = minimise(found)
    click.echo(report(smallest, save(smallest, folder), found), nl=False)


if __name__ == "__main__":
    main()
