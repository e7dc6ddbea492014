"""`relive dev`: serve an app, and deploy it again on every save."""

from __future__ import annotations

from pathlib import Path

import click

from .collector import collector_calmed
from .options import app_argument, folder_type, server_options
from .serve import open_data


@click.command()
@app_argument
@server_options
@click.option(
    "--codegen", type=folder_type(), default=None, metavar="DIR", help="Keep TypeScript types there up to date."
)
def dev(
    app: Path,
    data: Path,
    host: str,
    port: int,
    site_port: int | None,
    debug: bool,
    as_json: bool,
    files: str | None,
    public_url: str | None,
    codegen: Path | None,
) -> None:
    """Serve APP, and deploy it again on every save.

    Code that does not load, or whose schema does not fit the stored documents, is refused with the
    reason; the last good code is served on. What functions print appears here.
    """
    folder = open_data(data)
    with collector_calmed():
        from .development import Development
        from .serving import Options, run_server  # Much to import, and `open_data` may start over.

    options = Options(app, host, port, debug, as_json, False, site_port=site_port, files=files, public_url=public_url)
    run_server(options, folder, Development(app, codegen))
