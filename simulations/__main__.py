"""``python -m relive.simulations``: run a campaign, or one plan again.

Exit codes: 0 nothing was found, 1 a violation, 2 something was never reached, 3 the simulator itself failed.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import click

from ..engine.determinism.hash_seed import ensure
from .command import SHRINK_S, Settings, execute
from .kept import FOLDER
from .options import HASH_SEED, Share, fault_kinds
from .subject import shipped

FILE = click.Path(dir_okay=False, path_type=Path)
POSITIVE = click.FloatRange(min=0.0, min_open=True)


@click.command()
@click.option("--seeds", type=click.IntRange(min=1), help="How many seeds. [default: 300, or as many as fit --time]")
@click.option("--first", type=click.IntRange(min=0), default=0, show_default=True, help="The first of them.")
@click.option("--faults", default="all", show_default=True, callback=fault_kinds, help="Kinds of faults, with commas.")
@click.option("--replay", type=FILE, help="Run one plan again.")
@click.option("--shrink", type=click.FloatRange(min=0), default=SHRINK_S, show_default=True, help="Seconds to spend.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes.")
@click.option("--time", "time_s", type=POSITIVE, help="Seconds after which no more seeds are begun.")
@click.option("--until-probes", is_flag=True, help="Go on until everything that must be reached was.")
@click.option("--check-determinism", type=Share(), default="0%", help="Share of the seeds to run twice, as 5%.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), default=FOLDER, help="Where plans are kept.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
@click.option("--html", type=FILE, help="Write a failure as a page with a picture.")
@click.option("--debug", is_flag=True, help="Show what the server logs.")
def main(check_determinism: float, shrink: float, debug: bool, **options: Any) -> None:
    """Simulate the server, its clients and its disk."""
    if not debug:
        logging.disable()
    sys.exit(execute(shipped, Settings(shrink_s=shrink, determinism=check_determinism, **options)))


if __name__ == "__main__":
    ensure(HASH_SEED)
    main()
