"""`relive admin-key`: show the key that opens internal functions."""

from __future__ import annotations

from pathlib import Path

import click

from ..engine.data_folder import DataFolder
from .options import data_option, json_option, traceback_option
from .output import print_json


@click.command(name="admin-key")
@data_option
@json_option
@traceback_option
def admin_key(data: Path, as_json: bool) -> None:
    """Show the admin key of a data folder.

    Whoever has it may call internal functions. It was made on the first start and is kept in the
    folder's settings.json, readable for you only.
    """
    folder = DataFolder.read(data)
    if as_json:
        print_json({"instanceName": folder.instance_name, "adminKey": folder.admin_key.key})
    else:
        click.echo(folder.admin_key.key)
