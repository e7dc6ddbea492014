"""`relive init`: a small app to begin with."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from .errors import FolderNotEmpty
from .options import folder_type, json_option, traceback_option
from .output import print_json

FILES = ("schema.py", "tasks.py", "README.md")


@click.command()
@click.argument("folder", type=folder_type())
@json_option
@traceback_option
def init(folder: Path, as_json: bool) -> None:
    """Make a small app in FOLDER, to begin with.

    FOLDER must be new or empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FolderNotEmpty(str(folder))
    template = resources.files(f"{__package__}.template")
    for name in FILES:
        (folder / name).write_text(template.joinpath(name).read_text(encoding="utf-8"), encoding="utf-8")
    if as_json:
        print_json({"folder": str(folder), "written": list(FILES)})
        return
    click.echo(f"made an app in {folder}: {', '.join(FILES)}")
    click.echo(f"next: relive dev {folder}")
