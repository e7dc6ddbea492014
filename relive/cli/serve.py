"""`relive serve`: serve an app."""

from __future__ import annotations

from pathlib import Path

import click

from ..engine.data_folder import DataFolder
from ..engine.determinism import hash_seed
from .collector import collector_calmed
from .options import optional_app_argument, server_options


@click.command()
@optional_app_argument
@server_options
@click.option("--show-errors", is_flag=True, help="Tell every client why a function failed, and what it printed.")
def serve(
    app: Path | None,
    data: Path,
    host: str,
    port: int,
    site_port: int | None,
    debug: bool,
    as_json: bool,
    files: str | None,
    public_url: str | None,
    show_errors: bool,
) -> None:
    """Serve APP until SIGINT or SIGTERM; without APP, what was deployed last.

    With APP, its code is deployed at the start. Without, the code comes from the log, and a new data
    folder serves nothing until `relive deploy`.

    Prints one line on stdout once connections are accepted. On the first signal, answers what was
    asked, then stops; on the second, stops at once.

    Of a failure clients hear only its request id, and the data of an ApplicationError. The rest is
    for holders of the admin key: `relive logs --request ID` shows it.
    """
    folder = open_data(data)
    with collector_calmed():
        from .serving import Options, run_server  # Much to import, and `open_data` may start over.

    options = Options(
        app, host, port, debug, as_json, not show_errors, site_port=site_port, files=files, public_url=public_url
    )
    run_server(options, folder)


def open_data(data: Path) -> DataFolder:
    """The data folder, in a process that has its hash seed: this one may be replaced by another."""
    folder = DataFolder.open(data)
    hash_seed.ensure(folder.hash_seed)
    return folder
