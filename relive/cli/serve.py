"""`relive serve`: serve an app."""

from __future__ import annotations

from pathlib import Path

import click

from ..engine.data_folder import DataFolder
from ..engine.determinism import hash_seed
from .options import server_options


@click.command()
@server_options
def serve(app: Path, data: Path, host: str, port: int, debug: bool, as_json: bool) -> None:
    """Serve APP until SIGINT or SIGTERM.

    Prints one line on stdout once connections are accepted. On the first signal, answers what was
    asked, then stops; on the second, stops at once.
    """
    folder = open_data(data)
    from .serving import Options, run_server  # Much to import, and `open_data` may start over.

    run_server(Options(app, host, port, debug, as_json), folder)


def open_data(data: Path) -> DataFolder:
    """The data folder, in a process that has its hash seed: this one may be replaced by another."""
    folder = DataFolder.open(data)
    hash_seed.ensure(folder.hash_seed)
    return folder
