"""`relive codegen`: write the TypeScript types of an app."""

from __future__ import annotations

from pathlib import Path

import click

from ..engine.app import load_app
from ..engine.codegen import files
from .options import app_argument, folder_type, json_option, traceback_option
from .output import print_json


@click.command()
@app_argument
@click.option("--out", type=folder_type(), required=True, metavar="DIR", help="Where to write them.")
@json_option
@traceback_option
def codegen(app: Path, out: Path, as_json: bool) -> None:
    """Write the TypeScript types of APP's functions and tables.

    Makes api.d.ts, api.js and dataModel.d.ts, for the official Convex clients. Files that would
    not change are not touched. `relive dev --codegen DIR` does it on every save.
    """
    changed = files.write(load_app(app), out)
    if as_json:
        print_json({"out": str(out), "written": [path.name for path in changed]})
    elif changed:
        click.echo(f"wrote {', '.join(path.name for path in changed)} in {out}")
    else:
        click.echo(f"{out} is up to date")
