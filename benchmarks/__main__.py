"""The command line: ``python -m benchmarks``; see the package."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from attrs import evolve
from rich.console import Console

from . import CHECKOUT, profiling, rows, run, table
from .figures import figures
from .loads import raise_open_files
from .processes import SERVE, Failed, Processes
from .settings import QUICK, Settings

DATA = CHECKOUT / ".relive"
FUNCTIONS_SHOWN = 30
BUSY = 0.5
"""Load average from which on others take a visible share of the machine."""
PAGE_COLUMNS = 160
"""Width of what is not shown on a terminal."""

progress = Console(stderr=True, highlight=False)
ROW_NAMES = ", ".join([*(row.name for row in rows.ROWS), rows.LIMITS])
quick_option = click.option("--quick", is_flag=True, help="One short round, fewer documents.")
seconds_option = click.option("--seconds", type=click.FloatRange(min=0.05), help="For each figure, in each round.")
documents_option = click.option("--documents", type=click.IntRange(min=1), help="For the restart.")
subscribers_option = click.option("--subscribers", type=click.IntRange(min=1), help="In fan-out, channels and restart.")
data_option = click.option(
    "--data", type=click.Path(path_type=Path), default=DATA, help="Where data is put, and removed again: .relive/"
)
serve_option = click.option("--serve", default=SERVE, show_default=True, help="What starts a server: python SERVE APP.")


@click.command(epilog=f"Rows: {ROW_NAMES}.  `profile ROW` shows where the server spends its time.")
@click.argument("names", nargs=-1, metavar="[ROW]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@quick_option
@seconds_option
@click.option("--rounds", type=click.IntRange(min=1))
@documents_option
@subscribers_option
@data_option
@serve_option
def measure(names: tuple[str, ...], as_json: bool, quick: bool, data: Path, serve: str, **sizes: Any) -> None:
    """Measure relive, and what the machine allows."""
    settings = settings_of(quick, sizes)
    selected = selected_rows(names)
    busy_before = os.getloadavg()[0]
    if busy_before > BUSY:
        progress.print(f"The machine is busy (load {busy_before:.1f}): figures will be low, and ratios will vary.")
    with processes_in(data, serve) as processes:
        measured = list(
            run.measure(
                selected,
                processes,
                settings,
                every_limit=not names or rows.LIMITS in names,
                tell=lambda text: progress.print(text, style="dim"),
            )
        )
    results = list(figures(measured))
    if as_json:
        click.echo(table.as_json(results, busy_before))
    else:
        console().print(table.table(results))


@click.command()
@click.argument("name", metavar="ROW")
@click.option("--functions", default=FUNCTIONS_SHOWN, show_default=True, help="How many to show.")
@click.option("--with-callees", is_flag=True, help="Order by the time of a function and of all that it calls.")
@quick_option
@seconds_option
@documents_option
@subscribers_option
@data_option
@serve_option
def profile(name: str, functions: int, with_callees: bool, quick: bool, data: Path, serve: str, **sizes: Any) -> None:
    """Show where the server spends its time in one row."""
    found = selected_rows((name,))
    if len(found) != 1:
        raise click.UsageError(f"choose one row: {ROW_NAMES}")
    with processes_in(data, serve) as processes:
        progress.print(f"{found[0].title}, the server under cProfile", style="dim")
        path = profiling.profile(found[0], processes, settings_of(quick, sizes))
        console().print(profiling.table(found[0], path, functions, with_callees=with_callees))
    progress.print(profiling.sampling_hint(serve), style="dim")


def settings_of(quick: bool, sizes: dict[str, Any]) -> Settings:
    given = {name: value for name, value in sizes.items() if value is not None}
    return evolve(QUICK if quick else Settings(), **given)


def selected_rows(names: tuple[str, ...]) -> list[rows.Row]:
    try:
        return rows.chosen(names)
    except KeyError as error:
        raise click.UsageError(f"there is no row {error}; rows: {ROW_NAMES}") from None


@contextmanager
def processes_in(data: Path, serve: str) -> Iterator[Processes]:
    raise_open_files()
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=data) as folder:
        try:
            yield Processes(Path(folder), serve)
        except Failed as error:
            raise click.ClickException(str(error)) from None


def console() -> Console:
    return Console(highlight=False) if sys.stdout.isatty() else Console(width=PAGE_COLUMNS, highlight=False)


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["profile"]:
        profile.main(arguments[1:], prog_name="python -m benchmarks profile")
    measure.main(arguments, prog_name="python -m benchmarks")


if __name__ == "__main__":
    main(sys.argv[1:])
