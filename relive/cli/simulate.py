"""`relive simulate`: look for a schedule, or a fault, under which an app does what its author did not mean."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import click

from ..engine.determinism.hash_seed import ensure
from ..simulations.authored.campaign import of_app
from ..simulations.authored.planning import Clients
from ..simulations.authored.watching import watch
from ..simulations.command import SHRINK_S, Settings, execute
from ..simulations.kept import FOLDER
from ..simulations.options import HASH_SEED, Share, fault_kinds
from .options import app_argument, traceback_option

FILE = click.Path(dir_okay=False, path_type=Path)
CLIENTS_MAX = 20


class ClientsType(click.ParamType[Clients]):
    """How many clients: ``3``, or ``1-5``."""

    name = "clients"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Clients:
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", str(value))
        fewest, most = (int(found[1]), int(found[2] or found[1])) if found is not None else (0, 0)
        if not 1 <= fewest <= most <= CLIENTS_MAX:
            self.fail(f"{value!r} is no number of clients; say 3 or 1-5, at most {CLIENTS_MAX}", param, ctx)
        return Clients(fewest, most)


class Seconds(click.ParamType[float]):
    """``60`` or ``60s``."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(str(value).removesuffix("s"))
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < float("inf"):
            self.fail(f"{value!r} is no time; say 60 or 60s", param, ctx)
        return seconds


@click.command()
@app_argument
@click.option("--file", type=FILE, help="What must be true. [default: simulation.py beside the folder APP]")
@click.option("--seeds", type=click.IntRange(min=1), help="How many seeds. [default: 300, or as many as fit --time]")
@click.option("--first", type=click.IntRange(min=0), default=0, show_default=True, help="The first of them.")
@click.option(
    "--faults",
    default="all",
    show_default=True,
    callback=fault_kinds,
    help="all, none, crashes, network, disk, or kinds; with commas.",
)
@click.option("--clients", type=ClientsType(), default="1-4", show_default=True, help="How many there are.")
@click.option("--time", "time_s", type=Seconds(), help="Begin no more seeds after so long, as 60s.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes.")
@click.option("--replay", type=FILE, help="Run one plan again.")
@click.option("--shrink", type=Seconds(), default=SHRINK_S, show_default=True, help="Time to make a failure smaller.")
@click.option(
    "--check-determinism",
    type=Share(),
    default="2%",
    show_default=True,
    help="Share of the seeds to run again elsewhere.",
)
@click.option("--until-probes", is_flag=True, help="Go on until every `sometimes` was true.")
@click.option("--watch", "watches", is_flag=True, help="Do it again whenever the app or the file changes.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), default=FOLDER, help="Where plans are kept.")
@click.option("--html", type=FILE, help="Write a failure as a page with a picture.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
@traceback_option
def simulate(
    app: Path,
    file: Path | None,
    clients: Clients,
    shrink: float,
    check_determinism: float,
    watches: bool,
    **options: Any,
) -> int:
    """Run the app APP under thousands of schedules, with crashes and lost connections, and look for what breaks.

    \b
    relive simulate shop --time 60s
    relive simulate shop --faults none --clients 2
    relive simulate shop --replay .relive/simulations/invariant-7.plan

    What must be true is written in simulation.py beside the folder (see `relive.simulate`). Without it, clients
    ask for what the types of the functions allow, and what must always be true is checked.

    \b
    Exit codes: 0 nothing was found, 1 something was, 2 a `sometimes` was never true, 3 the simulation cannot be done
    """
    ensure(HASH_SEED)
    # Hypothesis remembers things in a folder; not in whichever the command was given in.
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(gettempdir()) / "relive-hypothesis"))
    logging.disable()  # What the server says of crashes that are meant to be.
    settings = Settings(shrink_s=shrink, determinism=check_determinism, **options)
    maker = of_app(app, file, clients)
    if watches:
        return watch(maker, settings)
    return execute(maker, settings)
