"""`relive codegen`: write the types of an app for its clients."""

from __future__ import annotations

from pathlib import Path

import click

from ..engine.application.app import App, load_app
from ..engine.codegen import files
from ..engine.codegen.python_client import python_client
from .options import app_argument, folder_type, json_option, traceback_option
from .output import print_json

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@app_argument
@click.option("--out", type=folder_type(), metavar="DIR", help="Write the TypeScript types there.")
@click.option("--python", type=FILE, metavar="FILE", help="Write a typed Python client into this module.")
@json_option
@traceback_option
def codegen(app: Path, out: Path | None, python: Path | None, as_json: bool) -> None:
    """Write the types of APP's functions and tables for its clients.

    With --out, TypeScript for the official Convex clients: api.d.ts, api.js and dataModel.d.ts.
    `relive dev --codegen DIR` does it on every save. With --python, one module of typed functions and
    dataclasses over the `convex` package of PyPI. Files that would not change are not touched.
    """
    if out is None and python is None:
        raise click.UsageError("say what to write: --out DIR for TypeScript, --python FILE for Python, or both")
    loaded = load_app(app)
    changed = (*(files.write(loaded, out) if out is not None else ()), *write_python(loaded, python))
    if as_json:
        print_json({"out": str(out) if out is not None else None, "written": [path.name for path in changed]})
        return
    if out is not None:
        written = [path.name for path in changed if path != python]
        click.echo(f"wrote {', '.join(written)} in {out}" if written else f"{out} is up to date")
    if python is not None:
        click.echo(f"wrote {python}" if python in changed else f"{python} is up to date")


def write_python(app: App, file: Path | None) -> tuple[Path, ...]:
    """The file, if it was changed.  Raises OSError."""
    if file is None:
        return ()
    file.parent.mkdir(parents=True, exist_ok=True)
    return (file,) if files.write_if_changed(file, python_client(app).encode()) else ()
